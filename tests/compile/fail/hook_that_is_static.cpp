// SPDX-License-Identifier: BSL-1.0
// expect: (was declared .extern. and later .static.|static declaration)
#include <lastcpu/self_stop.hpp>

extern "C" {
static void panic_smp_self_stop() noexcept {}
}
