// SPDX-License-Identifier: BSL-1.0
#pragma once
// The beginning of the core as far as it can be said at the load: what begin_handover() copies. Thread context, one at a
// time.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_file.hpp>
#include <lastcpu/kexec/crash_record.hpp>
#include <lastcpu/kexec/handover_writer.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// Of a kernel that says nothing of itself.
inline constexpr kernel_facts no_facts{};

/// How many bytes the template takes in the control area: whole pages.
[[nodiscard]] inline uint64_t core_template_bytes(const core_layout& layout) noexcept {
  return round_up(layout.handover + sizeof(handover), page_bytes);
}

/// Where core, handover and template are. `template_at` is an offset in the region.
inline void record_core(const core_layout& layout, uint64_t template_at, crash_image_record& r) noexcept {
  r.handover = r.core + layout.handover;
  r.core_template = template_at;
}

namespace detail {

// Those that have room; check_facts() has seen them all.
inline void copy_facts(const kernel_facts& facts, handover& h) noexcept {
  h.rsdp = facts.rsdp;
  h.slide = facts.slide;
  h.direct_map_virtual = facts.direct_map_virtual;
  h.direct_map_physical = facts.direct_map_physical;
  h.direct_map_bytes = facts.direct_map_bytes;
  h.build_id_bytes = facts.build_id_bytes;
  copy_bytes(h.build_id, facts.build_id, facts.build_id_bytes);
  h.ram_count = facts.ram.count;
  copy_bytes(reinterpret_cast<unsigned char*>(h.ram), reinterpret_cast<const unsigned char*>(facts.ram.ranges),
             facts.ram.count * sizeof(ram_range));
}

// Into zeros.
template <class Machine>
inline void fill_handover(const crash_image_record& r, const core_layout& layout, handover& h) noexcept {
  h.magic = handover_magic;
  h.version = handover_version;
  h.machine = static_cast<uint32_t>(Machine::machine);
  h.bytes = layout.handover_bytes;
  h.header_bytes = sizeof h;
  h.cpu_entry_bytes = sizeof(cpu_entry_of<Machine>);
  h.ticks_per_second = r.ticks_per_second;
  h.page_table_levels = r.table_levels;
  h.crashing_cpu = no_cpu;
  h.kernel_data = r.kernel_data;
  h.map_bytes = r.map_bytes;
  h.region_physical = r.region.physical;
  h.region_bytes = r.region.bytes;
  h.free_physical = r.region.physical + r.free;
  h.free_bytes = r.free_bytes;
  h.core_physical = r.region.physical + r.core;
  h.core_header_bytes = layout.header_bytes;
  h.cpu_capacity = r.cpu_capacity;
}

}  // namespace detail

/// Writes the template and the core itself, of which nothing but zeros is behind the template. The record is filled in but
/// for digest and seal.
template <class Machine>
inline void build_core(const crash_image_record& r, const core_layout& layout, const kernel_facts& facts) noexcept {
  unsigned char* const to = r.region.mapped + r.core_template;
  zero_bytes(to, core_template_bytes(layout));
  core_builder(to, layout, facts, {r.region.physical, r.region.bytes}).build(Machine::machine);
  handover& h = *reinterpret_cast<handover*>(to + layout.handover);
  detail::fill_handover<Machine>(r, layout, h);
  detail::copy_facts(facts, h);
  zero_bytes(r.region.mapped + r.core, r.core_bytes);
  begin_handover(r);
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
