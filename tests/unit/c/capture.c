/* SPDX-License-Identifier: BSL-1.0 */
/* The structure of registers that lastcpu brings, and the call that fills it with the caller's. */
#include <lastcpu/c/lastcpu_kernel.h>

LASTCPU_CHECK_REGISTERS;

uint32_t lastcpu_kernel_this_cpu(void) {
  return 0;
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  (void)cpu, (void)how;
}
void lastcpu_kernel_park(void) {}
void lastcpu_kernel_put(const char* piece) {
  (void)piece;
}
uintptr_t lastcpu_kernel_irq_save(void) {
  return 0;
}
void lastcpu_kernel_irq_restore(uintptr_t saved) {
  (void)saved;
}

int main(void) {
  LASTCPU_REGISTERS here;
  lastcpu_capture(&here);
#if defined(__x86_64__)
  {
    const uint64_t code = (uint64_t)(uintptr_t)&main, stack = (uint64_t)(uintptr_t)&here;
    if (here.rip < code || here.rip > code + 400) return 1;
    if (here.rsp > stack + 400 || here.rsp + 400 < stack) return 2;
    if (here.cs == 0 || (here.rflags & 2) == 0 || here.error_code != 0) return 3;
  }
#endif
  return 0;
}
