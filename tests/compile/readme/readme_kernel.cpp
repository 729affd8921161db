// SPDX-License-Identifier: BSL-1.0
#include "readme_kernel.inc"

int main() {
  on_nmi({});
  on_stop_irq({});
  on_oops({});
  return machine.gate().in_progress() ? 1 : 0;
}
