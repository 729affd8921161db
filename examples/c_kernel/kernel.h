/* SPDX-License-Identifier: BSL-1.0 */
#ifndef KERNEL_H
#define KERNEL_H
/* What the files of this kernel call of each other. To read in this order: panic.c, traps.c, entry.S, cpus.c, init.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <lastcpu/c/crash_loader.h>
#include <lastcpu/c/lastcpu.h>

#define KERNEL_BASE 0xffffffff80000000u
#define STACK_BYTES 16384
#define KERNEL_CODE 0x08 /* of each CPU's GDT, in the order that syscall and sysret want; entry.S has the others */
#define TASK 0x28
#define STOP_VECTOR 0xf0
#define SPURIOUS_VECTOR 0xff

/* What entry.S pushes for exceptions and interrupts. */
struct trap_frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error_code;
  uint64_t rip, cs, rflags, rsp, ss;
};
static inline int from_user(const struct trap_frame* f) {
  return (f->cs & 3) != 0;
}

/* --- cpus.c: one block of memory for each CPU; GS points to it. */
struct task_state {
  uint32_t reserved;
  uint64_t rsp[3], reserved1, ist[7], reserved2;
  uint32_t io_map;
} __attribute__((__packed__));
enum { NMI_STACK, MACHINE_CHECK_STACK, DOUBLE_FAULT_STACK }; /* of ist[]; 1 more in a gate */

struct nmi_stack { /* as lastcpu/c/x86_64_entry.h wants it */
  char room[4096 - 16];
  uint64_t gs_base, unused;
} __attribute__((__aligned__(16)));

struct cpu {
  uint64_t kernel_stack, user_stack; /* entry.S */
  struct cpu* self;
  uint32_t number, apic_id;
  uint32_t online;
  uint64_t gdt[7];
  struct task_state task;
  struct nmi_stack nmi, spare_nmi, machine_check;
  char double_fault[4096] __attribute__((__aligned__(16)));
};
extern struct cpu cpus[LASTCPU_MAX_CPUS];
extern uint32_t cpu_count;

static inline struct cpu* this_cpu(void) {
  struct cpu* self;
  __asm__ volatile("movq %%gs:16, %0" : "=r"(self));
  return self;
}
uint32_t number_of_this_cpu(void); /* in any context: not by GS, which may be the program's */
void next_nmi_on_spare_stack(int yes);

/* --- traps.c */
void set_up_traps(void);
void load_traps(void);
const char* trap_name(const struct trap_frame* f);

/* --- panic.c */
void panic_at(const struct trap_frame* f, const char* format, ...)
    __attribute__((__noreturn__, __format__(__printf__, 2, 3)));
#define panic(...) panic_at(NULL, __VA_ARGS__)
void fault(const struct trap_frame* f);
void nmi(const struct trap_frame* f);
void machine_check(const struct trap_frame* f);

/* --- crash.c */
void load_crash_kernel(void);

/* --- init.c: what the kernel does when it has booted */
void set_up_init(const char* command_line);
void work(uint32_t me) __attribute__((__noreturn__));
void user_fault(const struct trap_frame* f) __attribute__((__noreturn__));
int nmi_is_known(const struct trap_frame* f);

/* --- user.c, entry.S */
uint64_t map_init(void); /* where the program begins */
void enter_user(uint64_t at) __attribute__((__noreturn__));

/* --- the machine */
struct boot_info {
  const char* command_line;
  uint64_t file, file_bytes; /* the first one that comes beside the kernel */
  uint64_t rsdp;             /* ACPI's tables begin there */
  struct lastcpu_memory ram[64];
  uint32_t ram_count;
};
extern struct boot_info boot;
void read_boot_info(uint64_t told_at, uint32_t by_multiboot2);
uint32_t read_apic_ids(uint8_t* ids, uint32_t room); /* acpi.c; how many CPUs there are */
void set_up_apic(void);
void end_of_interrupt(void);
void send_stop_irq(uint32_t cpu);
void send_nmi(uint32_t cpu);
void send_init(uint32_t cpu);
void send_startup(uint32_t cpu, uint32_t page);
void set_up_clock(void);
uint64_t ticks_per_second(void);
void wait_us(uint64_t us);
void set_up_serial(void);
void put(const char* text);
void print(const char* format, ...) __attribute__((__format__(__printf__, 1, 2)));
void format_text(char* out, size_t room, const char* format, va_list arguments);

#endif
