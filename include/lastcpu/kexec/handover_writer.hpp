// SPDX-License-Identifier: BSL-1.0
#pragma once
// The handover and the notes of the core, as a dying kernel writes them: begin_handover() and save_note(), by the CPU that
// owns the gate, nobody else; any context. `record` is intact.
// What can be said at the load is in a template in the control area, which the digest covers; a crash begins with a copy
// of it, so whatever a stray write has done to the core is gone.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_file.hpp>
#include <lastcpu/kexec/crash_record.hpp>
#include <lastcpu/kexec/handover.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// What a port knows of a CPU beyond its note.
template <class Control>
struct cpu_details {
  const Control* control;  ///< null: unknown
  uint32_t hardware_id;    ///< or no_hardware_id
};

/// Where the dying kernel writes the handover.
[[nodiscard]] inline handover* handover_of(const crash_image_record& record) noexcept {
  return reinterpret_cast<handover*>(record.region.mapped + record.handover);
}

/// The whole beginning of the core anew, with no CPU in it.
inline void begin_handover(const crash_image_record& record) noexcept {
  unsigned char* const region = record.region.mapped;
  copy_bytes(region + record.core, region + record.core_template, record.handover - record.core + sizeof(handover));
}

/// The last of all: what a fault has cut off has no seal. `bytes`: handover::bytes.
inline void seal_handover(const crash_image_record& record, uint64_t bytes) noexcept {
  handover& h = *handover_of(record);
  h.seal = h.core_valid_bytes = 0;
  h.core = core_state::not_written;
  h.core_problem = 0;
  h.core_sum = core_sum(record.region.mapped + record.core, record.handover - record.core, bytes, record.core_bytes);
  const auto* const all = reinterpret_cast<const unsigned char*>(&h);
  h.seal = nonzero_seal(xxh64_of(all, bytes, all, 0));
}

namespace detail {

[[nodiscard]] constexpr uint32_t flag_if(bool set, handover_flag f) noexcept {
  return set ? static_cast<uint32_t>(f) : 0;
}

// Into zeros. `shortened` when it had to be cut. volatile: no call of a string function may come out of it.
[[gnu::noinline]] inline uint32_t copy_text(char* to, const char* from) noexcept {
  auto* out = static_cast<volatile char*>(to);
  uint32_t i = 0;
  for (; i + 1 < handover_text_bytes && from[i] != '\0'; ++i) out[i] = from[i];
  return flag_if(from[i] != '\0', handover_flag::shortened);
}

template <class T>
inline void copy(T& out, const T& from) noexcept {
  copy_bytes(reinterpret_cast<unsigned char*>(&out), reinterpret_cast<const unsigned char*>(&from), sizeof out);
}

template <class Machine>
inline void fill(cpu_entry_of<Machine>& out, const cpu_note<typename Machine::registers>& note,
                 const cpu_details<typename Machine::control>& more) noexcept {
  zero_bytes(reinterpret_cast<unsigned char*>(&out), sizeof out);
  out.cpu = note.cpu;
  out.state = note.state;
  out.hardware_id = more.hardware_id;
  out.flags = flag_if(note.crashing, handover_flag::crashing) | flag_if(note.cut_short, handover_flag::cut_short);
  if (note.registers != nullptr) {
    copy(out.regs, *note.registers);
    out.flags |= static_cast<uint32_t>(handover_flag::registers_valid);
  }
  if (more.control != nullptr) {
    copy(out.control, *more.control);
    out.flags |= static_cast<uint32_t>(handover_flag::control_valid) |
                 flag_if(Machine::is_boot_cpu(*more.control), handover_flag::boot_cpu);
  }
  out.flags |= copy_text(out.message, note.message);
  out.flags |= copy_text(out.nmi_message, note.nmi_message);
  out.flags |= copy_text(out.nested_message, note.nested_message);
}

// Behind the notes that are there; counted when it is whole. How many there are is not believed beyond the room.
template <class Machine>
inline void append_prstatus(const crash_image_record& record, uint32_t thread, const typename Machine::registers& regs,
                            const typename Machine::control* control) noexcept {
  constexpr uint64_t each = prstatus_note_bytes<Machine>;
  unsigned char* const core = record.region.mapped + record.core;
  unsigned char* const notes = record.region.mapped + record.handover - note_header_bytes;
  const uint64_t first = note_header_bytes + handover_bytes<cpu_entry_of<Machine>>(record.cpu_capacity);
  const auto end = read_word<uint64_t>(core + note_segment_file_bytes);
  if (end - first > (record.cpu_capacity - 1) * each) return;  // or below it: the difference wraps
  write_prstatus<Machine>(notes + end, thread, regs, control);
  __atomic_store_n(reinterpret_cast<uint64_t*>(core + note_segment_file_bytes), end + each, __ATOMIC_RELEASE);
}

}  // namespace detail

/// Appends one CPU; the crashing one comes first and begins anew. False when there is no room: it is counted as left
/// out. The room is what the record says, so a damaged handover is not believed.
template <class Machine>
[[gnu::always_inline]] inline bool save_note(const crash_image_record& record,
                                             const cpu_note<typename Machine::registers>& note,
                                             const cpu_details<typename Machine::control>& more) noexcept {
  using entry = cpu_entry_of<Machine>;
  handover& h = *handover_of(record);
  if (note.crashing) {
    begin_handover(record);
    h.crashing_cpu = note.cpu;
    h.panic_ticks = note.panic_ticks;
  }
  const uint32_t at = h.cpu_count;
  if (at >= record.cpu_capacity) {
    ++h.cpus_left_out;
    return false;
  }
  detail::fill<Machine>(reinterpret_cast<entry*>(&h + 1)[at], note, more);
  __atomic_store_n(&h.cpu_count, at + 1, __ATOMIC_RELEASE);  // after the entry: a fault in between leaves it out
  if (note.registers != nullptr)
    detail::append_prstatus<Machine>(record, thread_of(note.cpu, at), *note.registers, more.control);
  return true;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
