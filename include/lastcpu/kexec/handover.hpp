// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the dying kernel leaves to the crash kernel: plain data in the reserved region, the same header on both sides.
// `Registers` is what the port saves of a CPU.
//
// The crash kernel is told its physical address by the jump. It asks `valid()` first and reads the CPUs by `cpu(i)`.
// The dying side: begin_handover() and save_note(), by the CPU that owns the gate, nobody else; any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/crash_record.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

inline constexpr uint64_t handover_magic = 0x3176'6f68'7570'636c;  // "lcpuhov1"
inline constexpr uint32_t handover_version = 1;
inline constexpr uint32_t handover_text_bytes = 128;

enum class handover_flag : uint32_t {
  crashing = 1,         // this CPU owned the gate
  registers_valid = 2,  // else they are zero
  cut_short = 4,        // it was stopped while it wrote one of its texts
  shortened = 8,        // a text did not fit
};

/// One CPU. The texts end with a zero; empty ones were never said.
template <class Registers>
struct handover_cpu {
  cpu_id cpu;  // no_cpu: a CPU that had no number
  stop_state state;
  uint32_t flags;
  uint32_t reserved;
  Registers regs;
  char message[handover_text_bytes];
  char nmi_message[handover_text_bytes];
  char nested_message[handover_text_bytes];

  [[nodiscard]] constexpr bool has(handover_flag f) const noexcept { return (flags & static_cast<uint32_t>(f)) != 0; }
};

template <class Registers>
struct handover {
  using cpu_entry = handover_cpu<Registers>;

  uint64_t magic;
  uint32_t version;
  uint32_t cpu_entry_bytes;
  uint64_t bytes;             // of everything, the room for further CPUs included
  uint64_t panic_ticks;       // P::now() at the panic; 0: nobody called stamp_panic()
  uint64_t jump_ticks;        // the dying kernel's last look at the clock
  uint64_t ticks_per_second;  // 0: unknown
  uint64_t page_tables;  // of the dead kernel on the CPU that jumped: the register that holds their root (x86: CR3)
  uint64_t kernel_data;  // as given to the load
  uint64_t map_bytes;    // physical memory from 0 on is mapped one to one up to here
  uint64_t region_physical, region_bytes;
  uint64_t free_physical, free_bytes;  // the part of the region that holds nothing
  uint32_t cpu_capacity;
  uint32_t cpu_count;  // entries that follow; the crashing CPU is the first
  uint32_t cpus_left_out;
  uint32_t reserved;

  [[nodiscard]] bool valid() const noexcept {
    return magic == handover_magic && version == handover_version && cpu_entry_bytes == sizeof(cpu_entry) &&
           cpu_count <= cpu_capacity && bytes == sizeof(handover) + uint64_t{cpu_capacity} * sizeof(cpu_entry);
  }
  /// Null from cpu_count on.
  [[nodiscard]] const cpu_entry* cpu(uint32_t i) const noexcept {
    static_assert(sizeof(handover) % alignof(cpu_entry) == 0);
    return i < cpu_count ? reinterpret_cast<const cpu_entry*>(this + 1) + i : nullptr;
  }
};

template <class Registers>
[[nodiscard]] constexpr uint64_t handover_bytes(uint32_t cpus) noexcept {
  return sizeof(handover<Registers>) + uint64_t{cpus} * sizeof(handover_cpu<Registers>);
}

/// Where the dying kernel writes it. `record` is intact.
template <class Registers>
[[nodiscard]] inline handover<Registers>* handover_of(const crash_image_record& record) noexcept {
  return reinterpret_cast<handover<Registers>*>(record.region.mapped + record.handover);
}

/// Writes the header anew, with no CPU in it: whatever a stray write has done to it is gone. Keeps panic_ticks.
template <class Registers>
inline void begin_handover(const crash_image_record& record) noexcept {
  handover<Registers>& h = *handover_of<Registers>(record);
  h.magic = handover_magic;
  h.version = handover_version;
  h.cpu_entry_bytes = sizeof(handover_cpu<Registers>);
  h.bytes = handover_bytes<Registers>(record.cpu_capacity);
  h.jump_ticks = h.page_tables = 0;
  h.ticks_per_second = record.ticks_per_second;
  h.kernel_data = record.kernel_data;
  h.map_bytes = record.map_bytes;
  h.region_physical = record.region.physical;
  h.region_bytes = record.region.bytes;
  h.free_physical = record.region.physical + record.free;
  h.free_bytes = record.free_bytes;
  h.cpu_capacity = record.cpu_capacity;
  h.cpu_count = h.cpus_left_out = h.reserved = 0;
}

/// When the panic began, for who measures. The last call counts.
template <class Registers>
inline void stamp_panic(const crash_image_record& record, uint64_t now) noexcept {
  handover_of<Registers>(record)->panic_ticks = now;
}

namespace detail {

// False when it had to be cut. volatile: no call of a string function may come out of it.
inline bool copy_text(char* to, const char* from) noexcept {
  auto* out = static_cast<volatile char*>(to);
  uint32_t i = 0;
  for (; i + 1 < handover_text_bytes && from[i] != '\0'; ++i) out[i] = from[i];
  out[i] = '\0';
  return from[i] == '\0';
}

[[nodiscard]] constexpr uint32_t flag_if(bool set, handover_flag f) noexcept {
  return set ? static_cast<uint32_t>(f) : 0;
}

template <class Registers>
inline void fill(handover_cpu<Registers>& out, const cpu_note<Registers>& note) noexcept {
  zero_bytes(reinterpret_cast<unsigned char*>(&out), sizeof out);
  out.cpu = note.cpu;
  out.state = note.state;
  if (note.registers != nullptr)
    copy_bytes(reinterpret_cast<unsigned char*>(&out.regs), reinterpret_cast<const unsigned char*>(note.registers),
               sizeof out.regs);
  bool whole = copy_text(out.message, note.message);
  whole = copy_text(out.nmi_message, note.nmi_message) && whole;
  whole = copy_text(out.nested_message, note.nested_message) && whole;
  out.flags = flag_if(note.crashing, handover_flag::crashing) |
              flag_if(note.registers != nullptr, handover_flag::registers_valid) |
              flag_if(note.cut_short, handover_flag::cut_short) | flag_if(!whole, handover_flag::shortened);
}

}  // namespace detail

/// Appends one CPU; the crashing one comes first and begins anew. False when there is no room: it is counted as left
/// out. The room is what the record says, so a damaged handover is not believed.
template <class Registers>
inline bool save_note(const crash_image_record& record, const cpu_note<Registers>& note) noexcept {
  if (note.crashing) begin_handover<Registers>(record);
  handover<Registers>& h = *handover_of<Registers>(record);
  const uint32_t at = h.cpu_count;
  if (at >= record.cpu_capacity) {
    ++h.cpus_left_out;
    return false;
  }
  detail::fill(reinterpret_cast<handover_cpu<Registers>*>(&h + 1)[at], note);
  __atomic_store_n(&h.cpu_count, at + 1, __ATOMIC_RELEASE);  // after the entry: a fault in between leaves it out
  return true;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
