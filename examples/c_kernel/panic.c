/* SPDX-License-Identifier: BSL-1.0 */
/* How this kernel dies: what it supplies to lastcpu, where it calls it, and the words that it prints. */
#include <lastcpu/c/lastcpu_kernel.h>

#include "kernel.h"
#include "x86.h"

LASTCPU_CHECK_REGISTERS;

/* --- What lastcpu asks for. */
uint32_t lastcpu_kernel_this_cpu(void) {
  return number_of_this_cpu();
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  if (how == LASTCPU_STOP_NMI)
    send_nmi(cpu);
  else
    send_stop_irq(cpu);
}
void lastcpu_kernel_park(void) {
  for (;;) {
    cli();
    hlt();
  }
}
void lastcpu_kernel_put(const char* piece) {
  put(piece);
}
uint64_t lastcpu_kernel_now(void) {
  return rdtsc();
}
uint64_t lastcpu_kernel_ticks_per_second(void) {
  return ticks_per_second();
}
void lastcpu_kernel_restart(void) {
  out8(0xcf9, 6);
}

/* --- The end. The message is written before the claim: the panic that comes second keeps it, too. */
void panic_at(const struct trap_frame* f, const char* format, ...) {
  struct trap_frame here;
  size_t room;
  char* text = lastcpu_message_begin(&room);
  if (text) {
    va_list arguments;
    va_start(arguments, format);
    format_text(text, room, format, arguments);
    va_end(arguments);
    lastcpu_message_end();
  }
  if (!f) lastcpu_capture(&here), f = &here; /* not later: a dump shows the stack from here on */
  lastcpu_panic_begin(NULL, f);              /* the others are stopped; who comes second stays in there */
  print("kernel: CPU %u dies: %s\n", number_of_this_cpu(), text ? text : "");
  print("kernel: at %lx, stack %lx\n", f->rip, f->rsp);
  lastcpu_panic_end();
}

void fault(const struct trap_frame* f) {
  if (from_user(f)) user_fault(f);
  lastcpu_oops(trap_name(f), f);
  panic_at(f, "%s at %lx, address %lx", trap_name(f), f->rip, f->vector == 14 ? read_cr2() : 0);
}

/* A fault in the handler would let the next NMI in: that one begins on a stack of its own. */
static void nmi_panic(const char* text, const struct trap_frame* f) {
  next_nmi_on_spare_stack(1);
  if (lastcpu_nmi_panic_begin(text, f)) {
    print("kernel: CPU %u dies in NMI: %s\n", number_of_this_cpu(), text);
    lastcpu_panic_end();
  }
  next_nmi_on_spare_stack(0);
}

void nmi(const struct trap_frame* f) {
  lastcpu_handle_nmi(f);
  if (!nmi_is_known(f)) nmi_panic("unknown NMI", f);
}
void machine_check(const struct trap_frame* f) {
  nmi_panic("machine check", f);
}
