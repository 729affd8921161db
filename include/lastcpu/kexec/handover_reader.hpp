// SPDX-License-Identifier: BSL-1.0
#pragma once
// The handover, as a crash kernel or a tool opens it: nothing in it is believed before it has been looked at, and nothing
// outside the bytes that were given is read. Any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/core_notes.hpp>
#include <lastcpu/kexec/handover.hpp>
#include <lastcpu/kexec/handover_error.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// `handover` is null when it can't be used. It is there beside `cut_off` and `damaged`, which are to be said.
struct opened_handover {
  const kexec::handover* handover;  ///< where it lies
  handover_error error;             ///< to be said, unless `none`
};

namespace detail {

[[nodiscard]] inline handover_error check_identity(const handover& h, uint32_t machine) noexcept {
  if (h.magic != handover_magic) return handover_error::no_handover;
  if (h.version != handover_version) return handover_error::wrong_version;
  return h.machine == machine ? handover_error::none : handover_error::wrong_machine;
}

[[nodiscard]] inline handover_error check_sizes(const handover& h, uint64_t entry_bytes, uint64_t readable) noexcept {
  if (h.header_bytes != sizeof h || h.cpu_entry_bytes != entry_bytes) return handover_error::wrong_sizes;
  if (h.bytes != sizeof h + h.cpu_capacity * entry_bytes) return handover_error::wrong_sizes;
  if (h.bytes > readable) return handover_error::too_short;
  if (h.cpu_count > h.cpu_capacity) return handover_error::too_many_cpus;
  return h.build_id_bytes <= sizeof h.build_id ? handover_error::none : handover_error::bad_build_id;
}

[[nodiscard]] inline handover_error check_places(const handover& h) noexcept {
  const ram_range region{h.region_physical, h.region_bytes};
  if (!ram_range{0, h.map_bytes}.contains(region.physical, region.bytes)) return handover_error::bad_region;
  if (h.free_bytes != 0 && !region.contains(h.free_physical, h.free_bytes)) return handover_error::bad_region;
  if (h.core_header_bytes < h.bytes || !region.contains(h.core_physical, h.core_header_bytes))
    return handover_error::bad_core;
  if (h.ram_count > ram_map::capacity) return handover_error::bad_ram;
  for (uint32_t i = 0; i < h.ram_count; ++i)
    if (!is_physical(h.ram[i].physical, h.ram[i].bytes)) return handover_error::bad_ram;
  return handover_error::none;
}

[[nodiscard]] inline bool has_end(const char (&text)[handover_text_bytes]) noexcept {
  for (const char c : text)
    if (c == '\0') return true;
  return false;
}

template <class Entry>
[[nodiscard]] inline handover_error check_texts(const handover& h) noexcept {
  for (uint32_t i = 0; i < h.cpu_count; ++i) {
    const Entry& c = *cpu_of<Entry>(h, i);
    if (!has_end(c.message) || !has_end(c.nmi_message) || !has_end(c.nested_message))
      return handover_error::endless_text;
  }
  return handover_error::none;
}

}  // namespace detail

/// Looks at all of a handover. `at` is a multiple of 8, and `readable` bytes may be read from there on: in a crash
/// kernel as many as it has mapped.
template <class Machine>
[[nodiscard]] inline opened_handover open_handover(const void* at, uint64_t readable) noexcept {
  using entry = cpu_entry_of<Machine>;
  const auto* h = static_cast<const handover*>(at);
  if (readable < sizeof *h) return {nullptr, handover_error::too_short};
  handover_error wrong = detail::check_identity(*h, static_cast<uint32_t>(Machine::machine));
  if (wrong == handover_error::none) wrong = detail::check_sizes(*h, sizeof(entry), readable);
  if (wrong == handover_error::none) wrong = detail::check_places(*h);
  if (wrong == handover_error::none) wrong = detail::check_texts<entry>(*h);
  if (wrong != handover_error::none) return {nullptr, wrong};
  if (h->seal == 0) return {h, handover_error::cut_off};
  return {h, h->seal == handover_seal(*h, h->bytes) ? handover_error::none : handover_error::damaged};
}

/// Which CPU the firmware started, in a handover that has been opened: the one that has said so, else the only one that
/// has not answered. Null where that is not known.
template <class Entry>
[[nodiscard]] inline const Entry* boot_cpu_of(const handover& h) noexcept {
  const Entry* silent = nullptr;
  uint32_t silent_count = 0;
  for (uint32_t i = 0; i < h.cpu_count; ++i) {
    const Entry* c = cpu_of<Entry>(h, i);
    if (c->has(handover_flag::boot_cpu)) return c;
    if (c->has(handover_flag::control_valid)) continue;
    silent = c;
    ++silent_count;
  }
  return silent_count == 1 ? silent : nullptr;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
