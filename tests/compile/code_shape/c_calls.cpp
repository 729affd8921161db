// SPDX-License-Identifier: BSL-1.0
// The instance of a C kernel, and what a C++ kernel would call in its place.
#include <lastcpu/c/instance.hpp>

using lastcpu::c::from_kernel;
using lastcpu::c::machine;

extern "C" {
void twin_handle_nmi(const LASTCPU_REGISTERS* regs) {
  machine.handle_nmi(*from_kernel(regs));
}
void twin_handle_stop_irq(const LASTCPU_REGISTERS* regs) {
  machine.handle_stop_irq(*from_kernel(regs));
}
bool twin_in_progress() {
  return machine.gate().in_progress();
}
bool twin_on_this_cpu() {
  return machine.on_this_cpu();
}
bool twin_on_other_cpu() {
  return machine.on_other_cpu();
}
}
