// SPDX-License-Identifier: BSL-1.0
// The only program: makes system calls until one answers that it is to die, and dies. A page of its own.
        .text
        .globl  init_program
        .balign 4096
init_program:
        syscall
        test    %eax, %eax
        jz      init_program
        ud2
        .balign 4096

        .section .note.GNU-stack, "", @progbits
