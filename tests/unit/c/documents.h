/* SPDX-License-Identifier: BSL-1.0 */
/* What a kernel has before it has lastcpu: for the examples of the documents. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

struct trap_frame {
  uint64_t words[22];
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
