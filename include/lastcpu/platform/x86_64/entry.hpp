// SPDX-License-Identifier: BSL-1.0
#pragma once
// Entry stubs for the interrupt descriptor table, as top-level assembly: one line at namespace scope each.
//
//     LASTCPU_X86_NMI_ENTRY(nmi_entry, on_nmi)                          // vector 2
//     LASTCPU_X86_ENTRY(stop_entry, on_stop)                            // an IPI, or an exception without error code
//     LASTCPU_X86_ENTRY_WITH_ERROR_CODE(page_fault_entry, on_page_fault)  // 8, 10-14, 17, 21, 29, 30
//
// Each declares `extern "C" void nmi_entry() noexcept`, whose address goes into the gate (an interrupt gate), and calls
// `extern "C" void on_nmi(lastcpu::x86::registers*) noexcept`, which the kernel defines. A stub builds the whole frame,
// calls with the stack aligned and all flags clear, and returns with iretq to what the handler has left in the frame.
// AC too: what user code has set there would let the handler through SMAP.
// - The frame-pointer chain of the handler goes on in the interrupted code, whose rip is the first return address.
// - Debuggers unwind through a stub by its .cfi directives, at each instruction, with all registers: in .debug_frame where
//   the kernel is compiled with -g, in .eh_frame where it has one. clang says in .eh_frame alone that a frame is an
//   interrupt's: compile with -fasynchronous-unwind-tables, and let the linker script keep .eh_frame in the file and out of
//   what is loaded: `.eh_frame 0 (INFO) : { *(.eh_frame) }`.
// - GS is never touched: with swapgs or without, from user mode or from inside the kernel's own entry code. The handler
//   of an NMI may use GS only if the kernel never lets user code set it.
// - An NMI needs a stack of its own (IST), unused by anything else: it may come inside any other entry, before that has
//   a usable stack. CR2 is kept over it, for the page fault that it has interrupted.
// - The NMI stub is safe on the owner of the gate: it changes nothing, and handle_nmi() returns there. On a CPU that
//   has to stop, the handler does not return, so no iretq unblocks NMIs under it: the CPU stays where it parks.
// - A fault inside the NMI handler returns with iretq and unblocks NMIs at once, as does a breakpoint or a machine check;
//   the next NMI starts at the same stack top and overwrites what runs there: a whole panic, on a CPU that wins in NMI
//   context. Before nmi_panic(), point the gate's stack at a spare one.
// - The page tables stay as they are: the kernel must be mapped in those of user code, too, or wrap the stub.
// - Extended registers (SSE, AVX) are not saved: handlers are built with -mgeneral-regs-only.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/registers.hpp>

// Where the stub's values are, for debuggers: `.cfi` directives, if the compiler writes any itself. They add no instruction.
// clang-format off
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define LASTCPU_X86_DETAIL_CFI(directive) ".cfi_" directive "\n\t"
#else
#define LASTCPU_X86_DETAIL_CFI(directive) ""
#endif
#define LASTCPU_X86_DETAIL_DEEPER LASTCPU_X86_DETAIL_CFI("adjust_cfa_offset 8")
#define LASTCPU_X86_DETAIL_HIGHER LASTCPU_X86_DETAIL_CFI("adjust_cfa_offset -8")
#define LASTCPU_X86_DETAIL_PUSH(reg) \
  "pushq %" #reg "\n\t" LASTCPU_X86_DETAIL_DEEPER LASTCPU_X86_DETAIL_CFI("rel_offset " #reg ", 0")
#define LASTCPU_X86_DETAIL_POP(reg) \
  "popq %" #reg "\n\t" LASTCPU_X86_DETAIL_HIGHER LASTCPU_X86_DETAIL_CFI("same_value " #reg)

// The frame begins above what the CPU has pushed: `pushed` bytes, with the interrupted code's rip and rsp among them.
#define LASTCPU_X86_DETAIL_BEGIN(pushed)                               \
  LASTCPU_X86_DETAIL_CFI("startproc simple")                           \
  LASTCPU_X86_DETAIL_CFI("signal_frame")                               \
  LASTCPU_X86_DETAIL_CFI("def_cfa rsp, " #pushed)                      \
  LASTCPU_X86_DETAIL_CFI("offset rip, -40") LASTCPU_X86_DETAIL_CFI("offset rsp, -16")
#define LASTCPU_X86_DETAIL_ERROR_CODE LASTCPU_X86_DETAIL_BEGIN(48) "endbr64\n\t"
#define LASTCPU_X86_DETAIL_NO_ERROR_CODE \
  LASTCPU_X86_DETAIL_BEGIN(40) "endbr64\n\tpushq $0\n\t" LASTCPU_X86_DETAIL_DEEPER

// From the error code's place: the other registers, and a frame record {rbp, rip} below them. 184 bytes below the CPU's
// own alignment, hence the 8.
#define LASTCPU_X86_DETAIL_SAVE                                                                                \
  LASTCPU_X86_DETAIL_PUSH(rdi) LASTCPU_X86_DETAIL_PUSH(rsi) LASTCPU_X86_DETAIL_PUSH(rdx)                       \
  LASTCPU_X86_DETAIL_PUSH(rcx) LASTCPU_X86_DETAIL_PUSH(rax) LASTCPU_X86_DETAIL_PUSH(r8)                        \
  LASTCPU_X86_DETAIL_PUSH(r9) LASTCPU_X86_DETAIL_PUSH(r10) LASTCPU_X86_DETAIL_PUSH(r11)                        \
  LASTCPU_X86_DETAIL_PUSH(rbx) LASTCPU_X86_DETAIL_PUSH(rbp) LASTCPU_X86_DETAIL_PUSH(r12)                       \
  LASTCPU_X86_DETAIL_PUSH(r13) LASTCPU_X86_DETAIL_PUSH(r14) LASTCPU_X86_DETAIL_PUSH(r15)                       \
  "pushq $2\n\t" LASTCPU_X86_DETAIL_DEEPER "popfq\n\t" LASTCPU_X86_DETAIL_HIGHER                               \
  "movq %rsp, %rdi\n\tpushq 128(%rsp)\n\t" LASTCPU_X86_DETAIL_DEEPER "pushq %rbp\n\t" LASTCPU_X86_DETAIL_DEEPER\
  "movq %rsp, %rbp\n\t" LASTCPU_X86_DETAIL_CFI("def_cfa rbp, 184") "subq $8, %rsp\n\t"

#define LASTCPU_X86_DETAIL_RESTORE                                                             \
  "addq $24, %rsp\n\t" LASTCPU_X86_DETAIL_CFI("def_cfa rsp, 168")                              \
  LASTCPU_X86_DETAIL_POP(r15) LASTCPU_X86_DETAIL_POP(r14) LASTCPU_X86_DETAIL_POP(r13)          \
  LASTCPU_X86_DETAIL_POP(r12) LASTCPU_X86_DETAIL_POP(rbp) LASTCPU_X86_DETAIL_POP(rbx)          \
  LASTCPU_X86_DETAIL_POP(r11) LASTCPU_X86_DETAIL_POP(r10) LASTCPU_X86_DETAIL_POP(r9)           \
  LASTCPU_X86_DETAIL_POP(r8) LASTCPU_X86_DETAIL_POP(rax) LASTCPU_X86_DETAIL_POP(rcx)           \
  LASTCPU_X86_DETAIL_POP(rdx) LASTCPU_X86_DETAIL_POP(rsi) LASTCPU_X86_DETAIL_POP(rdi)          \
  "addq $8, %rsp\n\t" LASTCPU_X86_DETAIL_HIGHER "iretq\n\t" LASTCPU_X86_DETAIL_CFI("endproc")
// clang-format on

// endbr64: where indirect-branch tracking is on, an interrupt must land on one.
#define LASTCPU_X86_DETAIL_ENTRY(stub, handler, begin, before, after)                                     \
  extern "C" [[gnu::__used__]] void handler(::lastcpu::x86::registers*) noexcept;                         \
  extern "C" void stub() noexcept;                                                                        \
  asm(".pushsection .text." #stub ", \"ax\", @progbits\n\t.balign 16\n\t.globl " #stub "\n\t.type " #stub \
      ", @function\n" #stub ":\n\t" begin LASTCPU_X86_DETAIL_SAVE before "call " #handler                 \
      "\n\t" after LASTCPU_X86_DETAIL_RESTORE ".size " #stub ", . - " #stub "\n\t.popsection");           \
  static_assert(true)

/// For a vector whose exception brings no error code, and for interrupts.
#define LASTCPU_X86_ENTRY(stub, handler) \
  LASTCPU_X86_DETAIL_ENTRY(stub, handler, LASTCPU_X86_DETAIL_NO_ERROR_CODE, "", "")

/// For a vector whose exception brings an error code.
#define LASTCPU_X86_ENTRY_WITH_ERROR_CODE(stub, handler) \
  LASTCPU_X86_DETAIL_ENTRY(stub, handler, LASTCPU_X86_DETAIL_ERROR_CODE, "", "")

/// For vector 2.
#define LASTCPU_X86_NMI_ENTRY(stub, handler)                                \
  LASTCPU_X86_DETAIL_ENTRY(stub, handler, LASTCPU_X86_DETAIL_NO_ERROR_CODE, \
                           "movq %cr2, %rax\n\tmovq %rax, (%rsp)\n\t", "movq (%rsp), %rax\n\tmovq %rax, %cr2\n\t")

#include <lastcpu/detail/end.hpp>
