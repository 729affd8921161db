// SPDX-License-Identifier: BSL-1.0
#include "faults.hpp"

#if !defined(__x86_64__)
#error "these tests know the faulting instructions of x86-64 only; add those of your machine here"
#endif

asm(R"(
.text
.globl lastcpu_test_load, lastcpu_test_illegal, lastcpu_test_divide_by_zero, lastcpu_test_breakpoint
.globl lastcpu_test_load_at, lastcpu_test_illegal_at, lastcpu_test_divide_at, lastcpu_test_breakpoint_at
.type lastcpu_test_load, @function
lastcpu_test_load:
lastcpu_test_load_at:
  movzbl (%rdi), %eax
  ret
.type lastcpu_test_illegal, @function
lastcpu_test_illegal:
lastcpu_test_illegal_at:
  ud2
.type lastcpu_test_divide_by_zero, @function
lastcpu_test_divide_by_zero:
  xorl %ecx, %ecx
  movl $1, %eax
  cltd
lastcpu_test_divide_at:
  idivl %ecx
  ret
.type lastcpu_test_breakpoint, @function
lastcpu_test_breakpoint:
  int3
lastcpu_test_breakpoint_at:
  ret
)");
