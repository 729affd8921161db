// SPDX-License-Identifier: BSL-1.0
#pragma once
// The notes of a core: one of our own, whose descriptor is the handover, and behind it for each CPU with registers an
// NT_PRSTATUS as debuggers know it. Any context.
//
// `Machine` is the processor's part (x86-64: platform/x86_64/core_registers.hpp):
//     using registers, control;                       // of a handover_cpu
//     static constexpr elf64_machine machine;
//     static constexpr uint32_t prstatus_words;       // of 8 bytes, of the note's register block
//     static void fill_prstatus(unsigned char* to, const registers&, const control* or null) noexcept;
//     static bool is_boot_cpu(const control&) noexcept;          // the one that the firmware started first
//     static uint64_t stack_pointer(const registers&) noexcept;  // these two for small_core.hpp only
//     static uint64_t page_tables(const control&) noexcept;      // their root

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/handover.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// One CPU of the handover of this machine.
template <class Machine>
using cpu_entry_of = handover_cpu<typename Machine::registers, typename Machine::control>;

/// Our note: name "LASTCPU", this type.
inline constexpr uint32_t handover_note_type = 1;
/// From the note's first byte to its descriptor.
inline constexpr uint64_t note_header_bytes = 20;

namespace detail {

inline constexpr uint64_t prstatus_registers = 112;  // offset in the descriptor
inline constexpr uint64_t prstatus_pid = 32;

inline void write_note_header(unsigned char* at, uint32_t name_bytes, uint64_t name, uint64_t bytes,
                              uint32_t type) noexcept {
  write_word(at, name_bytes);
  write_word(at + 4, static_cast<uint32_t>(bytes));
  write_word(at + 8, type);
  write_word(at + 12, name);
}

// `bytes`: of the handover, the room for CPUs included.
inline void write_handover_note_header(unsigned char* at, uint64_t bytes) noexcept {
  write_note_header(at, 8, 0x0055'5043'5453'414c, bytes, handover_note_type);
}

}  // namespace detail

/// The descriptor: what debuggers call elf_prstatus.
template <class Machine>
inline constexpr uint64_t prstatus_bytes = detail::prstatus_registers + Machine::prstatus_words * 8 + 8;
/// The whole note.
template <class Machine>
inline constexpr uint64_t prstatus_note_bytes = note_header_bytes + prstatus_bytes<Machine>;

/// The thread number that stands for a CPU: never 0, each once. `i`: its place in the handover.
[[nodiscard]] constexpr uint32_t thread_of(cpu_id cpu, uint32_t i) noexcept {
  constexpr uint32_t without_a_number = 1'000'001;
  return cpu < 1'000'000 ? cpu + 1 : without_a_number + i;
}

/// Writes the whole note of a CPU at `at`. `control` may be null.
template <class Machine>
inline void write_prstatus(unsigned char* at, uint32_t thread, const typename Machine::registers& regs,
                           const typename Machine::control* control) noexcept {
  constexpr uint32_t nt_prstatus = 1;
  zero_bytes(at, prstatus_note_bytes<Machine>);
  detail::write_note_header(at, 5, 0x0045'524f'43, prstatus_bytes<Machine>, nt_prstatus);
  unsigned char* const descriptor = at + note_header_bytes;
  write_word(descriptor + detail::prstatus_pid, thread);
  Machine::fill_prstatus(descriptor + detail::prstatus_registers, regs, control);
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
