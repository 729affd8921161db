/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_LASTCPU_H
#define LASTCPU_C_LASTCPU_H
/** @file
 * What a kernel calls, in C or whatever calls C. C99 and later, and C++. What it supplies: lastcpu_kernel.h. One .cpp
 * file of one line makes the object: #include <lastcpu/c/instance.hpp>
 *
 * Nothing needs to be set up. Every function may be called on every CPU at any time, from the moment on at which
 * lastcpu_kernel_this_cpu() answers; none allocates or takes a lock. */

#include <stddef.h>
#include <stdint.h>

#include <lastcpu/c/config.h>

#if defined(__cplusplus)
extern "C" {
#endif

/** Of a function that does not come back, in C99, too. */
#define LASTCPU_NORETURN __attribute__((__noreturn__))

/** At file scope, where the structure is complete: an error of the compiler unless its size is what the configuration
 * says. */
#define LASTCPU_CHECK_REGISTERS                                                                                     \
  typedef char lastcpu_registers_bytes_is_a_multiple_of_a_pointer_and_the_size_of_registers                         \
      [sizeof(LASTCPU_REGISTERS) == (LASTCPU_REGISTERS_BYTES) && sizeof(LASTCPU_REGISTERS) % sizeof(uintptr_t) == 0 \
           ? 1                                                                                                      \
           : -1] __attribute__((__unused__))

/** How a CPU is asked to stop. */
typedef uint32_t lastcpu_stop_how;
#define LASTCPU_STOP_IRQ 0u /**< by an interrupt whose handler calls lastcpu_handle_stop_irq() */
#define LASTCPU_STOP_NMI 1u /**< by an NMI whose handler calls lastcpu_handle_nmi() */

/** What became of a CPU. */
typedef uint32_t lastcpu_state;
#define LASTCPU_ABSENT 0u  /**< not online when the machine died */
#define LASTCPU_RUNNING 1u /**< the CPU that owns the panic; or nobody has been stopped yet */
#define LASTCPU_PARKED 2u  /**< lost the race and stopped itself */
#define LASTCPU_BY_IRQ 3u  /**< stopped by the interrupt */
#define LASTCPU_BY_NMI 4u  /**< stopped by the NMI: it may hold any lock */
#define LASTCPU_FORCED 5u  /**< taken away without its help, by lastcpu_kernel_force_stop() */
#define LASTCPU_SILENT 6u  /**< was asked and has not answered: it may be running */
#define LASTCPU_GONE 7u    /**< left before it could be stopped */

/** Why lastcpu_oops() and lastcpu_crash_kexec() came back. */
typedef uint32_t lastcpu_outcome;
#define LASTCPU_NO_IMAGE 0u       /**< no crash kernel is loaded */
#define LASTCPU_IMAGE_BUSY 1u     /**< it is being replaced right now */
#define LASTCPU_IMAGE_CORRUPT 2u  /**< it is not what was loaded */
#define LASTCPU_LEFT_TO_PANIC 3u  /**< not from C: a policy's crash_kexec_post_notifiers */
#define LASTCPU_LEFT_TO_POLICY 4u /**< not from C: a policy's oops_action::go_on */
#define LASTCPU_HELD_BY_OTHER 5u  /**< another CPU is dying, and this one may be stopped at any moment */
#define LASTCPU_NOT_THE_OWNER 6u  /**< not from C: of __crash_kexec() */
#define LASTCPU_UNKNOWN_CPU 7u    /**< lastcpu_kernel_this_cpu() does not know this CPU */

/** The end. Thread or interrupt context. The first CPU to come stops the others; any other one keeps its message and
 * registers and parks. A panic inside a panic goes on at the next step. Here and below, null `regs` are the caller's,
 * where they can be had, and null `message` is the one formatted between lastcpu_message_begin() and
 * lastcpu_message_end(). */
LASTCPU_NORETURN void lastcpu_panic(const char* message, const LASTCPU_REGISTERS* regs);

/** @{ */
/** The same in two halves, for a kernel that prints between them. The first comes back on the owner alone, once, with
 * the others stopped and interrupts off; a fault between the two goes on behind the words. */
void lastcpu_panic_begin(const char* message, const LASTCPU_REGISTERS* regs);
LASTCPU_NORETURN void lastcpu_panic_end(void);
/** @} */

/** From an NMI handler. Returns where the interrupted code of this CPU owns the panic: its work goes on. */
void lastcpu_nmi_panic(const char* message, const LASTCPU_REGISTERS* regs);

/** The first half from there. 0 where lastcpu_nmi_panic() returns: print nothing then. Else lastcpu_panic_end() comes
 * next. */
int lastcpu_nmi_panic_begin(const char* message, const LASTCPU_REGISTERS* regs);

/** Room to format the message of a panic that comes next: `*room` bytes, the closing zero included. Null and 0 when
 * there is none; the panic goes on without. Interrupts are off from here on. In C++ and C alike `*room` is read behind
 * the call: two statements. */
char* lastcpu_message_begin(size_t* room);
/** The text is whole. The panic comes next. */
void lastcpu_message_end(void);
/** @{ */
/** The same before a panic from an NMI handler. */
char* lastcpu_nmi_message_begin(size_t* room);
void lastcpu_nmi_message_end(void);
/** @} */

/** @{ */
/** Handlers. First thing in the kernel's own; one load while nothing is wrong. Does not return on a CPU that is to
 * stop: an interrupt has been ended (EOI) before. */
void lastcpu_handle_nmi(const LASTCPU_REGISTERS* regs);
void lastcpu_handle_stop_irq(const LASTCPU_REGISTERS* regs);
/** @} */

/** For a fault handler, before it ends what has faulted. Starts the crash kernel if one is loaded, or panics
 * (LASTCPU_PANIC_ON_OOPS), or comes back with the reason. Inside a panic of this CPU it is a panic. */
lastcpu_outcome lastcpu_oops(const char* why, const LASTCPU_REGISTERS* regs);

/** Which CPUs are there. On the CPU itself, with interrupts off, once it can be asked to stop. Does not return when
 * another one has panicked meanwhile. A CPU that leaves it out is not asked to stop, and the report does not know it. */
void lastcpu_online(void);
/** This CPU leaves: on the CPU itself, while it can still be asked to stop. */
void lastcpu_offline(void);

/* --- To look at, in any context. */
int lastcpu_in_progress(void);        /**< somebody owns the panic, or looks for a crash kernel */
int lastcpu_on_this_cpu(void);        /**< this CPU owns the panic: a console goes round its lock */
int lastcpu_on_other_cpu(void);       /**< another one does */
int lastcpu_is_stopped(uint32_t cpu); /**< it runs nothing any more; once true, for good */
/** What became of a CPU, as far as it is known now. */
lastcpu_state lastcpu_state_of(uint32_t cpu);
/** A name to print; "?" for a value that is none of these, never null. */
const char* lastcpu_state_name(lastcpu_state state);
/** Null unless that CPU has stopped, or is this one, and has saved some. */
const LASTCPU_REGISTERS* lastcpu_registers_of(uint32_t cpu);

#if LASTCPU_SHIPS_CAPTURE || LASTCPU_CRASH_LOADER
/** The caller's registers as they are behind the call, for a panic without a frame. Any context. On x86-64, aarch64, RISC-V
 * and Arm all but floating point and vectors; with LASTCPU_KERNEL_IRQ the status is what user mode may read of it. On other
 * machines pc, sp and fp alone. `regs` is the structure that lastcpu brings (c/x86_64_frame.h, ...), or with
 * LASTCPU_CRASH_LOADER the kernel's own. A kernel with a structure of its own and without that loader has no such function:
 * where it can capture, it supplies lastcpu_kernel_capture(). */
void lastcpu_capture(LASTCPU_REGISTERS* regs);
#endif

#if LASTCPU_IMAGE_BYTES
/** @{ */
/** The crash kernel, as LASTCPU_IMAGE_BYTES bytes that the kernel alone understands (lastcpu_kernel_jump). Thread
 * context. 1 when it is loaded, or when none is loaded any more: its memory is the kernel's again. 0 when it was refused,
 * or a crash or another load is at it. */
int lastcpu_load_image(const void* image);
int lastcpu_unload_image(void);
/** @} */
#endif
#if LASTCPU_IMAGE_BYTES || LASTCPU_CRASH_LOADER
/** 1: a crash kernel is loaded, at this moment. Any context. */
int lastcpu_crash_loaded(void);
/** lastcpu_oops() that always wants the crash kernel. */
lastcpu_outcome lastcpu_crash_kexec(const char* why, const LASTCPU_REGISTERS* regs);
#endif

#if defined(__cplusplus)
}
#endif

#endif
