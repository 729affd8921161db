/* SPDX-License-Identifier: BSL-1.0 */
/* The interrupt descriptor table, the same for every CPU, and where its ways lead. */
#include <lastcpu/c/x86_64_frame.h>

#include "kernel.h"

extern const char trap_entries[]; /* entry.S: 16 bytes each */
void nmi_entry(void);
void machine_check_entry(void);
void trap(struct trap_frame* f);
void on_nmi(const struct lastcpu_x86_64_frame* from);
void on_machine_check(const struct lastcpu_x86_64_frame* from);

static struct gate {
  uint16_t low, selector;
  uint8_t ist, type;
  uint16_t middle;
  uint32_t high, reserved;
} gates[256];

static void set_gate(unsigned vector, uintptr_t entry, unsigned ist) {
  const struct gate g = {
      (uint16_t)entry, KERNEL_CODE, (uint8_t)ist, 0x8e, (uint16_t)(entry >> 16), (uint32_t)(entry >> 32), 0};
  gates[vector] = g;
}

void set_up_traps(void) {
  unsigned v;
  for (v = 0; v < 256; v++) set_gate(v, (uintptr_t)trap_entries + 16 * v, 0);
  set_gate(2, (uintptr_t)nmi_entry, NMI_STACK + 1);
  set_gate(8, (uintptr_t)trap_entries + 16 * 8, DOUBLE_FAULT_STACK + 1);
  set_gate(18, (uintptr_t)machine_check_entry, MACHINE_CHECK_STACK + 1);
}

void load_traps(void) {
  const struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((__packed__)) table = {sizeof gates - 1, (uintptr_t)gates};
  __asm__ volatile("lidt %0" : : "m"(table));
}

const char* trap_name(const struct trap_frame* f) {
  switch (f->vector) {
    case 0:
      return "divide error";
    case 3:
      return "breakpoint";
    case 6:
      return "invalid opcode";
    case 8:
      return "double fault";
    case 13:
      return "general protection fault";
    case 14:
      return "page fault";
    default:
      return "exception";
  }
}

void trap(struct trap_frame* f) {
  if (f->vector == STOP_VECTOR) {
    end_of_interrupt();
    lastcpu_handle_stop_irq(f);
  } else if (f->vector < 32) {
    fault(f);
  }
}

/* What lastcpu's stub has pushed, as a frame of this kernel. */
static struct trap_frame frame_of(const struct lastcpu_x86_64_frame* s, uint64_t vector) {
  const struct trap_frame f = {s->r15, s->r14, s->r13, s->r12, s->r11, s->r10, s->r9,  s->r8, s->rbp,    s->rdi, s->rsi,
                               s->rdx, s->rcx, s->rbx, s->rax, vector, 0,      s->rip, s->cs, s->rflags, s->rsp, s->ss};
  return f;
}
void on_nmi(const struct lastcpu_x86_64_frame* from) {
  const struct trap_frame f = frame_of(from, 2);
  nmi(&f);
}
void on_machine_check(const struct lastcpu_x86_64_frame* from) {
  const struct trap_frame f = frame_of(from, 18);
  machine_check(&f);
}
