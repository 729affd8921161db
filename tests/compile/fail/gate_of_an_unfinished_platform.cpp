// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu platform: park\(\) is missing or wrong
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic_cpu.hpp>

// Who never asks platform_checked gets the same sentence from the first primitive.
struct port : lastcpu::archetype {
  static void park() = delete;
};
lastcpu::panic_cpu<port> gate;
