// SPDX-License-Identifier: BSL-1.0
#include "design.hpp"

namespace storm {
namespace {

constexpr const char* design_names[design_count] = {"trylock_only",     "panic_lock_2011", "panic_cpu_2015",
                                                    "double_read_2025", "lastcpu",         "lastcpu_by_c"};

constexpr bool within(scenario s, std::initializer_list<scenario> set) noexcept {
  for (const scenario member : set)
    if (member == s) return true;
  return false;
}

}  // namespace

const char* to_string(design d) noexcept {
  return design_names[static_cast<uint32_t>(d)];
}

std::optional<design> design_from(std::string_view name) noexcept {
  for (uint32_t i = 0; i < design_count; ++i)
    if (name == design_names[i]) return static_cast<design>(i);
  return {};
}

bool takes_part(design d, scenario s) noexcept {
  using enum scenario;
  // Their way of counting answers and of reloading is not part of the specimens.
  return is_lastcpu(d) || !within(s, {double_stop, stray_ack, late_ack, reload_vs_crash});
}

bool is_known_loser(design d, scenario s) noexcept {
  using enum scenario;
  switch (d) {
    case design::trylock_only:
      return within(s, {panic_vs_panic, oops_vs_panic, nmi_on_dumper, nmi_loser, concurrent_stop, nested_in_step});
    case design::panic_lock_2011:
      return within(s, {oops_vs_panic, nmi_on_dumper, nmi_loser, concurrent_stop, nested_in_step});
    case design::panic_cpu_2015:
    case design::double_read_2025:
      return within(s, {released_under_waiter, nmi_panic_pending, concurrent_stop, nested_in_step});
    case design::lastcpu:
    case design::lastcpu_by_c:
      break;
  }
  return false;
}

}  // namespace storm
