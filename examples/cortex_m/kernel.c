/* SPDX-License-Identifier: BSL-1.0 */
/* A kernel of two Cortex-M33 that dies: both cores fault at once, or one faults and stops the other by an interrupt. It is
 * a port in C for a small machine, to copy from: no NMI, no clock, no crash kernel. */
#include <lastcpu/c/lastcpu_kernel.h>

#include "board.h"

#ifndef BOTH_DIE
#define BOTH_DIE 1
#endif

/* What an exception pushes. */
struct frame {
  uint32_t r0, r1, r2, r3, r12, lr, pc, psr;
};
LASTCPU_CHECK_REGISTERS;

/* --- What lastcpu asks of this machine. */

uint32_t lastcpu_kernel_this_cpu(void) { return THIS_CORE; }

void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  (void)how; /* there is one way */
  __asm__ volatile("dsb" : : : "memory");
  MHU_SET(cpu) = 1;
}

void lastcpu_kernel_park(void) {
  __asm__ volatile("cpsid i");
  for (;;) __asm__ volatile("wfi");
}

void lastcpu_kernel_put(const char *piece) {
  for (; *piece != '\0'; ++piece) {
    while ((UART_STATE & 1) != 0) continue;
    UART_DATA = (unsigned char)*piece;
  }
}

/* Ends QEMU, by semihosting: SYS_EXIT, "the application is done". A kernel resets its machine here. */
void lastcpu_kernel_restart(void) {
  register uint32_t operation __asm__("r0") = 0x18;
  register uint32_t reason __asm__("r1") = 0x20026;
  __asm__ volatile("bkpt 0xab" : : "r"(operation), "r"(reason) : "memory");
}

/* --- Exceptions */

/* The interrupt of the other core. Its bit stays set where this core parks. */
__attribute__((__used__)) static void on_stop(struct frame *regs) {
  lastcpu_handle_stop_irq(regs);
  MHU_CLEAR(THIS_CORE) = 1;
}

/* A second fault inside HardFault is a lockup, which nobody hears of. So the handler only leaves, to code that panics with
 * interrupts off and may fault again. */
static struct frame crashed[LASTCPU_MAX_CPUS];
static void die(void) { lastcpu_panic("hard fault", &crashed[THIS_CORE]); }
__attribute__((__used__)) static void on_fault(struct frame *regs) {
  crashed[THIS_CORE] = *regs;
  regs->pc = (uint32_t)die & ~1u;
  regs->psr = 1u << 24; /* Thumb, and no rest of an interrupted IT block */
}

/* The frame is at the stack pointer: this kernel has one stack for each core, and saves nothing before. */
#define ENTRY(name, handler)                                    \
  __attribute__((__naked__, __used__)) static void name(void) { \
    __asm__("mov r0, sp\n\tb " #handler);                       \
  }
ENTRY(stop_entry, on_stop)
ENTRY(fault_entry, on_fault)

/* --- From the reset on */

static volatile uint32_t ready;

static void run(void) {
  const uint32_t me = THIS_CORE;
  NVIC_ENABLE = 1u << MHU_IRQ;
  lastcpu_online();
  if (BOTH_DIE) __asm__ volatile("cpsid i"); /* in a critical section: no stop reaches the one that loses */
  __atomic_fetch_add(&ready, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) != LASTCPU_MAX_CPUS) continue;
  if (BOTH_DIE || me == 1) __asm__ volatile("udf 0"); /* no instruction of this machine */
  for (;;) __asm__ volatile("wfi");
}

struct vector_table {
  uint32_t *stack;
  void (*reset)(void);
  void (*faults[14])(void); /* NMI, HardFault and the other exceptions of the core */
  void (*interrupts[MHU_IRQ + 1])(void);
};
extern const struct vector_table vectors_of_core_1;
extern uint32_t stack_of_core_0[], stack_of_core_1[], bss[], bss_end[]; /* kernel.ld; of a stack its top */

static void reset(void) {
  for (volatile uint32_t *word = bss; word != bss_end; ++word) *word = 0;
  UART_BAUDDIV = 16;
  UART_CTRL = 1;
  INITSVTOR1 = (uint32_t)&vectors_of_core_1;
  CPUWAIT = 0;
  run();
}

#define VECTORS(core, first)                                                                                    \
  __attribute__((__section__(".vectors." #core), __used__, __aligned__(128))) const struct vector_table vectors_of_##core = { \
      stack_of_##core, first, {[0 ... 13] = fault_entry}, {[0 ... MHU_IRQ - 1] = fault_entry, [MHU_IRQ] = stop_entry}}
VECTORS(core_0, reset);
VECTORS(core_1, run);
