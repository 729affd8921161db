// SPDX-License-Identifier: BSL-1.0
#pragma once
// The designs that go through the storm, and which of them history says lose which race.

#include "scenario.hpp"

#include <stdint.h>

#include <optional>
#include <string_view>

namespace storm {

enum class design : uint32_t { trylock_only, panic_lock_2011, panic_cpu_2015, double_read_2025, lastcpu, lastcpu_by_c };
inline constexpr uint32_t design_count = 6;

[[nodiscard]] constexpr bool is_lastcpu(design d) noexcept {
  return d == design::lastcpu || d == design::lastcpu_by_c;
}

[[nodiscard]] const char* to_string(design) noexcept;
[[nodiscard]] std::optional<design> design_from(std::string_view name) noexcept;

/// The specimens have nothing to say to some of the scenarios.
[[nodiscard]] bool takes_part(design, scenario) noexcept;
/// History says that the design loses this race.
[[nodiscard]] bool is_known_loser(design, scenario) noexcept;

}  // namespace storm
