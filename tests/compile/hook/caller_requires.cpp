// SPDX-License-Identifier: BSL-1.0
// A kernel that does not link without a hook of its own.
#include "probe.hpp"

#include <lastcpu/self_stop.hpp>

LASTCPU_REQUIRE_SELF_STOP_OVERRIDE();

int main() {
  lastcpu::self_stop<probe>();
}
