// SPDX-License-Identifier: BSL-1.0
// The hook is defined in the file that reaches it.
#include "probe.hpp"

#include <lastcpu/self_stop.hpp>

extern "C" void panic_smp_self_stop() noexcept {
  say("override\n");
  leave(11);
}

int main() {
  lastcpu::self_stop<probe>();
}
