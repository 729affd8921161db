// SPDX-License-Identifier: BSL-1.0
#pragma once
// The registers of an Arm core of 32 bits, application processor or Cortex-M, for a port's `registers` and
// capture_registers(). The order is that of the register block in an ELF NT_PRSTATUS note.
//
//     using registers = lastcpu::arm::registers;
//     [[gnu::always_inline]] static void capture_registers(registers& r) noexcept { lastcpu::arm::capture(r); }
//
// Any context and mode; nothing but `r` is changed. Not here: floating-point registers, and what an exception has pushed or
// banked, which a kernel's own entry code saves.

#include <lastcpu/detail/begin.hpp>

#include <stddef.h>
#include <stdint.h>

/// What a port for Arm of 32 bits can be made of.
namespace lastcpu::arm {

/// As NT_PRSTATUS has them.
struct registers {
  uint32_t r[13];  ///< r7 or r11 is the frame pointer
  uint32_t sp;     ///< that of the mode
  uint32_t lr;     ///< the link register
  uint32_t pc;     ///< where it was captured
  uint32_t psr;    ///< CPSR, or xPSR on Cortex-M; its T bit reads as 0
};
static_assert(sizeof(registers) == 68 && offsetof(registers, pc) == 60,
              "lastcpu: the code that captures writes this layout");

// r0 to r12, sp, lr and the status as they are, to the address in the register `to`; by `a`, a low register that is stored
// first. Instructions that every core has, and that leave the flags alone.
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#define LASTCPU_ARM_DETAIL_STATUS "xpsr"
#else
#define LASTCPU_ARM_DETAIL_STATUS "cpsr"
#endif
// clang-format-14 takes assembly apart.
// clang-format off
#define LASTCPU_ARM_DETAIL_HIGH(name, offset, to, a) "mov " a ", " name "\n\tstr " a ", [" to ", #" offset "]\n\t"
#define LASTCPU_ARM_DETAIL_STORE(to, a)                                                                              \
  ".syntax unified\n\tstr r0, [" to "]\n\tstr r1, [" to ", #4]\n\tstr r2, [" to ", #8]\n\tstr r3, [" to ", #12]\n\t" \
  "str r4, [" to ", #16]\n\tstr r5, [" to ", #20]\n\tstr r6, [" to ", #24]\n\tstr r7, [" to ", #28]\n\t"             \
  LASTCPU_ARM_DETAIL_HIGH("r8", "32", to, a) LASTCPU_ARM_DETAIL_HIGH("r9", "36", to, a)                              \
  LASTCPU_ARM_DETAIL_HIGH("r10", "40", to, a) LASTCPU_ARM_DETAIL_HIGH("r11", "44", to, a)                            \
  LASTCPU_ARM_DETAIL_HIGH("r12", "48", to, a) LASTCPU_ARM_DETAIL_HIGH("sp", "52", to, a)                             \
  LASTCPU_ARM_DETAIL_HIGH("lr", "56", to, a)                                                                         \
  "mrs " a ", " LASTCPU_ARM_DETAIL_STATUS "\n\tstr " a ", [" to ", #64]\n\t"

#if defined(__arm__) || defined(LASTCPU_DETAIL_REFERENCE)

/// The registers at this very place, in the function that it is inlined in.
[[gnu::always_inline]] inline void capture(registers& r) noexcept {
  uint32_t a;
  asm volatile(LASTCPU_ARM_DETAIL_STORE("%1", "%0")
               "mov %0, pc\n\tstr %0, [%1, #60]\n\tnop\n\tnop"
               : "=&l"(a) : "l"(&r) : "memory");
}

#endif
// clang-format on

namespace detail {
// At namespace scope: a table inside the function costs a call of memcpy.
constexpr const char* const register_names[] = {"r0", "r1", "r2", "r3",  "r4",  "r5", "r6",
                                                "r7", "r8", "r9", "r10", "r11", "r12"};
}  // namespace detail

/// f(name, value) for each, the most telling first: for a report.
template <class F>
constexpr void for_each_register(const registers& r, F f) noexcept {
  f("pc", r.pc), f("sp", r.sp), f("lr", r.lr), f("psr", r.psr);
  for (int i = 0; i < 13; ++i) f(detail::register_names[i], r.r[i]);
}

}  // namespace lastcpu::arm

#include <lastcpu/detail/end.hpp>
