/* SPDX-License-Identifier: BSL-1.0 */
/* A C kernel that calls each function of the interface that runs while nobody panics, and its C++ twin (c_calls.cpp). */
#include <lastcpu/c/lastcpu_kernel.h>

void twin_handle_nmi(const LASTCPU_REGISTERS* regs);
void twin_handle_stop_irq(const LASTCPU_REGISTERS* regs);
_Bool twin_in_progress(void);
_Bool twin_on_this_cpu(void);
_Bool twin_on_other_cpu(void);
void _start(void);

uint32_t this_cpu_number = 1; /* in .data: valgrind reads the symbols of no program without */
uint32_t lastcpu_kernel_this_cpu(void) {
  return this_cpu_number;
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  (void)cpu, (void)how;
}
void lastcpu_kernel_park(void) {
  for (;;) continue;
}
void lastcpu_kernel_put(const char* piece) {
  (void)piece;
}

__attribute__((__force_align_arg_pointer__)) void _start(void) {
  static LASTCPU_REGISTERS interrupted;
  long differs = 0;
  lastcpu_handle_nmi(&interrupted);
  twin_handle_nmi(&interrupted);
  lastcpu_handle_stop_irq(&interrupted);
  twin_handle_stop_irq(&interrupted);
  differs += (lastcpu_in_progress() != 0) != twin_in_progress();
  differs += (lastcpu_on_this_cpu() != 0) != twin_on_this_cpu();
  differs += (lastcpu_on_other_cpu() != 0) != twin_on_other_cpu();
  __asm__ volatile("syscall" : : "a"(231L), "D"(differs));
}
