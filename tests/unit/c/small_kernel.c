/* SPDX-License-Identifier: BSL-1.0 */
/* The least that a kernel without NMIs calls and supplies: what is linked of lastcpu then is what it costs. */
#include <lastcpu/c/lastcpu_kernel.h>

struct frame {
  uintptr_t r[8];
};
LASTCPU_CHECK_REGISTERS;

void stop_handler(struct frame* regs);
void fault_handler(struct frame* regs);
void die(struct frame* regs);
void reset(void);

volatile uint32_t device;

uint32_t lastcpu_kernel_this_cpu(void) {
  return device;
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  device = cpu + how;
}
void lastcpu_kernel_park(void) {
  for (;;) device = 0;
}
void lastcpu_kernel_put(const char* piece) {
  while (*piece) device = (unsigned char)*piece++;
}

void stop_handler(struct frame* regs) {
  lastcpu_handle_stop_irq(regs);
}
void fault_handler(struct frame* regs) {
  lastcpu_panic("fault", regs);
}
void die(struct frame* regs) {
  lastcpu_panic_begin("out of memory", regs);
  lastcpu_kernel_put("the kernel's own words\n");
  lastcpu_panic_end();
}

struct frame current;
void reset(void) {
  lastcpu_online();
  stop_handler(&current);
  fault_handler(&current);
  die(&current);
}
