// SPDX-License-Identifier: BSL-1.0
// What a kernel on x86-64 writes.
#include "x86_64_kernel.hpp"

#include "port_x86_64.inc"

int main(int count, char**) {
  if (count > 1) panic("as asked");
  return machine.gate().in_progress() ? 1 : 0;
}
