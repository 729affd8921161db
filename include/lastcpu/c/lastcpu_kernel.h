/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_LASTCPU_KERNEL_H
#define LASTCPU_C_LASTCPU_KERNEL_H
/** @file
 * What the kernel supplies, at link time: it defines these functions, and leaves out what it does not have of the
 * optional ones. Each may be called on any CPU in any context, NMI included, on a stack of an exception; interrupts are
 * off. None may allocate, take a lock, wait, sleep, or panic. What is optional is found by a weak reference: a
 * definition inside an archive that nothing else pulls in is not found. */

#include <lastcpu/c/crash_loader.h>
#include <lastcpu/c/lastcpu.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* ======== Needed by all */

/** The number of this CPU, below LASTCPU_MAX_CPUS; anything else: not known. Called before everything else, with
 * interrupts on as well (the answer counts only while they are off). It must not use what a crash or an NMI may find
 * half set up: on x86-64 not GS; the APIC id by cpuid or from the APIC will do. A CPU without a number that panics
 * costs a good dump. */
uint32_t lastcpu_kernel_this_cpu(void);

/** Asks one CPU to stop: LASTCPU_STOP_IRQ makes it call lastcpu_handle_stop_irq(), LASTCPU_STOP_NMI
 * lastcpu_handle_nmi(). Called on the owner, once for each CPU and way. What was stored before must be visible to the
 * handler: a write to an x2APIC register needs a fence before it, as does a GICv3 SGI (dsb ishst) or another doorbell
 * on Arm (dsb). It does not wait for the answer; for the sender's own register to be free (an xAPIC's ICR) it waits
 * with a bound. A way that the machine lacks does nothing, and costs its budget: LASTCPU_NO_NMI. */
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how);

/** The end of a CPU that has stopped, and of the owner when nothing else is left. All is saved and said. It must not
 * return, nor unmask anything; an NMI may still come and is handled. */
void lastcpu_kernel_park(void);

#if LASTCPU_DEFAULT_REPORT
/** Prints a piece of the report; "\n" ends a line. On the owner, behind the stop; a stopped CPU may hold the console's
 * lock: go round it where lastcpu_on_this_cpu(). It may fault once: the report goes on with the next line. */
void lastcpu_kernel_put(const char* piece);
#endif

/* ======== Optional */

/** @{ */
/** A clock, and how often it ticks in a second; both or none. Monotonic, callable in NMI. Without: waits count rounds,
 * and how long a stop takes depends on the speed of the machine. Not asked with LASTCPU_BAREBONES. */
uint64_t lastcpu_kernel_now(void);
uint64_t lastcpu_kernel_ticks_per_second(void);
/** @} */

/** Asks every CPU but this one at once. Without: one after the other. Not asked with LASTCPU_BAREBONES. */
void lastcpu_kernel_send_stop_to_all(lastcpu_stop_how how);

/** Restarts the machine; a return means that it could not. Without: the owner parks. */
void lastcpu_kernel_restart(void);

/** The last of the console's output is on its way. Without: a restart may cut it off. Not asked with
 * LASTCPU_BAREBONES. */
void lastcpu_kernel_flush(void);

/** The registers of the caller, where a panic has handed over none. Without: they are zero. Asked only where the structure
 * is the kernel's own and there is no LASTCPU_CRASH_LOADER; else lastcpu_capture() does it. */
void lastcpu_kernel_capture(LASTCPU_REGISTERS* regs);

/** On a CPU that stops, when its registers are saved and before it says so: virtual-machine modes off, and the like.
 * The CPU may still come to own the panic. A fault in it, or an NMI, may call it once more. Without: nothing. Not asked
 * with LASTCPU_BAREBONES. */
void lastcpu_kernel_make_resettable(void);

/** Tells CPUs apart that have no number yet: the APIC id by cpuid, MPIDR. Without: when two of them panic at once, both
 * do; with LASTCPU_CRASH_LOADER the APIC id does. Not asked with LASTCPU_BAREBONES. */
uint32_t lastcpu_kernel_hardware_id(void);

/* ======== Needed by a configuration */

#if LASTCPU_KERNEL_IRQ
/** @{ */
/** Interrupts off, and as they were. Nesting is the caller's. */
uintptr_t lastcpu_kernel_irq_save(void);
void lastcpu_kernel_irq_restore(uintptr_t saved);
/** @} */
#endif

#if LASTCPU_FORCE
/** Takes a CPU away that does not answer: stalls it, holds it in reset, powers it off. 1 once it executes nothing any
 * more, and stays so; 0: not yet, and it is called once more when the budget is over. It does not wait. */
int lastcpu_kernel_force_stop(uint32_t cpu);
#endif

#if LASTCPU_BEFORE_STEP
/** Feeds the watchdog, or whatever a long panic needs. On the owner, before each step (include/lastcpu/step.hpp has the
 * numbers), once. It may fault: the step comes next. */
void lastcpu_kernel_before_step(uint32_t step);
#endif

/** What is known of one CPU. The texts are empty where there is none, never null, and may hold any bytes. */
struct lastcpu_note {
  uint32_t cpu;                       /**< 0xffffffff: one without a number */
  lastcpu_state state;                /**< what became of it */
  uint32_t crashing;                  /**< 1: it owns the panic */
  uint32_t cut_short;                 /**< 1: it was stopped while it wrote one of the texts */
  const LASTCPU_REGISTERS* registers; /**< null: none were saved */
  const char* message;                /**< its panic */
  const char* nmi_message;            /**< its panic from an NMI handler */
  const char* nested_message;         /**< a panic inside its panic */
  uint64_t panic_ticks;               /**< lastcpu_kernel_now() when the panic began; 0: unknown, as in a report */
};

#if !LASTCPU_DEFAULT_REPORT
/** Reports one CPU, in place of the default report: the one that crashed first, then each other one; with
 * LASTCPU_BAREBONES in the order of their numbers. On the owner, behind the stop. It may fault once: the next CPU comes
 * next. */
void lastcpu_kernel_report(const struct lastcpu_note* note);
#if LASTCPU_IMAGE_BYTES || LASTCPU_CRASH_LOADER
/** Optional: no crash kernel is started, for LASTCPU_NO_IMAGE, LASTCPU_IMAGE_BUSY or LASTCPU_IMAGE_CORRUPT. Once, behind
 * the reports. */
void lastcpu_kernel_no_crash_kernel(lastcpu_outcome why);
#endif
#endif

#if LASTCPU_IMAGE_BYTES
/** 1: this crash kernel is what was loaded. Asked when it is loaded, and behind the stop. */
int lastcpu_kernel_image_intact(const void* image);
/** The owner's machine is made quiet: interrupt controllers, timers, DMA where it can be. */
void lastcpu_kernel_crash_shutdown(const LASTCPU_REGISTERS* regs);
/** Starts the crash kernel; a return means that it could not. */
void lastcpu_kernel_jump(const void* image);
/** Optional: hands what is known of one CPU to the crash kernel; the one that crashed first. */
void lastcpu_kernel_save_note(const void* image, const struct lastcpu_note* note);
#endif

#if defined(__cplusplus)
}
#endif

#endif
