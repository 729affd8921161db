// SPDX-License-Identifier: BSL-1.0
// A CPU that stops itself.
#include "probe.hpp"

#include <lastcpu/self_stop.hpp>

int main() {
  lastcpu::self_stop<probe>();
}
