/* SPDX-License-Identifier: BSL-1.0 */
/* A kernel of four CPUs in one thread, and what it does with each function of lastcpu.h: `kernel SCENARIO`. What it prints
 * is the report; c_test.py knows what that must be. A CPU that parks gives the thread back to the one that asked it. */
#include "kernel.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

struct frame {
  uintptr_t pc, sp, r[6];
};
LASTCPU_CHECK_REGISTERS;

enum { cpus = LASTCPU_MAX_CPUS };
uint32_t cpu_now;
int irqs_on[cpus + 1];
int deaf[cpus];
int obeys_nmi_only[cpus];
void (*instead_of_stop[cpus])(void);
uint32_t nmis_sent;
int image_is_damaged;
const char* fault_at;
void (*fault)(void);

static jmp_buf back[8];
static uint32_t depth;

/* Runs `work` on a CPU until it returns (1) or parks (0). */
int on(uint32_t cpu, void (*work)(void)) {
  const uint32_t before = cpu_now;
  int returned = 0;
  if (setjmp(back[depth]) == 0) {
    depth++;
    cpu_now = cpu;
    work();
    returned = 1;
    depth--;
  }
  cpu_now = before;
  return returned;
}

struct frame* registers_now(void) {
  static struct frame frames[8];
  struct frame* f = &frames[depth & 7u];
  f->pc = 0xc000u + cpu_now;
  f->sp = 0;
  return f;
}
uintptr_t pc_of(uint32_t cpu) {
  const struct frame* f = lastcpu_registers_of(cpu);
  return f ? f->pc : 0;
}

void expect_that(int holds, const char* what) {
  if (holds) return;
  printf("FAILED: %s\n", what);
  fflush(stdout);
  _Exit(1);
}

/* --- What lastcpu asks of it. */

uint32_t lastcpu_kernel_this_cpu(void) {
  return cpu_now;
}

static void stop_irq(void) {
  lastcpu_handle_stop_irq(registers_now());
}
static void stop_nmi(void) {
  lastcpu_handle_nmi(registers_now());
}

void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  expect_that(cpu < cpus && cpu != cpu_now, "a stop is sent to a CPU that is there");
  nmis_sent += how == LASTCPU_STOP_NMI;
  if (deaf[cpu] || (how == LASTCPU_STOP_IRQ && obeys_nmi_only[cpu])) return;
  if (instead_of_stop[cpu] != NULL)
    (void)on(cpu, instead_of_stop[cpu]);
  else
    (void)on(cpu, how == LASTCPU_STOP_NMI ? stop_nmi : stop_irq);
}

void lastcpu_kernel_park(void) {
  if (depth == 0) _Exit(0);
  longjmp(back[--depth], 1);
}

void lastcpu_kernel_put(const char* piece) {
  fputs(piece, stdout);
  if (fault_at == NULL || strstr(piece, fault_at) == NULL) return;
  fault_at = NULL;
  fault();
}

uintptr_t lastcpu_kernel_irq_save(void) {
  const int was = irqs_on[cpu_now];
  irqs_on[cpu_now] = 0;
  return (uintptr_t)was;
}
void lastcpu_kernel_irq_restore(uintptr_t saved) {
  irqs_on[cpu_now] = (int)saved;
}

void lastcpu_kernel_capture(struct frame* regs) {
  memset(regs, 0, sizeof *regs);
  regs->pc = 0xcafe;
}

#if !LASTCPU_BAREBONES
static uint64_t ticks; /* microseconds; a look at the clock takes a millisecond */
#endif

void lastcpu_kernel_restart(void) {
#if !LASTCPU_BAREBONES
  expect_that(!deaf[1] || ticks > LASTCPU_STOP_BUDGET_US,
              "a CPU that does not answer has its time, by the kernel's clock");
#endif
  printf("restart\n");
  fflush(stdout);
  _Exit(0);
}

#if !LASTCPU_BAREBONES
uint64_t lastcpu_kernel_now(void) {
  return ticks += 1000;
}
uint64_t lastcpu_kernel_ticks_per_second(void) {
  return 1000000;
}
uint32_t lastcpu_kernel_hardware_id(void) {
  return cpu_now;
}
void lastcpu_kernel_flush(void) {
  printf("flush\n");
}
static uint32_t resettable;
void lastcpu_kernel_make_resettable(void) {
  resettable |= 1u << cpu_now;
}
uint32_t made_resettable(void) {
  return resettable;
}
#endif

#if !LASTCPU_DEFAULT_REPORT
void lastcpu_kernel_report(const struct lastcpu_note* n) {
  expect_that(n->panic_ticks == 0, "a report has no time: only a crash kernel is told when the panic began");
  printf("cpu %u %s%s pc %lx: %s|%s|%s\n", (unsigned)n->cpu, lastcpu_state_name(n->state),
         n->crashing ? ", crashed" : "", (unsigned long)(n->registers ? n->registers->pc : 0), n->message,
         n->nmi_message, n->nested_message);
}
#if LASTCPU_IMAGE_BYTES
void lastcpu_kernel_no_crash_kernel(lastcpu_outcome why) {
  printf("no crash kernel: %u\n", (unsigned)why);
}
#endif
#endif

#if LASTCPU_FORCE
int lastcpu_kernel_force_stop(uint32_t cpu) {
  printf("force %u\n", (unsigned)cpu);
  return 1;
}
#endif

#if LASTCPU_BEFORE_STEP
void lastcpu_kernel_before_step(uint32_t step) { printf("feeds the watchdog, %u\n", (unsigned)step); }
#endif

#if LASTCPU_IMAGE_BYTES
int lastcpu_kernel_image_intact(const void* image) {
  return *(const char*)image == 'k' && !image_is_damaged;
}
void lastcpu_kernel_crash_shutdown(const struct frame* regs) {
  printf("shutdown pc %lx\n", (unsigned long)regs->pc);
}
void lastcpu_kernel_save_note(const void* image, const struct lastcpu_note* n) {
  expect_that(n->panic_ticks != 0 && n->panic_ticks < ticks, "a note says when the panic began");
  printf("note in %s: cpu %u %s: %s\n", (const char*)image, (unsigned)n->cpu, lastcpu_state_name(n->state), n->message);
}
void lastcpu_kernel_jump(const void* image) {
  printf("jump into %s\n", (const char*)image);
  fflush(stdout);
  _Exit(0);
}
#endif

static void come_online(void) {
  lastcpu_online();
}

int main(int count, char** names) {
  for (uint32_t cpu = 0; cpu < cpus; cpu++) {
    irqs_on[cpu] = 1;
    if (cpu != 3) (void)on(cpu, come_online);
  }
  for (const struct scenario* s = scenarios; count == 2 && s->name != NULL; s++)
    if (strcmp(s->name, names[1]) == 0) {
      s->run();
      printf("end\n");
      return 0;
    }
  fprintf(stderr, "kernel SCENARIO\n");
  return 2;
}
