/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_CONFIG_H
#define LASTCPU_C_CONFIG_H
/** @file
 * What the kernel chooses. It writes what it wants different into a file lastcpu_config.h on its include path, or names
 * another file: -DLASTCPU_CONFIG='"my_config.h"'. C and C++ must see the same: the C++ file is an error without one, which
 * may be empty. Switches are 0 or 1. */

#if defined(LASTCPU_CONFIG)
#include LASTCPU_CONFIG
#define LASTCPU_CONFIGURED 1
#elif defined(__has_include)
#if __has_include("lastcpu_config.h")
#include "lastcpu_config.h"
#define LASTCPU_CONFIGURED 1
#endif
#endif

#include <stdint.h>

/** CPU numbers are 0 .. LASTCPU_MAX_CPUS-1. */
#ifndef LASTCPU_MAX_CPUS
#define LASTCPU_MAX_CPUS 8
#endif

/** Gate, stop, messages and summary; no crash kernel, no clock, and half of the code. */
#ifndef LASTCPU_BAREBONES
#define LASTCPU_BAREBONES 0
#endif

/* What is saved of a CPU: `struct NAME`, opaque to lastcpu, and its size. The kernel's C code checks the two against each
 * other where the structure is complete: LASTCPU_CHECK_REGISTERS; (lastcpu.h). */
#ifndef LASTCPU_REGISTERS
#define LASTCPU_SHIPS_CAPTURE 1 /**< 1: there is a lastcpu_capture(), for lastcpu has made the structure */
#if defined(LASTCPU_REGISTERS_BYTES)
#error "lastcpu: LASTCPU_REGISTERS_BYTES without LASTCPU_REGISTERS: #define LASTCPU_REGISTERS struct trap_frame"
#endif
#if defined(__x86_64__)
#include <lastcpu/c/x86_64_frame.h>
#define LASTCPU_REGISTERS struct lastcpu_x86_64_frame
#define LASTCPU_REGISTERS_BYTES 168
#elif defined(__aarch64__)
#include <lastcpu/c/aarch64_frame.h>
#define LASTCPU_REGISTERS struct lastcpu_aarch64_frame
#define LASTCPU_REGISTERS_BYTES 272
#elif defined(__riscv) && !defined(__riscv_32e) && !defined(__riscv_e)
#include <lastcpu/c/riscv_frame.h>
#define LASTCPU_REGISTERS struct lastcpu_riscv_frame
#define LASTCPU_REGISTERS_BYTES (33 * sizeof(uintptr_t))
#elif defined(__arm__)
#include <lastcpu/c/arm_frame.h>
#define LASTCPU_REGISTERS struct lastcpu_arm_frame
#define LASTCPU_REGISTERS_BYTES 68
#else
/** What lastcpu saves of a CPU where the kernel names no structure, and the machine is none of those above. */
struct lastcpu_registers {
  uintptr_t pc; /**< program counter */
  uintptr_t sp; /**< stack pointer */
  uintptr_t fp; /**< frame pointer */
  uintptr_t lr; /**< 0 */
};
/** What is saved of a CPU: `struct NAME`, opaque to lastcpu. */
#define LASTCPU_REGISTERS struct lastcpu_registers
/** Its size. */
#define LASTCPU_REGISTERS_BYTES (4 * sizeof(uintptr_t))
#endif
#endif
#ifndef LASTCPU_SHIPS_CAPTURE
#define LASTCPU_SHIPS_CAPTURE 0
#endif
#ifndef LASTCPU_REGISTERS_BYTES
#error "lastcpu: LASTCPU_REGISTERS without its size: #define LASTCPU_REGISTERS_BYTES 176"
#endif
LASTCPU_REGISTERS; /**< declared, so that pointers to it have one type */

/** Bytes kept of each message, the closing zero included; three messages for each CPU. 0 keeps none. */
#ifndef LASTCPU_MESSAGE_BYTES
#define LASTCPU_MESSAGE_BYTES 124
#endif

/** What two CPUs write to lies so many bytes apart; 1 where there is no cache. */
#ifndef LASTCPU_CACHE_LINE
#define LASTCPU_CACHE_LINE 64
#endif

/** 1: there is no NMI, and who keeps interrupts off is not stopped, unless it is taken away (LASTCPU_FORCE). */
#ifndef LASTCPU_NO_NMI
#define LASTCPU_NO_NMI 0
#endif

/** 1: the kernel takes a CPU away that answers neither (lastcpu_kernel_force_stop). */
#ifndef LASTCPU_FORCE
#define LASTCPU_FORCE 0
#endif

/** 1: lastcpu_kernel_before_step() is called before each step of a panic. */
#ifndef LASTCPU_BEFORE_STEP
#define LASTCPU_BEFORE_STEP 0
#endif

/** How long to wait for those that were asked by interrupt, in microseconds. */
#ifndef LASTCPU_IRQ_BUDGET_US
#define LASTCPU_IRQ_BUDGET_US 20000
#endif
/** For those that were asked by NMI; with LASTCPU_NO_NMI by interrupt. */
#ifndef LASTCPU_STOP_BUDGET_US
#define LASTCPU_STOP_BUDGET_US 1000000
#endif
/** For one that is taken away. */
#ifndef LASTCPU_FORCE_BUDGET_US
#define LASTCPU_FORCE_BUDGET_US 10000
#endif
/** Without a clock (lastcpu_kernel_now) rounds are counted in place of time, so many for each way of asking. */
#ifndef LASTCPU_STOP_ROUNDS
#define LASTCPU_STOP_ROUNDS 4194304
#endif

/** 1: the report is a line for each CPU, by lastcpu_kernel_put(). 0: lastcpu_kernel_report() is called instead. */
#ifndef LASTCPU_DEFAULT_REPORT
#define LASTCPU_DEFAULT_REPORT 1
#endif

/** 1: lastcpu_oops() is a panic. */
#ifndef LASTCPU_PANIC_ON_OOPS
#define LASTCPU_PANIC_ON_OOPS 0
#endif

/** Without a crash kernel: how long to wait before lastcpu_kernel_restart(), in microseconds. */
#ifndef LASTCPU_RESTART_DELAY_US
#define LASTCPU_RESTART_DELAY_US 0
#endif

/** 1: the kernel supplies lastcpu_kernel_irq_save() and _restore(). 0: lastcpu masks interrupts by the machine's own
 * instructions. */
#ifndef LASTCPU_KERNEL_IRQ
#define LASTCPU_KERNEL_IRQ 0
#endif

/** 1: lastcpu loads a crash kernel, starts it and hands over what a dump shall know: crash_loader.h. x86-64 only. */
#ifndef LASTCPU_CRASH_LOADER
#define LASTCPU_CRASH_LOADER 0
#endif

/** Bytes that describe a crash kernel that the kernel itself loads and starts; 0: there is none. */
#ifndef LASTCPU_IMAGE_BYTES
#define LASTCPU_IMAGE_BYTES 0
#endif

#if LASTCPU_MAX_CPUS < 1 || LASTCPU_MAX_CPUS > 65534 || (UINTPTR_MAX <= 0xffffffffu && LASTCPU_MAX_CPUS > 254)
#error "lastcpu: LASTCPU_MAX_CPUS is 1 to 65534, on a machine of 32 bits 1 to 254"
#endif
#if LASTCPU_MESSAGE_BYTES != 0 && LASTCPU_MESSAGE_BYTES < 16
#error "lastcpu: LASTCPU_MESSAGE_BYTES is 0, or 16 and more"
#endif
#if LASTCPU_BAREBONES && LASTCPU_IMAGE_BYTES
#error "lastcpu: LASTCPU_BAREBONES starts no crash kernel: leave LASTCPU_IMAGE_BYTES out"
#endif
#if LASTCPU_BAREBONES && LASTCPU_CRASH_LOADER
#error "lastcpu: LASTCPU_BAREBONES starts no crash kernel: leave LASTCPU_CRASH_LOADER out"
#endif
#if LASTCPU_CRASH_LOADER && LASTCPU_IMAGE_BYTES
#error "lastcpu: LASTCPU_CRASH_LOADER describes the crash kernel itself: leave LASTCPU_IMAGE_BYTES out"
#endif
#if LASTCPU_CRASH_LOADER && !defined(__x86_64__)
#error "lastcpu: LASTCPU_CRASH_LOADER is for x86-64: elsewhere the kernel loads it and sets LASTCPU_IMAGE_BYTES"
#endif
#if LASTCPU_BAREBONES && LASTCPU_RESTART_DELAY_US
#error "lastcpu: LASTCPU_BAREBONES has no clock: leave LASTCPU_RESTART_DELAY_US out"
#endif
#if LASTCPU_CACHE_LINE < 1 || (LASTCPU_CACHE_LINE & (LASTCPU_CACHE_LINE - 1)) != 0
#error "lastcpu: LASTCPU_CACHE_LINE is a power of two"
#endif

#endif
