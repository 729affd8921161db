/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_X86_64_ENTRY_H
#define LASTCPU_C_X86_64_ENTRY_H
/** @file
 * Entry stubs for NMI and machine check of a kernel that uses GS, for C (one line at file scope) and for assembly that
 * is preprocessed (one line by itself):
 *
 *     LASTCPU_X86_64_NMI_ENTRY(nmi_entry, on_nmi)
 *     LASTCPU_X86_64_NMI_ENTRY(machine_check_entry, on_machine_check)
 *
 * Each makes a function without arguments, for an interrupt gate with a stack of its own (IST), which calls
 * `void on_nmi(struct lastcpu_x86_64_frame *)` with the interrupted registers, and goes back to what the handler leaves in
 * them.
 *
 * Either may come at any instruction: in user mode, between an entry and its swapgs, and before the sysret that has swapped
 * already. Neither the code segment nor the sign of the base says whose GS it is, least of all where user code may set it
 * (FSGSBASE). So nothing is guessed: the stub keeps GS's base, loads the kernel's own from the top of its stack, and puts the
 * first one back. What swapgs exchanges with is not touched.
 *
 *     struct nmi_stack {
 *       char room[4096 - 16];
 *       uint64_t gs_base, unused;     // the gate's IST entry is &gs_base: 16-byte aligned, and one such stack for each
 *     };                              // CPU and each of the two vectors
 *
 * CR2 is kept, for the page fault that it may have interrupted; flags are clear in the handler, AC too. Handlers are built
 * with -mgeneral-regs-only. The kernel must be mapped in the page tables that are loaded. A fault, a breakpoint or a machine
 * check inside the NMI handler ends in an iretq that unblocks NMIs, and the next one starts at the top of the same stack:
 * before lastcpu_nmi_panic_begin(), point the gate's stack at a spare one.
 *
 * Debuggers unwind through a stub by its .cfi directives, at each instruction: where the compiler writes some itself, hence
 * with -g or -fasynchronous-unwind-tables. They add no instruction. clang says in .eh_frame alone that a frame is an
 * interrupt's: `.eh_frame 0 (INFO) : { *(.eh_frame) }` in a linker script keeps that in the file, out of what is loaded. */

/* version 14 takes the instructions apart */
/* clang-format off */
#if defined(__ASSEMBLER__)
#pragma GCC system_header /* or gcc -Wpedantic complains of variadic macros: it knows no C99 in assembly */
#define LASTCPU_DETAIL_ASM(...) __VA_ARGS__ ;
#define LASTCPU_DETAIL_BLOCK(...) __VA_ARGS__
#else
#include <lastcpu/c/x86_64_frame.h>
#define LASTCPU_DETAIL_ASM(...) #__VA_ARGS__ "\n\t"
#define LASTCPU_DETAIL_BLOCK(...) __asm__(__VA_ARGS__)
#endif
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define LASTCPU_DETAIL_CFI LASTCPU_DETAIL_ASM
#else
#define LASTCPU_DETAIL_CFI(...)
#endif
#define LASTCPU_DETAIL_DEEPER LASTCPU_DETAIL_CFI(.cfi_adjust_cfa_offset 8)
#define LASTCPU_DETAIL_HIGHER LASTCPU_DETAIL_CFI(.cfi_adjust_cfa_offset -8)
#define LASTCPU_DETAIL_PUSH(reg) \
  LASTCPU_DETAIL_ASM(pushq %reg) LASTCPU_DETAIL_DEEPER LASTCPU_DETAIL_CFI(.cfi_rel_offset reg, 0)
#define LASTCPU_DETAIL_POP(reg) \
  LASTCPU_DETAIL_ASM(popq %reg) LASTCPU_DETAIL_HIGHER LASTCPU_DETAIL_CFI(.cfi_same_value reg)

#if defined(__clang__) && !defined(__ASSEMBLER__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdollar-in-identifier-extension" /* it is none: the assembler reads it */
#endif

/* struct lastcpu_x86_64_frame from its end; a frame record, so that a backtrace goes on in the interrupted code; GS's base in
 * two halves; CR2. 208 bytes below the CPU's own alignment, and so aligned for the call. */
#define LASTCPU_DETAIL_SAVE                                                                                            \
  LASTCPU_DETAIL_CFI(.cfi_def_cfa rsp, 40) LASTCPU_DETAIL_CFI(.cfi_offset rip, -40) LASTCPU_DETAIL_CFI(.cfi_offset rsp, -16)\
  LASTCPU_DETAIL_ASM(endbr64) LASTCPU_DETAIL_ASM(pushq $0) LASTCPU_DETAIL_DEEPER                                       \
  LASTCPU_DETAIL_PUSH(rdi) LASTCPU_DETAIL_PUSH(rsi) LASTCPU_DETAIL_PUSH(rdx)                                           \
  LASTCPU_DETAIL_PUSH(rcx) LASTCPU_DETAIL_PUSH(rax) LASTCPU_DETAIL_PUSH(r8)                                            \
  LASTCPU_DETAIL_PUSH(r9) LASTCPU_DETAIL_PUSH(r10) LASTCPU_DETAIL_PUSH(r11)                                            \
  LASTCPU_DETAIL_PUSH(rbx) LASTCPU_DETAIL_PUSH(rbp) LASTCPU_DETAIL_PUSH(r12)                                           \
  LASTCPU_DETAIL_PUSH(r13) LASTCPU_DETAIL_PUSH(r14) LASTCPU_DETAIL_PUSH(r15)                                           \
  LASTCPU_DETAIL_ASM(pushq $2) LASTCPU_DETAIL_DEEPER LASTCPU_DETAIL_ASM(popfq) LASTCPU_DETAIL_HIGHER                   \
  LASTCPU_DETAIL_ASM(movq %rsp, %rdi)                                                                                  \
  LASTCPU_DETAIL_ASM(pushq 128(%rsp)) LASTCPU_DETAIL_DEEPER LASTCPU_DETAIL_ASM(pushq %rbp) LASTCPU_DETAIL_DEEPER       \
  LASTCPU_DETAIL_ASM(movq %rsp, %rbp) LASTCPU_DETAIL_CFI(.cfi_def_cfa rbp, 184)                                        \
  LASTCPU_DETAIL_ASM(movl $0xc0000101, %ecx) LASTCPU_DETAIL_ASM(rdmsr)                                                 \
  LASTCPU_DETAIL_ASM(pushq %rdx) LASTCPU_DETAIL_ASM(pushq %rax)                                                        \
  LASTCPU_DETAIL_ASM(movl 168(%rdi), %eax) LASTCPU_DETAIL_ASM(movl 172(%rdi), %edx) LASTCPU_DETAIL_ASM(wrmsr)          \
  LASTCPU_DETAIL_ASM(movq %cr2, %rax) LASTCPU_DETAIL_ASM(pushq %rax)

#define LASTCPU_DETAIL_RESTORE                                                                                         \
  LASTCPU_DETAIL_ASM(popq %rax) LASTCPU_DETAIL_ASM(movq %rax, %cr2)                                                    \
  LASTCPU_DETAIL_ASM(popq %rax) LASTCPU_DETAIL_ASM(popq %rdx)                                                          \
  LASTCPU_DETAIL_ASM(movl $0xc0000101, %ecx) LASTCPU_DETAIL_ASM(wrmsr)                                                 \
  LASTCPU_DETAIL_ASM(addq $16, %rsp) LASTCPU_DETAIL_CFI(.cfi_def_cfa rsp, 168)                                         \
  LASTCPU_DETAIL_POP(r15) LASTCPU_DETAIL_POP(r14) LASTCPU_DETAIL_POP(r13)                                              \
  LASTCPU_DETAIL_POP(r12) LASTCPU_DETAIL_POP(rbp) LASTCPU_DETAIL_POP(rbx)                                              \
  LASTCPU_DETAIL_POP(r11) LASTCPU_DETAIL_POP(r10) LASTCPU_DETAIL_POP(r9)                                               \
  LASTCPU_DETAIL_POP(r8) LASTCPU_DETAIL_POP(rax) LASTCPU_DETAIL_POP(rcx)                                               \
  LASTCPU_DETAIL_POP(rdx) LASTCPU_DETAIL_POP(rsi) LASTCPU_DETAIL_POP(rdi)                                              \
  LASTCPU_DETAIL_ASM(addq $8, %rsp) LASTCPU_DETAIL_HIGHER LASTCPU_DETAIL_ASM(iretq)

/** Makes the entry stub `stub` that calls `handler`: see above. */
#define LASTCPU_X86_64_NMI_ENTRY(stub, handler)                                                     \
  LASTCPU_DETAIL_BLOCK(LASTCPU_DETAIL_ASM(.pushsection .text.stub, "ax", @progbits)                 \
                       LASTCPU_DETAIL_ASM(.balign 16) LASTCPU_DETAIL_ASM(.globl stub)               \
                       LASTCPU_DETAIL_ASM(.type stub, @function) LASTCPU_DETAIL_ASM(stub:)          \
                       LASTCPU_DETAIL_CFI(.cfi_startproc simple) LASTCPU_DETAIL_CFI(.cfi_signal_frame) \
                       LASTCPU_DETAIL_SAVE LASTCPU_DETAIL_ASM(call handler) LASTCPU_DETAIL_RESTORE  \
                       LASTCPU_DETAIL_CFI(.cfi_endproc)                                             \
                       LASTCPU_DETAIL_ASM(.size stub, . - stub) LASTCPU_DETAIL_ASM(.popsection))
/* clang-format on */

#if defined(__clang__) && !defined(__ASSEMBLER__)
#pragma clang diagnostic pop
#endif

#endif
