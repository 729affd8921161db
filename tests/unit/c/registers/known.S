// SPDX-License-Identifier: BSL-1.0
// A caller whose registers are known: capture_by_c(to) and capture_by_cxx(to) load each register that a call leaves to its
// caller with a value of its own, note the stack pointer, and call what captures. And how the program begins and ends.
#define KNOWN 0x1100

#if defined(__aarch64__)

        .bss
        .balign 16
        .skip   16384
stack:
        .globl  stack_then
stack_then:
        .skip   8

        .text
        .globl  _start
#if USER_MODE
_start: bl      check
        mov     x8, #93                 // exit
        svc     #0
#else
_start: adrp    x0, stack
        add     x0, x0, :lo12:stack
        mov     sp, x0
        bl      check
        stp     xzr, x0, [sp, #-16]!
        mov     x0, #0x26               // semihosting: SYS_EXIT with ADP_Stopped_ApplicationExit and the status
        movk    x0, #2, lsl #16
        str     x0, [sp]
        mov     x1, sp
        mov     w0, #0x18
        hlt     #0xf000
#endif

        .macro  known from, to
        mov     x\from, #(KNOWN + \from)
        movk    x\from, #0x5a5a, lsl #48
        .if     \to - \from
        known   %(\from + 1), \to
        .endif
        .endm
        .altmacro
        .macro  capture name, target
        .globl  \name, \name\()_returns
\name:  stp     x29, x30, [sp, #-96]!
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        adrp    x1, stack_then
        mov     x2, sp
        str     x2, [x1, :lo12:stack_then]
        mov     x1, #0xa0000000         // negative, carry
        msr     nzcv, x1
#if !USER_MODE
        msr     daifclr, #15
        msr     daifset, #5             // SError, FIQ
#endif
        known   1, 29
        bl      \target
\name\()_returns:
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     x29, x30, [sp], #96
        ret
        .endm

#elif defined(__riscv)

#if __riscv_xlen == 64
#define STORE sd
#define LOAD ld
#define BYTES 8
#define HIGH 0x5a5a000000000000
#else
#define STORE sw
#define LOAD lw
#define BYTES 4
#define HIGH 0x5a5a0000
#endif
        .option norelax
        .bss
        .balign 8
        .globl  stack_then
stack_then:
        .skip   8

        .text
        .globl  _start
_start: la      gp, __global_pointer$
        call    check
        li      a7, 93                  // exit
        ecall

        .macro  known from, to
        li      x\from, HIGH + KNOWN + \from
        .if     \to - \from
        known   %(\from + 1), \to
        .endif
        .endm
        .macro  all instruction
        .irp    n, 1, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
        \instruction x\n, \n*BYTES(sp)
        .endr
        .endm
        .altmacro
        .macro  capture name, target
        .globl  \name, \name\()_returns
\name:  addi    sp, sp, -32*BYTES
        all     STORE
        la      x5, stack_then
        STORE   sp, (x5)
        known   3, 9
        known   11, 31
        call    \target
\name\()_returns:
        all     LOAD
        addi    sp, sp, 32*BYTES
        ret
        .endm

#elif defined(__arm__)

        .syntax unified
#if defined(__thumb__)
        .thumb
        .thumb_func
#endif
        .globl  _start
        .type   _start, %function
#if USER_MODE
_start: bl      check
        movs    r7, #1                  // exit
        svc     #0
#else
_start: bl      check
        movs    r1, r0
        ldr     r2, =0x20026            // semihosting: SYS_EXIT_EXTENDED with ADP_Stopped_ApplicationExit and the status
        push    {r1, r2}
        ldr     r3, [sp]
        str     r2, [sp]
        str     r3, [sp, #4]
        mov     r1, sp
        movs    r0, #0x20
        bkpt    #0xab
#endif

        .section .vectors, "a"
        .word   stack, _start
        .bss
        .balign 8
        .skip   4096
stack:
        .globl  stack_then
stack_then:
        .skip   4
        .text

        .macro  known from, to
        ldr     r\from, =0x5a5a0000 + KNOWN + \from
        .if     \to - \from
        known   %(\from + 1), \to
        .endif
        .endm
        .altmacro
        .macro  capture name, target
        .globl  \name, \name\()_returns
        .type   \name, %function
#if defined(__thumb__)
        .thumb_func
#endif
\name:  push    {r4-r11, lr}
        ldr     r1, =stack_then
        mov     r2, sp
        str     r2, [r1]
        mov     r1, #0xa0000000         // negative, carry
        msr     apsr_nzcvq, r1
        known   1, 12
        bl      \target
\name\()_returns:
        pop     {r4-r11, pc}
        .ltorg
        .endm

#endif

        .text
        .balign 4
        capture capture_by_c, lastcpu_capture
        capture capture_by_cxx, capture_in_cxx
        .section .note.GNU-stack, "", %progbits
