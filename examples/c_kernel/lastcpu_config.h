/* SPDX-License-Identifier: BSL-1.0 */
/* What this kernel chooses. boot.S and entry.S read it, too. */
#define LASTCPU_MAX_CPUS 16
#define LASTCPU_REGISTERS struct trap_frame /* what entry.S pushes: kernel.h */
#define LASTCPU_REGISTERS_BYTES 176
#define LASTCPU_CRASH_LOADER 1 /* crash.c */
#define LASTCPU_IRQ_BUDGET_US \
  2000000 /* a CPU in a panic of its own has interrupts off: time to say why, before an NMI */
