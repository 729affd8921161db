/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_X86_64_ENTRY_H
#define LASTCPU_C_X86_64_ENTRY_H
/* Entry stubs for NMI and machine check of a kernel that uses GS, for C (one line at file scope) and for assembly that is
 * preprocessed (one line by itself):
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
 * before lastcpu_nmi_panic_begin(), point the gate's stack at a spare one. */

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

#if defined(__clang__) && !defined(__ASSEMBLER__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdollar-in-identifier-extension" /* it is none: the assembler reads it */
#endif

/* struct lastcpu_x86_64_frame from its end; a frame record, so that a backtrace goes on in the interrupted code; GS's base in
 * two halves; CR2. 208 bytes below the CPU's own alignment, and so aligned for the call. */
#define LASTCPU_DETAIL_SAVE                                                                                             \
  LASTCPU_DETAIL_ASM(pushq $0)                                                                                          \
  LASTCPU_DETAIL_ASM(pushq %rdi) LASTCPU_DETAIL_ASM(pushq %rsi) LASTCPU_DETAIL_ASM(pushq %rdx)                          \
  LASTCPU_DETAIL_ASM(pushq %rcx) LASTCPU_DETAIL_ASM(pushq %rax) LASTCPU_DETAIL_ASM(pushq %r8)                           \
  LASTCPU_DETAIL_ASM(pushq %r9) LASTCPU_DETAIL_ASM(pushq %r10) LASTCPU_DETAIL_ASM(pushq %r11)                           \
  LASTCPU_DETAIL_ASM(pushq %rbx) LASTCPU_DETAIL_ASM(pushq %rbp) LASTCPU_DETAIL_ASM(pushq %r12)                          \
  LASTCPU_DETAIL_ASM(pushq %r13) LASTCPU_DETAIL_ASM(pushq %r14) LASTCPU_DETAIL_ASM(pushq %r15)                          \
  LASTCPU_DETAIL_ASM(pushq $2) LASTCPU_DETAIL_ASM(popfq)                                                                \
  LASTCPU_DETAIL_ASM(movq %rsp, %rdi)                                                                                   \
  LASTCPU_DETAIL_ASM(pushq 128(%rsp)) LASTCPU_DETAIL_ASM(pushq %rbp) LASTCPU_DETAIL_ASM(movq %rsp, %rbp)                \
  LASTCPU_DETAIL_ASM(movl $0xc0000101, %ecx) LASTCPU_DETAIL_ASM(rdmsr)                                                  \
  LASTCPU_DETAIL_ASM(pushq %rdx) LASTCPU_DETAIL_ASM(pushq %rax)                                                         \
  LASTCPU_DETAIL_ASM(movl 168(%rdi), %eax) LASTCPU_DETAIL_ASM(movl 172(%rdi), %edx) LASTCPU_DETAIL_ASM(wrmsr)           \
  LASTCPU_DETAIL_ASM(movq %cr2, %rax) LASTCPU_DETAIL_ASM(pushq %rax)

#define LASTCPU_DETAIL_RESTORE                                                                                          \
  LASTCPU_DETAIL_ASM(popq %rax) LASTCPU_DETAIL_ASM(movq %rax, %cr2)                                                     \
  LASTCPU_DETAIL_ASM(popq %rax) LASTCPU_DETAIL_ASM(popq %rdx)                                                           \
  LASTCPU_DETAIL_ASM(movl $0xc0000101, %ecx) LASTCPU_DETAIL_ASM(wrmsr)                                                  \
  LASTCPU_DETAIL_ASM(addq $16, %rsp)                                                                                    \
  LASTCPU_DETAIL_ASM(popq %r15) LASTCPU_DETAIL_ASM(popq %r14) LASTCPU_DETAIL_ASM(popq %r13)                             \
  LASTCPU_DETAIL_ASM(popq %r12) LASTCPU_DETAIL_ASM(popq %rbp) LASTCPU_DETAIL_ASM(popq %rbx)                             \
  LASTCPU_DETAIL_ASM(popq %r11) LASTCPU_DETAIL_ASM(popq %r10) LASTCPU_DETAIL_ASM(popq %r9)                              \
  LASTCPU_DETAIL_ASM(popq %r8) LASTCPU_DETAIL_ASM(popq %rax) LASTCPU_DETAIL_ASM(popq %rcx)                              \
  LASTCPU_DETAIL_ASM(popq %rdx) LASTCPU_DETAIL_ASM(popq %rsi) LASTCPU_DETAIL_ASM(popq %rdi)                             \
  LASTCPU_DETAIL_ASM(addq $8, %rsp) LASTCPU_DETAIL_ASM(iretq)

#define LASTCPU_X86_64_NMI_ENTRY(stub, handler)                                                     \
  LASTCPU_DETAIL_BLOCK(LASTCPU_DETAIL_ASM(.pushsection .text.stub, "ax", @progbits)                 \
                       LASTCPU_DETAIL_ASM(.balign 16) LASTCPU_DETAIL_ASM(.globl stub)               \
                       LASTCPU_DETAIL_ASM(.type stub, @function) LASTCPU_DETAIL_ASM(stub:)          \
                       LASTCPU_DETAIL_ASM(endbr64) LASTCPU_DETAIL_SAVE                              \
                       LASTCPU_DETAIL_ASM(call handler) LASTCPU_DETAIL_RESTORE                      \
                       LASTCPU_DETAIL_ASM(.size stub, . - stub) LASTCPU_DETAIL_ASM(.popsection))
/* clang-format on */

#if defined(__clang__) && !defined(__ASSEMBLER__)
#pragma clang diagnostic pop
#endif

#endif
