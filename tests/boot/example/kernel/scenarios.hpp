// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the kernel dies of in the tests: one function for each value of `scenario=` on the command line.

#include <stdint.h>

namespace scenarios {

inline constexpr uint32_t everybody = ~uint32_t{0};

struct scenario {
  const char* name;
  void (*play)(uint32_t role) noexcept;  // on each CPU that has a role, interrupts on
  uint32_t roles;                        // so many CPUs take part, and are needed; `everybody`: two at least
};

extern const scenario simple_ones[];     // simple.cpp
extern const scenario races[];           // races.cpp
extern const scenario nmis[];            // nmis.cpp
extern const scenario stops[];           // stops.cpp
extern const scenario faults[];          // faults.cpp
extern const scenario image_troubles[];  // image_troubles.cpp
extern const scenario protection[];      // protection.cpp

}  // namespace scenarios
