/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_TESTS_C_KERNEL_H
#define LASTCPU_TESTS_C_KERNEL_H

#include <lastcpu/c/lastcpu_kernel.h>

extern uint32_t cpu_now;                /* the CPU that runs */
extern int irqs_on[];                   /* of each CPU */
extern int deaf[];                      /* answers nobody */
extern int obeys_nmi_only[];            /* keeps interrupts off */
extern void (*instead_of_stop[])(void); /* what it does where it is asked to stop */
extern uint32_t nmis_sent;
extern int image_is_damaged;
extern const char* fault_at; /* the piece at which printing faults, once */
extern void (*fault)(void);

int on(uint32_t cpu, void (*work)(void));
struct frame* registers_now(void);
uintptr_t pc_of(uint32_t cpu);
uint32_t made_resettable(void);
void expect_that(int holds, const char* what);

#endif
