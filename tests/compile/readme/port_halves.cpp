// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/lastcpu.hpp>

#include <cstdio>

#include "my_port.hpp"

constinit lastcpu::crash_domain<my_port> machine;
inline void format(char* text, uint32_t room, int code) {
  snprintf(text, room, "code %d", code);
}

#include "port_halves.inc"

int main(int count, char**) {
  if (count > 1) die(count, {});
  return machine.gate().in_progress() ? 1 : 0;
}
