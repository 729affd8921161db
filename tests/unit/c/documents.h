/* SPDX-License-Identifier: BSL-1.0 */
/* What a kernel has before it has lastcpu: for the examples of the documents. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

struct trap_frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax, vector, error_code, rip, cs, rflags,
      rsp, ss;
};

uint32_t cpu_by_apic_id(void);
void send_nmi(uint32_t cpu);
void send_stop_ipi(uint32_t cpu);
void wait_for_ever(void);
void serial_puts(const char* text);
int known_nmi(void);
void unknown_nmi(struct trap_frame* f);
void end_of_interrupt(void);
int fixed(struct trap_frame* f);
void kill_current(void);
void print(const char* format, ...);
void backtrace(struct trap_frame* f);

#if LASTCPU_CRASH_LOADER
#include <lastcpu/c/crash_loader.h>
#define DIRECT_MAP 0xffff800000000000
extern const char kernel_begin[], data_begin[], kernel_end[], build_id_begin[], build_id_end[];
extern const struct lastcpu_memory memory_map[];
extern uint32_t memory_ranges;
uint64_t physical(const void* at);
void* at_physical(uint64_t at);
volatile void* mapped_uncached(uint64_t at);
void load_crash_kernel(const void* module, uint64_t bytes);
#endif
