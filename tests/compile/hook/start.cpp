// SPDX-License-Identifier: BSL-1.0
// Where a program without a C library begins.
asm(".globl _start\n_start:\n  andq $-16, %rsp\n  call main\n  ud2\n");
