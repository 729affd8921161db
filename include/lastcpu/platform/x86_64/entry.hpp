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

// From the error code's place: the other registers, and a frame record {rbp, rip} below them. 184 bytes below the CPU's
// own alignment, hence the 8.
#define LASTCPU_X86_DETAIL_SAVE                                                                                \
  "pushq %rdi\n\tpushq %rsi\n\tpushq %rdx\n\tpushq %rcx\n\tpushq %rax\n\tpushq %r8\n\tpushq %r9\n\t"           \
  "pushq %r10\n\tpushq %r11\n\tpushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\t"         \
  "pushq %r15\n\tpushq $2\n\tpopfq\n\tmovq %rsp, %rdi\n\tpushq 128(%rsp)\n\tpushq %rbp\n\tmovq %rsp, %rbp\n\t" \
  "subq $8, %rsp\n\t"

#define LASTCPU_X86_DETAIL_RESTORE                                                                   \
  "addq $24, %rsp\n\tpopq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\t" \
  "popq %r11\n\tpopq %r10\n\tpopq %r9\n\tpopq %r8\n\tpopq %rax\n\tpopq %rcx\n\tpopq %rdx\n\t"        \
  "popq %rsi\n\tpopq %rdi\n\taddq $8, %rsp\n\tiretq\n\t"

// endbr64: where indirect-branch tracking is on, an interrupt must land on one.
#define LASTCPU_X86_DETAIL_ENTRY(stub, handler, error_code, before, after)                                \
  extern "C" [[gnu::__used__]] void handler(::lastcpu::x86::registers*) noexcept;                         \
  extern "C" void stub() noexcept;                                                                        \
  asm(".pushsection .text." #stub ", \"ax\", @progbits\n\t.balign 16\n\t.globl " #stub "\n\t.type " #stub \
      ", @function\n" #stub ":\n\tendbr64\n\t" error_code LASTCPU_X86_DETAIL_SAVE before "call " #handler \
      "\n\t" after LASTCPU_X86_DETAIL_RESTORE ".size " #stub ", . - " #stub "\n\t.popsection");           \
  static_assert(true)

/// For a vector whose exception brings no error code, and for interrupts.
#define LASTCPU_X86_ENTRY(stub, handler) LASTCPU_X86_DETAIL_ENTRY(stub, handler, "pushq $0\n\t", "", "")

/// For a vector whose exception brings an error code.
#define LASTCPU_X86_ENTRY_WITH_ERROR_CODE(stub, handler) LASTCPU_X86_DETAIL_ENTRY(stub, handler, "", "", "")

/// For vector 2.
#define LASTCPU_X86_NMI_ENTRY(stub, handler)                                                          \
  LASTCPU_X86_DETAIL_ENTRY(stub, handler, "pushq $0\n\t", "movq %cr2, %rax\n\tmovq %rax, (%rsp)\n\t", \
                           "movq (%rsp), %rax\n\tmovq %rax, %cr2\n\t")

#include <lastcpu/detail/end.hpp>
