/* SPDX-License-Identifier: BSL-1.0 */
/* Four threads as CPUs, which panic at the same moment. A thread that parks sleeps; the owner ends the process. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lastcpu/c/lastcpu_kernel.h>

struct frame {
  uintptr_t r[8];
};
LASTCPU_CHECK_REGISTERS;

static __thread uint32_t cpu_now;
static pthread_barrier_t all_there;

uint32_t lastcpu_kernel_this_cpu(void) {
  return cpu_now;
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  (void)cpu, (void)how;
}
void lastcpu_kernel_park(void) {
  for (;;) pause();
}
void lastcpu_kernel_put(const char* piece) {
  fputs(piece, stdout);
}
uintptr_t lastcpu_kernel_irq_save(void) {
  return 0;
}
void lastcpu_kernel_irq_restore(uintptr_t saved) {
  (void)saved;
}
void lastcpu_kernel_restart(void) {
  fflush(stdout);
  _exit(0);
}

static void* run(void* number) {
  struct frame here = {{0}};
  size_t room = 0;
  char* text;
  cpu_now = (uint32_t)(uintptr_t)number;
  lastcpu_online();
  (void)pthread_barrier_wait(&all_there);
  text = lastcpu_message_begin(&room);
  if (text != NULL) {
    (void)snprintf(text, room, "text of %u", (unsigned)cpu_now);
    lastcpu_message_end();
  }
  lastcpu_panic_begin(NULL, &here);
  printf("words of %u: %s\n", (unsigned)cpu_now, text != NULL ? text : "");
  lastcpu_panic_end();
}

int main(void) {
  uintptr_t cpu;
  pthread_t thread;
  (void)pthread_barrier_init(&all_there, NULL, LASTCPU_MAX_CPUS);
  for (cpu = 1; cpu < LASTCPU_MAX_CPUS; cpu++)
    if (pthread_create(&thread, NULL, run, (void*)cpu) != 0) return 2;
  (void)run(NULL);
  return 3;
}
