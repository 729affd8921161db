// SPDX-License-Identifier: BSL-1.0
// The platform brings its own self_stop(): the link-time hook is out of it.
#include "probe.hpp"

#include <lastcpu/self_stop.hpp>

struct own_stop : probe {
  [[noreturn]] static void self_stop() noexcept {
    say("platform\n");
    leave(12);
  }
};

int main() {
  lastcpu::self_stop<own_stop>();
}
