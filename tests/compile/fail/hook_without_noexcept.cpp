// SPDX-License-Identifier: BSL-1.0
// expect: (exception spec|different exception)
#include <lastcpu/self_stop.hpp>

extern "C" void panic_smp_self_stop() {}
