/* SPDX-License-Identifier: BSL-1.0 */
/* The local APIC, in its memory-mapped mode, and the old interrupt controllers, which are switched off. */
#include "kernel.h"
#include "x86.h"

static volatile uint32_t* reg(uint32_t offset) {
  return (volatile uint32_t*)(uintptr_t)(0xfee00000u + offset);
}

void set_up_apic(void) {
  out8(0x21, 0xff);
  out8(0xa1, 0xff);
  *reg(0xf0) = 0x100 | SPURIOUS_VECTOR;
}
void end_of_interrupt(void) {
  *reg(0xb0) = 0;
}

/* Two stores: with interrupts off, and never from an NMI handler that may have come between them. */
static void send(uint32_t cpu, uint32_t message) {
  int i;
  for (i = 0; i < 100000 && (*reg(0x300) & 0x1000) != 0; i++) pause();
  *reg(0x310) = cpus[cpu].apic_id << 24;
  *reg(0x300) = message | 0x4000;
}
void send_stop_irq(uint32_t cpu) {
  send(cpu, STOP_VECTOR);
}
void send_nmi(uint32_t cpu) {
  send(cpu, 4u << 8);
}
void send_init(uint32_t cpu) {
  send(cpu, 5u << 8);
}
void send_startup(uint32_t cpu, uint32_t page) {
  send(cpu, 6u << 8 | page);
}
