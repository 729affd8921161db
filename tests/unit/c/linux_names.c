/* SPDX-License-Identifier: BSL-1.0 */
/* A kernel that calls by Linux's names. Its status is 0 when the report and what came before are right. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LASTCPU_VSNPRINTF vsnprintf
#include <lastcpu/c/lastcpu_kernel.h>
#include <lastcpu/c/linux_names.h>

struct frame {
  uintptr_t r[8];
};
LASTCPU_CHECK_REGISTERS;

static char said[400];
static size_t used;
static uint32_t cpu_now;

uint32_t lastcpu_kernel_this_cpu(void) {
  return cpu_now;
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  (void)cpu, (void)how;
}
void lastcpu_kernel_park(void) {
  _exit(1);
}
void lastcpu_kernel_put(const char* piece) {
  if (used + strlen(piece) < sizeof said) {
    (void)strcpy(said + used, piece);
    used += strlen(piece);
  }
}
uintptr_t lastcpu_kernel_irq_save(void) {
  return 0;
}
void lastcpu_kernel_irq_restore(uintptr_t saved) {
  (void)saved;
}
void lastcpu_kernel_flush(void) {
  struct frame here = {{0}};
  if (!panic_in_progress() || !panic_on_this_cpu() || panic_on_other_cpu()) _exit(2);
  nmi_panic(&here, "on the owner it returns");
  cpu_now = 1;
  if (panic_on_this_cpu() || !panic_on_other_cpu()) _exit(3);
  cpu_now = 0;
}
void lastcpu_kernel_restart(void) {
  if (strcmp(said, "lastcpu: CPU 0 panicked, CPUs known: 1: code 7\n") != 0) {
    (void)puts(said);
    (void)fflush(stdout);
    _exit(4);
  }
  _exit(0);
}

int main(void) {
  set_cpu_online(cpu_now, 1);
  set_cpu_online(cpu_now, 0);
  if (panic_in_progress()) return 5;
  set_cpu_online(cpu_now, 1);
  panic("code %d", 7);
}
