// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/lastcpu.hpp>

#include "my_port.hpp"

#include "port_policy.inc"

int main() {
  return machine.gate().in_progress() ? 1 : 0;
}
