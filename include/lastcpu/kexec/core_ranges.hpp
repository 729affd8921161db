// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which memory goes into a core: what the kernel says is memory and is in its direct map, without what it leaves out and
// without the crash kernel's region; in whole pages, in ascending order, each byte once. Nothing is kept in between, so
// that it can be asked where there is no memory to spare. Of facts that check_contents() has let pass; any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/kexec/kernel_facts.hpp>
#include <lastcpu/kexec/ram_map.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// A look at the facts, which stay where they are.
class core_ranges {
 public:
  /// Of this kernel, whose crash kernel has `region`.
  core_ranges(const kernel_facts& facts, const ram_range& region) noexcept : facts_(facts), region_(region) {}

  /// The first range that begins at `at` or behind; of no bytes: there is none.
  [[nodiscard]] ram_range next(uint64_t at) const noexcept;

  /// Calls f(range) for each, in ascending order.
  template <class F>
  void for_each(F f) const noexcept {
    for (ram_range r = next(0); r.bytes != 0; r = next(r.end())) f(r);
  }

 private:
  static constexpr uint64_t none = ~uint64_t{0};

  [[nodiscard]] static bool is_inside(const ram_range& r, uint64_t at) noexcept {
    return at >= r.physical && at < r.end();
  }
  template <class F>
  void for_each_kept_out(F f) const noexcept {
    f(region_);
    for (uint32_t i = 0; i < facts_.left_out.count; ++i) f(facts_.left_out.ranges[i]);
  }
  [[nodiscard]] uint64_t first_memory(uint64_t at) const noexcept;
  [[nodiscard]] uint64_t end_of_memory(uint64_t at) const noexcept;
  [[nodiscard]] uint64_t end_of_kept_out(uint64_t at) const noexcept;
  [[nodiscard]] uint64_t next_kept_out(uint64_t at) const noexcept;

  const kernel_facts& facts_;
  const ram_range region_;
};

// Each round ends at an edge of some range, so there are no more rounds than edges.
inline ram_range core_ranges::next(uint64_t at) const noexcept {
  const uint64_t map_end = facts_.direct_map_physical + facts_.direct_map_bytes;
  if (at < facts_.direct_map_physical) at = facts_.direct_map_physical;
  for (;;) {
    at = first_memory(at);
    if (at >= map_end) return {0, 0};
    const uint64_t skipped_to = end_of_kept_out(at);
    if (skipped_to != 0) {
      at = skipped_to;
      continue;
    }
    uint64_t end = end_of_memory(at);
    const uint64_t kept_out = next_kept_out(at);
    if (kept_out < end) end = kept_out;
    if (map_end < end) end = map_end;
    const uint64_t first = round_up(at, page_bytes);
    const uint64_t last = end & ~(page_bytes - 1);
    if (first < last) return {first, last - first};
    at = end;
  }
}

inline uint64_t core_ranges::first_memory(uint64_t at) const noexcept {
  uint64_t first = none;
  for (uint32_t i = 0; i < facts_.ram.count; ++i) {
    const ram_range& r = facts_.ram.ranges[i];
    if (is_inside(r, at)) return at;
    if (r.physical >= at && r.bytes != 0 && r.physical < first) first = r.physical;
  }
  return first;
}

// Ranges that touch or overlap are one.
inline uint64_t core_ranges::end_of_memory(uint64_t at) const noexcept {
  for (uint64_t before = none; before != at;) {
    before = at;
    for (uint32_t i = 0; i < facts_.ram.count; ++i)
      if (is_inside(facts_.ram.ranges[i], at)) at = facts_.ram.ranges[i].end();
  }
  return at;
}

// 0: `at` is not kept out.
inline uint64_t core_ranges::end_of_kept_out(uint64_t at) const noexcept {
  uint64_t end = 0;
  for_each_kept_out([&](const ram_range& r) {
    if (is_inside(r, at) && r.end() > end) end = r.end();
  });
  return end;
}

inline uint64_t core_ranges::next_kept_out(uint64_t at) const noexcept {
  uint64_t first = none;
  for_each_kept_out([&](const ram_range& r) {
    if (r.physical > at && r.bytes != 0 && r.physical < first) first = r.physical;
  });
  return first;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
