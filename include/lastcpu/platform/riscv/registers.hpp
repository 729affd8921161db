// SPDX-License-Identifier: BSL-1.0
#pragma once
// The integer registers of a RISC-V hart of 32 or 64 bits, for a port's `registers` and capture_registers(). The first 32
// words are in the order of the register block in an ELF NT_PRSTATUS note, with pc in the place of x0.
//
//     using registers = lastcpu::riscv::registers;
//     [[gnu::always_inline]] static void capture_registers(registers& r) noexcept { lastcpu::riscv::capture(r); }
//
// Any context; nothing but `r` is changed. Not here: floating-point and vector registers, what a trap leaves in sepc and
// scause, which a kernel's own entry code saves, and RV32E.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/interrupt_mask.hpp>

#include <stddef.h>
#include <stdint.h>

/// What a port for RISC-V can be made of.
namespace lastcpu::riscv {

/// As NT_PRSTATUS has them, and the status.
struct registers {
  ///@{
  /// The register of this name; s0 is the frame pointer.
  uintptr_t pc, ra, sp, gp, tp, t0, t1, t2;
  uintptr_t s0, s1;
  uintptr_t a0, a1, a2, a3, a4, a5, a6, a7;
  uintptr_t s2, s3, s4, s5, s6, s7, s8, s9, s10, s11;
  uintptr_t t3, t4, t5, t6;
  ///@}
  uintptr_t status;  ///< sstatus; mstatus with LASTCPU_RISCV_MACHINE_MODE
};
static_assert(sizeof(registers) == 33 * sizeof(uintptr_t) && offsetof(registers, a0) == 10 * sizeof(uintptr_t) &&
                  offsetof(registers, t6) == 31 * sizeof(uintptr_t),
              "lastcpu: the code that captures writes this layout");

// clang-format-14 takes assembly apart.
// clang-format off
#if defined(__riscv_xlen) && __riscv_xlen == 32
#define LASTCPU_RISCV_DETAIL_WORD(name, number, to) "sw " name ", 4*" number "(" to ")\n\t"
#else
#define LASTCPU_RISCV_DETAIL_WORD(name, number, to) "sd " name ", 8*" number "(" to ")\n\t"
#endif
#define LASTCPU_RISCV_DETAIL_X(number, to) LASTCPU_RISCV_DETAIL_WORD("x" number, number, to)
// x1 to x31 as they are, to the address in the register `to`.
#define LASTCPU_RISCV_DETAIL_STORE(to)                                                                           \
  LASTCPU_RISCV_DETAIL_X("1", to) LASTCPU_RISCV_DETAIL_X("2", to) LASTCPU_RISCV_DETAIL_X("3", to)                \
  LASTCPU_RISCV_DETAIL_X("4", to) LASTCPU_RISCV_DETAIL_X("5", to) LASTCPU_RISCV_DETAIL_X("6", to)                \
  LASTCPU_RISCV_DETAIL_X("7", to) LASTCPU_RISCV_DETAIL_X("8", to) LASTCPU_RISCV_DETAIL_X("9", to)                \
  LASTCPU_RISCV_DETAIL_X("10", to) LASTCPU_RISCV_DETAIL_X("11", to) LASTCPU_RISCV_DETAIL_X("12", to)             \
  LASTCPU_RISCV_DETAIL_X("13", to) LASTCPU_RISCV_DETAIL_X("14", to) LASTCPU_RISCV_DETAIL_X("15", to)             \
  LASTCPU_RISCV_DETAIL_X("16", to) LASTCPU_RISCV_DETAIL_X("17", to) LASTCPU_RISCV_DETAIL_X("18", to)             \
  LASTCPU_RISCV_DETAIL_X("19", to) LASTCPU_RISCV_DETAIL_X("20", to) LASTCPU_RISCV_DETAIL_X("21", to)             \
  LASTCPU_RISCV_DETAIL_X("22", to) LASTCPU_RISCV_DETAIL_X("23", to) LASTCPU_RISCV_DETAIL_X("24", to)             \
  LASTCPU_RISCV_DETAIL_X("25", to) LASTCPU_RISCV_DETAIL_X("26", to) LASTCPU_RISCV_DETAIL_X("27", to)             \
  LASTCPU_RISCV_DETAIL_X("28", to) LASTCPU_RISCV_DETAIL_X("29", to) LASTCPU_RISCV_DETAIL_X("30", to)             \
  LASTCPU_RISCV_DETAIL_X("31", to)
// The status into a register that is stored already. User mode has none: it traps there.
#if LASTCPU_RISCV_MACHINE_MODE
#define LASTCPU_RISCV_DETAIL_STATUS "mstatus"
#else
#define LASTCPU_RISCV_DETAIL_STATUS "sstatus"
#endif
#define LASTCPU_RISCV_DETAIL_LEVEL(a) LASTCPU_RISCV_DETAIL_CSR("csrr " a ", " LASTCPU_RISCV_DETAIL_STATUS) "\n\t"

#if (defined(__riscv) && !defined(__riscv_32e) && !defined(__riscv_e)) || defined(LASTCPU_DETAIL_REFERENCE)

/// The registers at this very place, in the function that it is inlined in. At the kernel's level: in supervisor mode, or
/// with LASTCPU_RISCV_MACHINE_MODE in machine mode.
[[gnu::always_inline]] inline void capture(registers& r) noexcept {
  uintptr_t a;
  asm volatile(LASTCPU_RISCV_DETAIL_STORE("%1")
               LASTCPU_RISCV_DETAIL_LEVEL("%0") LASTCPU_RISCV_DETAIL_WORD("%0", "32", "%1")
               "auipc %0, 0\n\t" LASTCPU_RISCV_DETAIL_WORD("%0", "0", "%1")
               : "=&r"(a) : "r"(&r) : "memory");
}

/// The same in user mode; `status` is 0.
[[gnu::always_inline]] inline void capture_in_user_mode(registers& r) noexcept {
  uintptr_t a;
  asm volatile(LASTCPU_RISCV_DETAIL_STORE("%1") LASTCPU_RISCV_DETAIL_WORD("zero", "32", "%1")
               "auipc %0, 0\n\t" LASTCPU_RISCV_DETAIL_WORD("%0", "0", "%1")
               : "=&r"(a) : "r"(&r) : "memory");
}

#endif
// clang-format on

/// f(name, value) for each, the most telling first: for a report.
template <class F>
constexpr void for_each_register(const registers& r, F f) noexcept {
  f("pc", r.pc), f("sp", r.sp), f("s0", r.s0), f("ra", r.ra);
  f("status", r.status), f("gp", r.gp), f("tp", r.tp), f("s1", r.s1);
  f("a0", r.a0), f("a1", r.a1), f("a2", r.a2), f("a3", r.a3);
  f("a4", r.a4), f("a5", r.a5), f("a6", r.a6), f("a7", r.a7);
  f("s2", r.s2), f("s3", r.s3), f("s4", r.s4), f("s5", r.s5);
  f("s6", r.s6), f("s7", r.s7), f("s8", r.s8), f("s9", r.s9);
  f("s10", r.s10), f("s11", r.s11), f("t0", r.t0), f("t1", r.t1);
  f("t2", r.t2), f("t3", r.t3), f("t4", r.t4), f("t5", r.t5);
  f("t6", r.t6);
}

}  // namespace lastcpu::riscv

#include <lastcpu/detail/end.hpp>
