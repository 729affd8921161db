/* SPDX-License-Identifier: BSL-1.0 */
/* Each register is the one that known.S has loaded, or what it has noted: 0, or the number of the first that is not, and 100
 * more where it was captured in C++. */
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
#if USER_MODE
uintptr_t lastcpu_kernel_irq_save(void) {
  return 0;
}
void lastcpu_kernel_irq_restore(uintptr_t saved) {
  (void)saved;
}
#endif

extern uintptr_t stack_then;
extern const char capture_by_c_returns[], capture_by_cxx_returns[], capture_in_cxx[];
void capture_by_c(LASTCPU_REGISTERS* to);
void capture_by_cxx(LASTCPU_REGISTERS* to);
int check(void);

static uintptr_t known(uint32_t number) {
  return (uintptr_t)0x5a5a << (8 * sizeof(uintptr_t) - 16) | (0x1100 + number);
}
static uintptr_t code_at(const char* label) {
  return (uintptr_t)label & ~(uintptr_t)1;
}

/* --- The structure as an array in the order of the registers' numbers, and the rest of it. */
#if defined(__aarch64__)
enum { argument = 0, first = 1, last = 29 };
#define NUMBERED(r) ((r)->x)
#define LINK(r) ((r)->x[30])
static int status_is_right(const LASTCPU_REGISTERS* r) {
  return r->pstate == (USER_MODE ? 0xa0000000 : 0xa0000145);
}
#elif defined(__riscv)
enum { argument = 10, first = 3, last = 31 };
#define NUMBERED(r) (&(r)->pc)
#define LINK(r) ((r)->ra)
#if USER_MODE
static int status_is_right(const LASTCPU_REGISTERS* r) {
  return r->status == 0;
}
#else
/* The status is a privileged register: this program reads it by the handler of its own illegal instruction. */
#ifndef LASTCPU_RISCV_MACHINE_MODE
#define LASTCPU_RISCV_MACHINE_MODE 0
#endif
enum { sstatus = 0x100, mstatus = 0x300, csrrs = 0x2073 };
static void on_illegal(int number, void* info, void* context) {
  uintptr_t* x = (uintptr_t*)((char*)context + (sizeof(uintptr_t) == 8 ? 176 : 160)); /* pc, x1, x2, ... */
  const uint16_t* at = (const uint16_t*)x[0];
  const uint32_t instruction = at[0] | (uint32_t)at[1] << 16;
  (void)number, (void)info;
  if ((instruction & 0xff07f) == csrrs) x[instruction >> 7 & 31] = 0x57a70000 + (instruction >> 20);
  x[0] += 4;
}
static int status_is_right(const LASTCPU_REGISTERS* r) {
  return r->status == 0x57a70000 + (LASTCPU_RISCV_MACHINE_MODE ? mstatus : sstatus);
}
static void catch_illegal_instructions(void) {
  const struct {
    void (*handler)(int, void*, void*);
    uintptr_t flags;
    uint64_t mask;
  } action = {on_illegal, 4 /* SA_SIGINFO */, 0};
  register uintptr_t a0 __asm__("a0") = 4 /* SIGILL */;
  register const void* a1 __asm__("a1") = &action;
  register uintptr_t a2 __asm__("a2") = 0, a3 __asm__("a3") = 8, a7 __asm__("a7") = 134 /* rt_sigaction */;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a7) : "memory");
}
#define BEGIN() catch_illegal_instructions()
#endif
#else
enum { argument = 0, first = 1, last = 12 };
#define NUMBERED(r) ((r)->r)
#define LINK(r) ((r)->lr & ~(uint32_t)1)
static int status_is_right(const LASTCPU_REGISTERS* r) {
#if __ARM_ARCH_PROFILE == 'M'
  return r->psr == 0xa0000000;
#else
  return (r->psr & 0xf800001f) == 0xa0000010;
#endif
}
#endif

#if !defined(BEGIN)
#define BEGIN() ((void)0)
#endif

static int wrong_in(LASTCPU_REGISTERS* r, void (*capture)(LASTCPU_REGISTERS*), const char* returns, int in_cxx) {
  const uintptr_t at = code_at(capture_in_cxx);
  uint32_t n;
  for (n = 0; n < sizeof *r; n++) ((volatile unsigned char*)r)[n] = 0xee;
  capture(r);
  for (n = first; n <= last; n++)
    if (n != argument && NUMBERED(r)[n] != known(n)) return (int)n;
  if (NUMBERED(r)[argument] != (uintptr_t)r) return 40;
  if (LINK(r) != code_at(returns)) return 41;
  if (r->sp != stack_then) return 42;
  if (in_cxx ? r->pc < at || r->pc > at + 400 : r->pc != code_at(returns)) return 43;
  return status_is_right(r) ? 0 : 44;
}

int check(void) {
  LASTCPU_REGISTERS r;
  int in_c, in_cxx;
  BEGIN();
  in_c = wrong_in(&r, capture_by_c, capture_by_c_returns, 0);
  in_cxx = wrong_in(&r, capture_by_cxx, capture_by_cxx_returns, 1);
  return in_c ? in_c : in_cxx ? 100 + in_cxx : 0;
}
