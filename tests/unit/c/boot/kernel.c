/* SPDX-License-Identifier: BSL-1.0 */
/* A C kernel of one CPU, which takes NMIs with every kind of GS base, in kernel and user mode, then panics in one. */
#include <lastcpu/c/lastcpu_kernel.h>
#include <lastcpu/c/x86_64_entry.h>

LASTCPU_CHECK_REGISTERS;

void kernel(void);
void on_nmi(struct lastcpu_x86_64_frame* regs);
void on_check(struct lastcpu_x86_64_frame* regs);
void nmi_entry(void);
void check_entry(void);
void fault_entry(void);
void user_back_entry(void);
void user_code(void);
void ask_and_wait(void);
void go_to_user(void (*at)(void));

/* The same stub by C: for the machine check, which this test raises by itself. */
LASTCPU_X86_64_NMI_ENTRY(check_entry, on_check);

struct exception_stack {
  char room[4096 - 16];
  uint64_t gs_base, unused;
} __attribute__((aligned(16)));
static struct exception_stack nmi_stack, check_stack;

struct task_state {
  uint32_t reserved;
  uint64_t rsp[3], reserved1, ist[7], reserved2;
  uint32_t io_map;
} __attribute__((packed));
struct task_state task;

struct gate {
  uint16_t low, selector;
  uint8_t ist, type;
  uint16_t middle;
  uint32_t high, reserved;
};
static struct gate gates[256];
static struct { uint64_t magic; } this_cpu = {0x1a57c9u};
static char interrupt_stack[4096] __attribute__((aligned(16)));

volatile uint32_t nmis;
static volatile uint32_t checks, dies;
static volatile uint64_t seen_cs;

static const uint32_t gs_base = 0xc0000101u, kernel_gs_base = 0xc0000102u;

static void out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static void end(uint8_t code) {
  out8(0xf4, code);
  for (;;) __asm__ volatile("hlt");
}
static uint64_t rdmsr(uint32_t msr) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return (uint64_t)high << 32 | low;
}
static void wrmsr(uint32_t msr, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static uint64_t read_cr2(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr2, %0" : "=r"(value));
  return value;
}
static void write_cr2(uint64_t value) {
  __asm__ volatile("mov %0, %%cr2" : : "r"(value));
}
static uint64_t own_magic(void) {
  uint64_t value;
  __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
  return value;
}

uint32_t lastcpu_kernel_this_cpu(void) {
  return 0;
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  (void)cpu, (void)how;
}
void lastcpu_kernel_park(void) {
  end(3);
}
void lastcpu_kernel_put(const char* piece) {
  while (*piece) out8(0xe9, (uint8_t)*piece++);
}
void lastcpu_kernel_restart(void) {
  end(42);
}

static void check(int holds, uint8_t code) {
  if (!holds) end(code);
}

void on_nmi(struct lastcpu_x86_64_frame* regs) {
  uint64_t flags;
  check(own_magic() == this_cpu.magic, 10);
  __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
  check((flags & 0x40400) == 0 && ((uintptr_t)__builtin_frame_address(0) & 15) == 0, 11);
  seen_cs = regs->cs;
  write_cr2(0x1234);
  lastcpu_handle_nmi(regs);
  nmis++;
  if (dies && lastcpu_nmi_panic_begin("watchdog", regs)) {
    lastcpu_kernel_put("the kernel's own words\n");
    lastcpu_panic_end();
  }
}
void on_check(struct lastcpu_x86_64_frame* regs) {
  check(own_magic() == this_cpu.magic && regs->rsp != 0, 12);
  checks++;
}

static void set_gate(unsigned vector, void (*entry)(void), uint8_t ist, uint8_t type) {
  const uint64_t at = (uint64_t)(uintptr_t)entry;
  const struct gate g = {(uint16_t)at, 0x08, ist, type, (uint16_t)(at >> 16), (uint32_t)(at >> 32), 0};
  gates[vector] = g;
}

static void set_up(void) {
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) table = {sizeof gates - 1, (uint64_t)(uintptr_t)gates};
  volatile uint32_t* const spurious = (volatile uint32_t*)0xfee000f0u;
  unsigned v;
  for (v = 0; v < 32; v++) set_gate(v, fault_entry, 0, 0x8e);
  set_gate(2, nmi_entry, 1, 0x8e);
  set_gate(18, check_entry, 2, 0x8e);
  set_gate(0x80, user_back_entry, 0, 0xee);
  nmi_stack.gs_base = check_stack.gs_base = (uint64_t)(uintptr_t)&this_cpu;
  task.ist[0] = (uint64_t)(uintptr_t)&nmi_stack.gs_base;
  task.ist[1] = (uint64_t)(uintptr_t)&check_stack.gs_base;
  task.rsp[0] = (uint64_t)(uintptr_t)(interrupt_stack + sizeof interrupt_stack);
  __asm__ volatile("lidt %0" : : "m"(table));
  *spurious = 0x1ff;
}

/* What GS may be when an NMI comes: the kernel's, a user's, and a user's that looks like the kernel's. */
static void take_nmis(void (*how)(void), uint64_t cs) {
  static const uint64_t bases[] = {0, 0x7000, 0x00007ffffffff000u, 0xffff800000000000u, 0xffffffff80000000u};
  unsigned i;
  for (i = 0; i < sizeof bases / sizeof *bases; i++) {
    const uint32_t before = nmis;
    wrmsr(gs_base, bases[i]);
    wrmsr(kernel_gs_base, ~bases[i] & 0xffff);
    write_cr2(0xc2000 + i);
    how();
    check(nmis == before + 1 && seen_cs == cs, 20);
    check(rdmsr(gs_base) == bases[i] && rdmsr(kernel_gs_base) == (~bases[i] & 0xffff), 21);
    check(read_cr2() == 0xc2000 + i, 22);
  }
}
static void in_user_mode(void) {
  go_to_user(user_code);
}

void kernel(void) {
  set_up();
  lastcpu_online();
  take_nmis(ask_and_wait, 0x08);
  take_nmis(in_user_mode, 0x23);
  wrmsr(gs_base, 0x7000);
  __asm__ volatile("int $18" : : : "memory");
  check(checks == 1 && rdmsr(gs_base) == 0x7000, 23);
  dies = 1;
  ask_and_wait();
  end(4);
}
