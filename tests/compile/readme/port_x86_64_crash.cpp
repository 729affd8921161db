// SPDX-License-Identifier: BSL-1.0
// What a kernel on x86-64 writes that loads a crash kernel.
#include "x86_64_kernel.hpp"

#include "port_x86_64_crash.inc"

int main(int count, char**) {
  if (count > 1) panic(load_crash_kernel(nullptr, 0));
  return machine.gate().in_progress() ? 1 : 0;
}
