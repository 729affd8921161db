// SPDX-License-Identifier: BSL-1.0
#pragma once
// The general registers of an aarch64 CPU, for a port's `registers` and capture_registers(). The order is that of the
// register block in an ELF NT_PRSTATUS note.
//
//     using registers = lastcpu::aarch64::registers;
//     [[gnu::always_inline]] static void capture_registers(registers& r) noexcept { lastcpu::aarch64::capture(r); }
//
// Any context; nothing but `r` is changed. Not here: vector registers, and what an exception leaves in ELR and SPSR, which a
// kernel's own entry code saves.

#include <lastcpu/detail/begin.hpp>

#include <stddef.h>
#include <stdint.h>

/// What a port for aarch64 can be made of.
namespace lastcpu::aarch64 {

/// As NT_PRSTATUS has them.
struct registers {
  uint64_t x[31];   ///< x29 is the frame pointer, x30 the link register
  uint64_t sp;      ///< that of the exception level, or SP_EL0, as `pstate` says
  uint64_t pc;      ///< where it was captured
  uint64_t pstate;  ///< as SPSR has it: NZCV, DAIF, exception level and stack pointer
};
static_assert(sizeof(registers) == 272 && offsetof(registers, sp) == 248 && offsetof(registers, pc) == 256 &&
                  offsetof(registers, pstate) == 264,
              "lastcpu: the code that captures writes this layout");

// clang-format-14 takes assembly apart.
// clang-format off
// x0 to x30 as they are, to the address in the register `to`.
#define LASTCPU_AARCH64_DETAIL_STORE(to)                                                             \
  "stp x0, x1, [" to "]\n\tstp x2, x3, [" to ", #16]\n\tstp x4, x5, [" to ", #32]\n\t"               \
  "stp x6, x7, [" to ", #48]\n\tstp x8, x9, [" to ", #64]\n\tstp x10, x11, [" to ", #80]\n\t"        \
  "stp x12, x13, [" to ", #96]\n\tstp x14, x15, [" to ", #112]\n\tstp x16, x17, [" to ", #128]\n\t"  \
  "stp x18, x19, [" to ", #144]\n\tstp x20, x21, [" to ", #160]\n\tstp x22, x23, [" to ", #176]\n\t" \
  "stp x24, x25, [" to ", #192]\n\tstp x26, x27, [" to ", #208]\n\tstp x28, x29, [" to ", #224]\n\t" \
  "str x30, [" to ", #240]\n\t"
// What user mode may read of PSTATE, and the rest of it, which traps there; by two registers that are stored already.
#define LASTCPU_AARCH64_DETAIL_FLAGS(a) "mrs " a ", nzcv\n\t"
#define LASTCPU_AARCH64_DETAIL_LEVEL(a, b)                                                            \
  "mrs " b ", daif\n\torr " a ", " a ", " b "\n\tmrs " b ", CurrentEL\n\torr " a ", " a ", " b "\n\t" \
  "mrs " b ", SPSel\n\torr " a ", " a ", " b "\n\t"

#if defined(__aarch64__) || defined(LASTCPU_DETAIL_REFERENCE)

/// The registers at this very place, in the function that it is inlined in. At the kernel's level, EL1 or above.
[[gnu::always_inline]] inline void capture(registers& r) noexcept {
  uint64_t a, b;
  asm volatile(LASTCPU_AARCH64_DETAIL_STORE("%2")
               LASTCPU_AARCH64_DETAIL_FLAGS("%0") LASTCPU_AARCH64_DETAIL_LEVEL("%0", "%1") "str %0, [%2, #264]\n\t"
               "mov %0, sp\n\tstr %0, [%2, #248]\n\tadr %0, .\n\tstr %0, [%2, #256]"
               : "=&r"(a), "=&r"(b) : "r"(&r) : "memory");
}

/// The same at EL0. Of `pstate` NZCV alone, the rest is 0.
[[gnu::always_inline]] inline void capture_in_user_mode(registers& r) noexcept {
  uint64_t a;
  asm volatile(LASTCPU_AARCH64_DETAIL_STORE("%1")
               LASTCPU_AARCH64_DETAIL_FLAGS("%0") "str %0, [%1, #264]\n\t"
               "mov %0, sp\n\tstr %0, [%1, #248]\n\tadr %0, .\n\tstr %0, [%1, #256]"
               : "=&r"(a) : "r"(&r) : "memory");
}

#endif
// clang-format on

namespace detail {
// At namespace scope: a table inside the function costs a call of memcpy.
constexpr const char* const register_names[] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",
                                                "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19",
                                                "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28"};
}  // namespace detail

/// f(name, value) for each, the most telling first: for a report.
template <class F>
constexpr void for_each_register(const registers& r, F f) noexcept {
  f("pc", r.pc), f("sp", r.sp), f("x29", r.x[29]), f("x30", r.x[30]), f("pstate", r.pstate);
  for (int i = 0; i < 29; ++i) f(detail::register_names[i], r.x[i]);
}

}  // namespace lastcpu::aarch64

#include <lastcpu/detail/end.hpp>
