// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the dying kernel leaves to whoever looks at it afterwards: plain data in the reserved region, little-endian. It is
// the descriptor of the first note of the core (core_file.hpp), so it is in every dump that a core is made of.
//
// The dying kernel writes it by handover_writer.hpp. A crash kernel is told its physical address by the jump, and opens
// it by handover_reader.hpp, which believes nothing.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/digest.hpp>
#include <lastcpu/kexec/kernel_facts.hpp>
#include <lastcpu/kexec/ram_map.hpp>

#include <stddef.h>
#include <stdint.h>

namespace lastcpu::kexec {

/// "lcpuhov2".
inline constexpr uint64_t handover_magic = 0x3276'6f68'7570'636c;
/// Another one has another layout.
inline constexpr uint32_t handover_version = 2;
/// Bytes of each text, the closing zero included.
inline constexpr uint32_t handover_text_bytes = 128;

/// What is known of a CPU, or-ed in handover_cpu::flags.
enum class handover_flag : uint32_t {
  crashing = 1,         ///< this CPU owned the gate
  registers_valid = 2,  ///< else they are zero
  cut_short = 4,        ///< it was stopped while it wrote one of its texts
  shortened = 8,        ///< a text did not fit
  control_valid = 16,   ///< else the control words are zero
  boot_cpu = 32,        ///< the one that the firmware started first
};

/// "Unknown", of handover_cpu::hardware_id.
inline constexpr uint32_t no_hardware_id = 0xffff'ffff;

/// One CPU. `Registers` is what the port saves of it, `Control` what decides about its address space. The texts end with
/// a zero; empty ones were never said.
template <class Registers, class Control>
struct handover_cpu {
  cpu_id cpu;                                ///< no_cpu: a CPU that had no number
  stop_state state;                          ///< what became of it
  uint32_t flags;                            ///< handover_flag, or-ed
  uint32_t hardware_id;                      ///< APIC id, hart id; no_hardware_id: unknown
  Registers regs;                            ///< of the crash, or where it was stopped
  Control control;                           ///< of its address space
  char message[handover_text_bytes];         ///< of its panic in thread or irq context
  char nmi_message[handover_text_bytes];     ///< of its panic in NMI context
  char nested_message[handover_text_bytes];  ///< of a panic inside its panic

  /// This flag is set.
  [[nodiscard]] constexpr bool has(handover_flag f) const noexcept { return (flags & static_cast<uint32_t>(f)) != 0; }
};

/// How far the core has been written to where it is to stay.
enum class core_state : uint32_t {
  not_written,  ///< nobody writes one
  incomplete,   ///< valid up to handover::core_valid_bytes
  complete,     ///< all of it, flushed
};

/// The header; the entries of the CPUs follow. Opened by open_handover() before anything of it is used.
struct handover {
  uint64_t magic;            ///< handover_magic
  uint32_t version;          ///< handover_version
  uint32_t machine;          ///< ELF's e_machine
  uint64_t bytes;            ///< of everything, the room for further CPUs included
  uint32_t header_bytes;     ///< sizeof(handover)
  uint32_t cpu_entry_bytes;  ///< of the handover_cpu of the machine
  // Below: what is written after the seal, which takes it for zeros, and the seal itself.
  uint64_t seal;              ///< XXH64 of all `bytes`, by the last step before the jump; 0: a fault cut that off
  uint64_t core_valid_bytes;  ///< of a core that is incomplete
  core_state core;            ///< how far it has come
  uint32_t core_problem;      ///< why it is incomplete: the writer's number, 0 for none
  // The times are P::now().
  uint64_t panic_ticks;        ///< when the owner of the gate began; 0: unknown
  uint64_t jump_ticks;         ///< the dying kernel's last look at the clock
  uint64_t ticks_per_second;   ///< 0: unknown
  uint64_t page_tables;        ///< of the CPU that jumped: the register that holds their root (x86: CR3)
  uint32_t page_table_levels;  ///< of its page tables, and of the crash kernel's
  cpu_id crashing_cpu;         ///< who owned the gate
  uint64_t kernel_data;        ///< as given to the load
  uint64_t map_bytes;          ///< physical memory from 0 on is mapped one to one up to here
  ///@{
  /// The reserved region; the part of it that holds nothing; the beginning of the core file, with this handover in it.
  uint64_t region_physical, region_bytes;
  uint64_t free_physical, free_bytes;
  uint64_t core_physical, core_header_bytes;
  ///@}
  ///@{
  /// What the kernel has said of itself: kernel_facts.
  uint64_t rsdp;
  uint64_t slide;
  uint64_t direct_map_virtual, direct_map_physical, direct_map_bytes;
  uint32_t build_id_bytes;
  ///@}
  uint32_t ram_count;      ///< of `ram`
  uint32_t cpu_capacity;   ///< entries that there is room for
  uint32_t cpu_count;      ///< entries that follow; the crashing CPU is the first
  uint32_t cpus_left_out;  ///< for which there was no room
  uint32_t core_sum;       ///< of the rest of the core's beginning, with the seal: core_reader.hpp
  unsigned char build_id[kernel_facts::most_build_id_bytes];  ///< of the kernel that died
  ram_range ram[ram_map::capacity];                           ///< its machine's memory

  /// [at, at + n) is memory of the dead kernel's machine, as far as it was said.
  [[nodiscard]] bool is_ram(uint64_t at, uint64_t n) const noexcept {
    return all_in(ram, ram_count < ram_map::capacity ? ram_count : ram_map::capacity, at, n);
  }
};
static_assert(sizeof(handover) == 1280 && offsetof(handover, seal) == 32 && offsetof(handover, panic_ticks) == 56 &&
                  offsetof(handover, core_physical) == 144 && offsetof(handover, build_id) == 224,
              "lastcpu: the layout of version 2");

/// The entry of CPU `i`, null from cpu_count on. `Entry` is the handover_cpu of the machine.
template <class Entry>
[[nodiscard]] inline const Entry* cpu_of(const handover& h, uint32_t i) noexcept {
  static_assert(sizeof(handover) % alignof(Entry) == 0 && sizeof(Entry) % 8 == 0);
  return i < h.cpu_count ? reinterpret_cast<const Entry*>(&h + 1) + i : nullptr;
}

/// Size of a handover with room for so many CPUs.
template <class Entry>
[[nodiscard]] constexpr uint64_t handover_bytes(uint32_t cpus) noexcept {
  return sizeof(handover) + uint64_t{cpus} * sizeof(Entry);
}

/// `sum`, but never 0, which stands for no seal.
[[nodiscard]] constexpr uint64_t nonzero_seal(uint64_t sum) noexcept {
  return sum != 0 ? sum : 1;
}

/// What handover::core_sum is for the beginning of a core of `bytes` bytes, whose handover is at `handover_at`.
[[nodiscard]] inline uint32_t core_sum(const unsigned char* core, uint64_t handover_at, uint64_t handover_bytes,
                                       uint64_t bytes) noexcept {
  const uint64_t behind = handover_at + handover_bytes;
  return static_cast<uint32_t>(xxh64_of(core, handover_at, core + behind, bytes - behind));
}

/// What handover::seal is for a handover with its room, of `bytes` bytes. Never 0.
[[nodiscard]] inline uint64_t handover_seal(const handover& h, uint64_t bytes) noexcept {
  constexpr uint64_t first = offsetof(handover, seal);
  constexpr uint64_t behind = offsetof(handover, panic_ticks);
  const auto* const at = reinterpret_cast<const unsigned char*>(&h);
  uint64_t none[(behind - first) / 8];
  for (uint64_t& word : none) static_cast<volatile uint64_t&>(word) = 0;  // as an initializer: a call of memset
  xxh64 sum;
  sum.add(at, first);
  sum.add(reinterpret_cast<const unsigned char*>(none), sizeof none);
  sum.add(at + behind, bytes - behind);
  return nonzero_seal(sum.value());
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
