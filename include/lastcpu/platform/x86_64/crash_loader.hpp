// SPDX-License-Identifier: BSL-1.0
#pragma once
// Puts a crash kernel into the reserved region, with all that the jump needs: nothing of the dying kernel is used
// after the switch.
//
//   region │ payload … │ free │ stack │ page tables │ IDT │ trampoline │ handover │
//                                     └─── in the digest, as the payload ───┘
//
// Files: a static ELF64 executable, whose segments go to their physical addresses and whose entry is physical; or a
// flat image that goes to the region's start and is entered at its first byte.
// Guarantee: all is checked before the first write; a refused file leaves the region and `out` as they were. That the region
// can be executed is checked by doing it, last, with bytes that are put back.
// The file is elsewhere, also where it is mapped twice, and nobody writes to it meanwhile: its headers are read more than
// once, so what user code gave is copied into the kernel's memory first.
// Thread context, one at a time. An image that is in the slot must be unloaded first: loading overwrites it. After a
// refusal the old record may be put back into the slot.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/crash_record.hpp>
#include <lastcpu/platform/x86_64/elf64.hpp>
#include <lastcpu/platform/x86_64/execution_probe.hpp>
#include <lastcpu/platform/x86_64/handover.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>
#include <lastcpu/platform/x86_64/load_error.hpp>
#include <lastcpu/platform/x86_64/page_tables.hpp>
#include <lastcpu/platform/x86_64/trampoline.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

enum class paging : uint8_t {
  as_this_cpu,  // what CR4.LA57 says: the one choice of a kernel
  four_levels,
  five_levels,
};

enum class execution : uint8_t {
  tried,              // the region's mapping lets this CPU execute there, or the load is refused (execution_probe.hpp)
  taken_for_granted,  // for who can't have its IDT exchanged for a moment
};

struct load_options {
  uint64_t map_bytes = uint64_t{4} << 30;  // physical memory from 0 on that the crash kernel finds mapped
  uint32_t cpu_capacity = 0;               // CPUs that the handover has room for; one more for those without a number
  uint64_t kernel_data = 0;                // handed over; its meaning is the kernel's
  uint64_t ticks_per_second = 0;           // of the TSC, handed over
  bool flat = false;                       // the file is no ELF
  paging levels = paging::as_this_cpu;
  execution region_execution = execution::tried;
};

inline constexpr uint64_t crash_stack_bytes = 16384;

namespace detail {

/// Offsets in the region; all but `end` are multiples of a page.
struct control_layout {
  uint64_t stack, tables, idt, trampoline, handover, end;

  // False when the region has no room for it and a page of payload.
  [[nodiscard]] bool place(uint64_t region_bytes, const load_options& options, bool five_levels) noexcept {
    const uint64_t tables_bytes = page_tables_needed(options.map_bytes, five_levels) * page_bytes;
    const uint64_t handover_room = round_up(handover_bytes(options.cpu_capacity), page_bytes);
    const uint64_t bytes = crash_stack_bytes + tables_bytes + 2 * page_bytes + handover_room;
    if (region_bytes < bytes + page_bytes) return false;
    stack = region_bytes - bytes;
    tables = stack + crash_stack_bytes;
    idt = tables + tables_bytes;
    trampoline = idt + page_bytes;
    handover = trampoline + page_bytes;
    end = region_bytes;
    return true;
  }
};

[[nodiscard]] inline load_error check_region(const crash_region& region, const load_options& options) noexcept {
  const auto mapped = reinterpret_cast<uintptr_t>(region.mapped);
  if (options.cpu_capacity == 0) return load_error::no_cpus;
  if (options.map_bytes == 0 || options.map_bytes % large_page_bytes != 0 || options.map_bytes > most_map_bytes)
    return load_error::bad_map_bytes;
  if (((region.physical | mapped | region.bytes) & (page_bytes - 1)) != 0) return load_error::region_misaligned;
  if (region.physical > options.map_bytes || region.bytes > options.map_bytes - region.physical)
    return load_error::region_above_map;
  return load_error::none;
}

/// [payload, payload + payload_bytes) of the record: the span of all segments.
inline void find_payload(const elf64_file& elf, crash_image_record& r) noexcept {
  uint64_t first = ~uint64_t{0};
  uint64_t end = 0;
  for (uint32_t i = 0; i < elf.segment_count(); ++i) {
    const elf64_segment s = elf.segment(i);
    if (!s.is_loaded()) continue;
    if (s.physical_address < first) first = s.physical_address;
    if (s.physical_address + s.memory_bytes > end) end = s.physical_address + s.memory_bytes;
  }
  r.payload = first - r.region.physical;
  r.payload_bytes = end - first;
  r.entry = elf.entry();
}

inline void copy_segments(const elf64_file& elf, const unsigned char* file, const crash_region& region) noexcept {
  for (uint32_t i = 0; i < elf.segment_count(); ++i) {
    const elf64_segment s = elf.segment(i);
    if (s.is_loaded())
      copy_bytes(region.mapped + (s.physical_address - region.physical), file + s.file_offset, s.file_bytes);
  }
}

/// The file fits: fills in the payload's place and the entry.
[[nodiscard]] inline load_error check_file(const unsigned char* file, uint64_t bytes, bool flat,
                                           const control_layout& layout, crash_image_record& r) noexcept {
  const uint64_t offset = reinterpret_cast<uintptr_t>(file) - reinterpret_cast<uintptr_t>(r.region.mapped);
  if (bytes == 0 || file == nullptr) return load_error::empty_file;
  if (offset < r.region.bytes || bytes > uint64_t{0} - offset) return load_error::file_in_region;
  const elf64_file elf(file, bytes);
  if (!flat) {
    const uint64_t at = r.region.physical;
    const load_error wrong = elf.check({at, at + layout.stack, at + layout.end});
    if (wrong == load_error::none) find_payload(elf, r);
    return wrong;
  }
  if (bytes >= 4 && load<uint32_t>(file) == 0x464c'457f) return load_error::flat_is_elf;
  if (bytes > layout.stack) return load_error::payload_too_large;
  r.payload = 0;
  r.payload_bytes = bytes;
  r.entry = r.region.physical;
  return load_error::none;
}

[[nodiscard]] inline address_map map_of(const crash_image_record& r) noexcept {
  return {r.map_bytes, reinterpret_cast<uintptr_t>(r.region.mapped) + r.trampoline, r.region.physical + r.trampoline,
          r.five_levels != 0};
}

inline void build_control_area(const crash_image_record& r, const control_layout& layout) noexcept {
  const uint64_t at = r.region.physical;
  unsigned char* const mapped = r.region.mapped;
  zero_bytes(mapped + layout.stack, layout.end - layout.stack);
  const address_map map = map_of(r);
  page_table_builder(at + layout.tables, mapped + layout.tables).build(map);
  const trampoline_code code = find_trampoline_code();
  build_idt(reinterpret_cast<interrupt_gate*>(mapped + layout.idt), code, at + layout.trampoline);
  build_trampoline(*reinterpret_cast<trampoline_page*>(mapped + layout.trampoline), code,
                   {map.alias_physical, map.alias_virtual, at + layout.tables, at + layout.tables, r.entry,
                    at + layout.handover, at + layout.idt});
  begin_handover(r);
}

// Everything that can be wrong; fills in the record but for digest and seal. Writes nothing else.
[[nodiscard]] inline load_error plan(const crash_region& region, const unsigned char* file, uint64_t bytes,
                                     const load_options& options, control_layout& layout,
                                     crash_image_record& r) noexcept {
  load_error wrong = check_region(region, options);
  if (wrong != load_error::none) return wrong;
  const bool five_levels =
      options.levels == paging::five_levels || (options.levels == paging::as_this_cpu && (read_cr4() & cr4_la57) != 0);
  if (!layout.place(region.bytes, options, five_levels)) return load_error::region_too_small;
  r.magic = crash_image_magic;
  r.region = region;
  r.map_bytes = options.map_bytes;
  r.kernel_data = options.kernel_data;
  r.ticks_per_second = options.ticks_per_second;
  r.cpu_capacity = options.cpu_capacity;
  r.five_levels = five_levels ? 1 : 0;
  r.control = layout.tables;
  r.control_bytes = layout.handover - layout.tables;
  r.trampoline = layout.trampoline;
  r.handover = layout.handover;
  if (map_of(r).conflicts()) return load_error::region_inside_map;
  wrong = check_file(file, bytes, options.flat, layout, r);
  if (wrong != load_error::none) return wrong;
  r.free = round_up(r.payload + r.payload_bytes, page_bytes);
  r.free_bytes = layout.stack - r.free;
  return load_error::none;
}

inline void write(const unsigned char* file, uint64_t bytes, bool flat, const control_layout& layout,
                  const crash_image_record& r) noexcept {
  zero_bytes(r.region.mapped + r.payload, r.payload_bytes);
  if (flat)
    copy_bytes(r.region.mapped, file, bytes);
  else
    copy_segments(elf64_file(file, bytes), file, r.region);
  build_control_area(r, layout);
}

}  // namespace detail

/// Loads `file` for jump_to(), and describes it in `out`. The contract stands above.
template <class Digest = xxh64, class ProbedMachine = probe_machine>
[[nodiscard]] inline load_error load_crash_kernel(const crash_region& region, const unsigned char* file, uint64_t bytes,
                                                  const load_options& options, crash_image_record& out) noexcept {
  detail::control_layout layout;
  crash_image_record r;
  const load_error wrong = detail::plan(region, file, bytes, options, layout, r);
  if (wrong != load_error::none) return wrong;
  if (options.region_execution == execution::tried && !can_execute<ProbedMachine>(region.mapped + layout.trampoline))
    return load_error::region_not_executable;
  detail::write(file, bytes, options.flat, layout, r);
  r.digest = detail::digest_of<Digest>(r);
  r.seal = detail::seal_of(r);
  detail::copy_bytes(reinterpret_cast<unsigned char*>(&out), reinterpret_cast<const unsigned char*>(&r), sizeof out);
  return load_error::none;
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
