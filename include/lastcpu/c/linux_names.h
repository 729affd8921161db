/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_LINUX_NAMES_H
#define LASTCPU_C_LINUX_NAMES_H
/** @file
 * The names of Linux's calls, for code that knows them. Nobody needs this file; LASTCPU_REGISTERS is `struct pt_regs`
 * then, as a rule. Where the meaning differs:
 *
 *   panic(fmt, ...)          Formats with LASTCPU_VSNPRINTF, or keeps `fmt` as it is where that is not defined. The text is cut
 *                            at LASTCPU_MESSAGE_BYTES and printed behind the stop, with every other CPU's, not before.
 *                            panic_timeout is LASTCPU_RESTART_DELAY_US, panic_on_oops LASTCPU_PANIC_ON_OOPS. A panic
 *                            inside a panic goes on at the next step.
 *   nmi_panic(regs, msg)     The same on an idle gate and on a loser. Inside a crash_kexec() of this CPU it returns, and what
 *                            it interrupted ends as this panic, where it finds nothing to start.
 *   crash_kexec(regs)        Does not return inside a panic or a crash_kexec() of this CPU: life can't go on as before.
 *                            Waits for nobody: comes back where another CPU holds the gate.
 *   kexec_crash_loaded()     False while a crash kernel is being replaced, and from a panic's commit on.
 *   panic_in_progress(), panic_on_this_cpu(), panic_on_other_cpu()
 *                            True during crash_kexec(), too. A snapshot, as there.
 *   panic_smp_self_stop()    The hook has this name already; the kernel defines it (self_stop.hpp). It may return. It runs when
 *                            another CPU has committed, not when the race is lost, and in NMI context as well: there is no
 *                            nmi_panic_self_stop().
 *   set_cpu_online(cpu, up)  For this CPU only: `cpu` must be it. Up, it does not return when another CPU has panicked.
 *   crash_smp_send_stop(), smp_send_stop()
 *                            Not here: the owner's panic does it, by lastcpu_kernel_send_stop().
 */

#include <lastcpu/c/lastcpu.h>

#if defined(__cplusplus)
extern "C" {
#endif

__attribute__((__format__(__printf__, 1, 2), __unused__)) LASTCPU_NORETURN static void panic(const char* fmt, ...);
/** lastcpu_panic() with a formatted message. Thread or interrupt context. */
static void panic(const char* fmt, ...) {
#if defined(LASTCPU_VSNPRINTF)
  size_t room = 0;
  char* text = lastcpu_message_begin(&room);
  if (text != NULL) {
    __builtin_va_list values; /* <stdarg.h> is not every kernel's */
    __builtin_va_start(values, fmt);
    (void)LASTCPU_VSNPRINTF(text, room, fmt, values);
    __builtin_va_end(values);
    lastcpu_message_end();
    lastcpu_panic(NULL, NULL);
  }
#endif
  lastcpu_panic(fmt, NULL);
}

/** lastcpu_nmi_panic(). NMI context. */
static inline void nmi_panic(const LASTCPU_REGISTERS* regs, const char* msg) {
  lastcpu_nmi_panic(msg, regs);
}
#if LASTCPU_IMAGE_BYTES || LASTCPU_CRASH_LOADER
/** lastcpu_crash_loaded(). Any context. */
static inline int kexec_crash_loaded(void) {
  return lastcpu_crash_loaded();
}
/** lastcpu_crash_kexec(), whose answer is not handed on. Thread or interrupt context. */
static inline void crash_kexec(const LASTCPU_REGISTERS* regs) {
  (void)lastcpu_crash_kexec("crash_kexec", regs);
}
#endif
/** @{ */
/** lastcpu_in_progress(), lastcpu_on_this_cpu() and lastcpu_on_other_cpu(). Any context. */
static inline int panic_in_progress(void) {
  return lastcpu_in_progress();
}
static inline int panic_on_this_cpu(void) {
  return lastcpu_on_this_cpu();
}
static inline int panic_on_other_cpu(void) {
  return lastcpu_on_other_cpu();
}
/** @} */
/** lastcpu_online() or lastcpu_offline(), for this CPU. Interrupts off. */
static inline void set_cpu_online(uint32_t cpu, int up) {
  (void)cpu;
  if (up)
    lastcpu_online();
  else
    lastcpu_offline();
}

#if defined(__cplusplus)
}
#endif

#endif
