// SPDX-License-Identifier: BSL-1.0
#pragma once
// Puts a crash kernel into the reserved region, with all that the jump needs: nothing of the dying kernel is used
// after the switch. The control area of kexec/crash_loader.hpp, where also stands what a file may be:
//
//   stack │ page tables │ IDT │ trampoline │ core template │ core
//
// Guarantee: all is checked before the first write; a refused file leaves the region and `out` as they were. That the region
// can be executed is checked by doing it, last, with bytes that are put back.
// The file's headers are read more than once, so what user code gave is copied into the kernel's memory first.
// Thread context, one at a time. Loading overwrites the image before, so nobody may start that one meanwhile:
// load_into_slot() sees to it. Who calls load_crash_kernel() itself unloads first, and after a refusal may put the old
// record back.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/crash_loader.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>
#include <lastcpu/platform/x86_64/execution_probe.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>
#include <lastcpu/platform/x86_64/page_tables.hpp>
#include <lastcpu/platform/x86_64/trampoline.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// How many levels the crash kernel's page tables have.
enum class paging : uint8_t {
  as_this_cpu,  ///< what CR4.LA57 says: the one choice of a kernel
  four_levels,  ///< for a test that has no CR4
  five_levels,  ///< for a test that has no CR4
};

/// Whether the region is tried for execution.
enum class execution : uint8_t {
  tried,  ///< the region's mapping lets this CPU execute there, or the load is refused (execution_probe.hpp)
  taken_for_granted,  ///< for who can't have its IDT exchanged for a moment
};

/// What a load is asked for.
struct load_options {
  uint64_t map_bytes = uint64_t{4} << 30;  ///< physical memory from 0 on that the crash kernel finds mapped
  uint32_t cpu_capacity = 0;               ///< CPUs that the handover has room for; one more for those without a number
  uint64_t kernel_data = 0;                ///< handed over; its meaning is the kernel's
  uint64_t ticks_per_second = 0;           ///< of the TSC, handed over
  const kexec::kernel_facts* kernel = nullptr;    ///< what a dump shall know of this kernel; read during the load
  bool flat = false;                              ///< the file is no ELF
  paging levels = paging::as_this_cpu;            ///< of the crash kernel's page tables
  execution region_execution = execution::tried;  ///< whether it is tried
};

namespace detail {

using kexec::crash_image_record;
using kexec::crash_region;
using kexec::load_error;
using kexec::page_bytes;

[[nodiscard]] inline const kexec::kernel_facts& facts_of(const load_options& options) noexcept {
  return options.kernel != nullptr ? *options.kernel : kexec::no_facts;
}

/// The region's layout with the parts of its control area and of the core.
struct control_layout : kexec::region_layout {
  uint64_t tables, idt, trampoline, core_template;
  kexec::core_layout in_core;

  [[nodiscard]] bool place(const crash_region& region, const load_options& options, bool five_levels) noexcept {
    const uint64_t tables_bytes = page_tables_needed(options.map_bytes, five_levels) * page_bytes;
    in_core.place<core_registers>(facts_of(options), {region.physical, region.bytes}, options.cpu_capacity);
    const uint64_t control_bytes = tables_bytes + 2 * page_bytes + kexec::core_template_bytes(in_core);
    if (!region_layout::place(region.bytes, control_bytes, in_core.header_bytes)) return false;
    tables = control;
    idt = tables + tables_bytes;
    trampoline = idt + page_bytes;
    core_template = trampoline + page_bytes;
    return true;
  }
};

[[nodiscard]] inline load_error check_map(const crash_region& region, const load_options& options) noexcept {
  if (options.map_bytes == 0 || options.map_bytes % large_page_bytes != 0 || options.map_bytes > most_map_bytes)
    return load_error::bad_map_bytes;
  if (region.physical > options.map_bytes || region.bytes > options.map_bytes - region.physical)
    return load_error::region_above_map;
  return load_error::none;
}

[[nodiscard]] inline address_map map_of(const crash_image_record& r) noexcept {
  return {r.map_bytes, reinterpret_cast<uintptr_t>(r.region.mapped) + r.trampoline, r.region.physical + r.trampoline,
          r.table_levels == 5};
}

inline void build_control_area(const crash_image_record& r, const control_layout& layout,
                               const kexec::kernel_facts& facts) noexcept {
  const uint64_t at = r.region.physical;
  unsigned char* const mapped = r.region.mapped;
  kexec::zero_bytes(mapped + layout.stack, layout.end - layout.stack);
  const address_map map = map_of(r);
  page_table_builder(at + layout.tables, mapped + layout.tables).build(map);
  const trampoline_code code = find_trampoline_code();
  build_idt(reinterpret_cast<interrupt_gate*>(mapped + layout.idt), code, at + layout.trampoline);
  build_trampoline(*reinterpret_cast<trampoline_page*>(mapped + layout.trampoline), code,
                   {map.alias_physical, map.alias_virtual, at + layout.tables, at + layout.tables, r.entry,
                    at + r.handover, at + layout.idt});
  kexec::build_core<core_registers>(r, layout.in_core, facts);
}

// Everything that can be wrong; fills in the record but for digest and seal. Writes nothing else.
[[nodiscard]] inline load_error plan(const crash_region& region, const kexec::crash_file& file,
                                     const load_options& options, control_layout& layout,
                                     crash_image_record& r) noexcept {
  load_error wrong = kexec::check_region(region, options.cpu_capacity);
  if (wrong == load_error::none) wrong = check_map(region, options);
  if (wrong == load_error::none)
    wrong = kexec::check_contents(facts_of(options), {region.physical, region.bytes}, options.map_bytes);
  if (wrong != load_error::none) return wrong;
  const bool five_levels =
      options.levels == paging::five_levels || (options.levels == paging::as_this_cpu && (read_cr4() & cr4_la57) != 0);
  if (!layout.place(region, options, five_levels)) return load_error::region_too_small;
  kexec::begin_record(region, layout, r);
  kexec::record_core(layout.in_core, layout.core_template, r);
  r.map_bytes = options.map_bytes;
  r.kernel_data = options.kernel_data;
  r.ticks_per_second = options.ticks_per_second;
  r.cpu_capacity = options.cpu_capacity;
  r.table_levels = five_levels ? 5 : 4;
  r.trampoline = layout.trampoline;
  if (map_of(r).conflicts()) return load_error::region_inside_map;
  return kexec::check_file(file, kexec::elf64_machine::x86_64, layout, r);
}

}  // namespace detail

/// Loads `file`, `bytes` long, for jump_to(), and describes it in `out`, which goes into the slot
/// (machine.image().load()). Thread context, one at a time, behind an unload. All is checked before the first write: on
/// an error, which kexec::to_string() puts into a sentence, region and `out` are as they were.
template <class Digest = kexec::xxh64, class ProbedMachine = probe_machine>
[[nodiscard]] inline kexec::load_error load_crash_kernel(const kexec::crash_region& region, const unsigned char* file,
                                                         uint64_t bytes, const load_options& options,
                                                         kexec::crash_image_record& out) noexcept {
  using kexec::load_error;
  const kexec::crash_file given{file, bytes, options.flat};
  detail::control_layout layout;
  kexec::crash_image_record r;
  const load_error wrong = detail::plan(region, given, options, layout, r);
  if (wrong != load_error::none) return wrong;
  if (options.region_execution == execution::tried && !can_execute<ProbedMachine>(region.mapped + layout.trampoline))
    return load_error::region_not_executable;
  kexec::write_payload(given, r);
  detail::build_control_area(r, layout, detail::facts_of(options));
  kexec::seal_image<Digest>(r);
  kexec::copy_bytes(reinterpret_cast<unsigned char*>(&out), reinterpret_cast<const unsigned char*>(&r), sizeof out);
  return load_error::none;
}

/// The same into a machine's slot, `machine.image()`, in place of what is in it: kexec::load_into().
template <class Digest = kexec::xxh64, class ProbedMachine = probe_machine, class Slot>
[[nodiscard]] inline kexec::load_error load_into_slot(Slot&& slot, const kexec::crash_region& region,
                                                      const unsigned char* file, uint64_t bytes,
                                                      const load_options& options) noexcept {
  return kexec::load_into(slot, [&](kexec::crash_image_record& out) noexcept {
    return load_crash_kernel<Digest, ProbedMachine>(region, file, bytes, options, out);
  });
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
