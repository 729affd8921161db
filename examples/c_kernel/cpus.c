/* SPDX-License-Identifier: BSL-1.0 */
/* Each CPU's tables and GS, and how the others are started. */
#include "kernel.h"
#include "x86.h"

struct cpu cpus[LASTCPU_MAX_CPUS];
uint8_t cpu_of_apic_id[256]; /* 255: there is none; boot.S reads it, too */
uint32_t cpu_count;

extern char stacks[], trampoline[], trampoline_end[];
void syscall_entry(void);
void cpu_main(uint32_t me);
void kernel_main(uint64_t told_at, uint32_t by_multiboot2);

static void load_gdt(struct cpu* c) {
  const uint64_t task = (uintptr_t)&c->task;
  const struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((__packed__)) table = {sizeof c->gdt - 1, (uintptr_t)c->gdt};
  c->gdt[1] = 0x00af9b000000ffff; /* kernel code, data; user data, code */
  c->gdt[2] = 0x00cf93000000ffff;
  c->gdt[3] = 0x00cff3000000ffff;
  c->gdt[4] = 0x00affb000000ffff;
  c->gdt[5] = (sizeof c->task - 1) | (task & 0xffffff) << 16 | (uint64_t)0x89 << 40 | (task >> 24 & 0xff) << 56;
  c->gdt[6] = task >> 32;
  __asm__ volatile("lgdt %0\n\tmov %1, %%ds\n\tmov %1, %%es\n\tmov %1, %%ss\n\tltr %w2"
                   :
                   : "m"(table), "r"(0), "r"(TASK)
                   : "memory");
}

static void load_cpu(struct cpu* c) {
  c->self = c;
  c->kernel_stack = c->task.rsp[0] = (uintptr_t)stacks + (c->number + 1) * STACK_BYTES;
  c->nmi.gs_base = c->spare_nmi.gs_base = c->machine_check.gs_base = (uintptr_t)c;
  c->task.ist[NMI_STACK] = (uintptr_t)&c->nmi.gs_base;
  c->task.ist[MACHINE_CHECK_STACK] = (uintptr_t)&c->machine_check.gs_base;
  c->task.ist[DOUBLE_FAULT_STACK] = (uintptr_t)(c->double_fault + sizeof c->double_fault);
  c->task.io_map = sizeof c->task << 16;
  load_gdt(c);
  load_traps();
  wrmsr(0xc0000101, (uintptr_t)c);                                            /* GS's base */
  wrmsr(0xc0000081, (uint64_t)(KERNEL_CODE | (KERNEL_CODE + 8) << 16) << 32); /* STAR: sysret's are 8 and 16 behind */
  wrmsr(0xc0000082, (uintptr_t)syscall_entry);
  wrmsr(0xc0000084, 0x40700); /* system calls begin without interrupts, direction, trap and alignment flags */
  __asm__ volatile("mov %%cr4, %%rax\n\tor $0x40, %%eax\n\tmov %%rax, %%cr4" : : : "rax"); /* machine checks are told */
}

static void start(uint32_t number) {
  int attempt, i;
  send_init(number);
  wait_us(10000);
  for (attempt = 0; attempt < 2; attempt++) {
    send_startup(number, 8); /* at 0x8000 */
    for (i = 0; i < 50000; i++) {
      if (__atomic_load_n(&cpus[number].online, __ATOMIC_ACQUIRE)) return;
      wait_us(20);
    }
  }
  send_init(number); /* it must not come later */
  print("kernel: CPU %u does not start\n", number);
}

static void start_others(void) {
  uint32_t i;
  for (i = 0; i < (uint32_t)(trampoline_end - trampoline); i++) ((volatile char*)0x8000)[i] = trampoline[i];
  for (i = 1; i < cpu_count; i++) start(i);
}

static void number_cpus(void) {
  uint8_t ids[LASTCPU_MAX_CPUS];
  const uint32_t n = read_apic_ids(ids, LASTCPU_MAX_CPUS);
  uint32_t i;
  for (i = 0; i < 256; i++) cpu_of_apic_id[i] = 255;
  cpu_of_apic_id[own_apic_id()] = 0;
  cpus[0].apic_id = own_apic_id();
  for (cpu_count = 1, i = 0; i < n; i++) {
    if (cpu_of_apic_id[ids[i]] != 255 || cpu_count == LASTCPU_MAX_CPUS) continue;
    cpus[cpu_count].number = cpu_count;
    cpus[cpu_count].apic_id = ids[i];
    cpu_of_apic_id[ids[i]] = (uint8_t)cpu_count++;
  }
}

uint32_t number_of_this_cpu(void) {
  return cpu_of_apic_id[own_apic_id()];
}

void next_nmi_on_spare_stack(int yes) {
  struct cpu* c = this_cpu();
  c->task.ist[NMI_STACK] = (uintptr_t)(yes ? &c->spare_nmi : &c->nmi) + offsetof(struct nmi_stack, gs_base);
}

void cpu_main(uint32_t me) {
  load_cpu(&cpus[me]);
  set_up_apic();
  lastcpu_online();
  __atomic_store_n(&cpus[me].online, 1, __ATOMIC_RELEASE);
  sti();
  work(me);
}

void kernel_main(uint64_t told_at, uint32_t by_multiboot2) {
  set_up_serial();
  read_boot_info(told_at, by_multiboot2);
  number_cpus();
  set_up_traps();
  load_cpu(&cpus[0]);
  set_up_apic();
  lastcpu_online();
  set_up_clock();
  start_others();
  print("kernel: %u CPUs\n", cpu_count);
  load_crash_kernel();
  set_up_init(boot.command_line);
  sti();
  work(0);
}
