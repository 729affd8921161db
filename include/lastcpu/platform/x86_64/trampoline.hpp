// SPDX-License-Identifier: BSL-1.0
#pragma once
// The page that the last CPU runs in while it leaves the dying kernel's address space: code, tables and stack in one.
//
// It is mapped at two addresses in the new page tables: where the dying kernel has it and at its physical one. In
// order: IDT, stack and GDT of its own; CR4 down to what a fresh kernel expects; the new page tables; on at the
// physical address; the final IDT, GDT, segments and stack; the crash kernel's entry. An NMI at any instruction of
// this finds an IDT, a code segment and a stack that are mapped, and is ignored. Any other exception resets the
// machine: no table has a gate for it before the final IDT, whose stub restarts by port
// 0xcf9, and where that does nothing by a triple fault.
//
// CR4 comes before CR3 and CR0: clearing PGE or PCIDE drops global and tagged translations while both address spaces
// agree on this page; LASS, SMEP and the like would forbid the low half; CET must be off before a far return needs a
// shadow stack and an indirect jump its landing mark. LA57 can't change in 64-bit mode, nor VMXE in VMX operation.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/platform/x86_64/descriptors.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>

#include <stddef.h>
#include <stdint.h>

namespace lastcpu::x86 {

///@{
/// What the crash kernel finds in CS, and in SS, DS and ES.
inline constexpr uint16_t crash_code_selector = 0x08;
inline constexpr uint16_t crash_data_selector = 0x10;
///@}

///@{
/// What the crash kernel finds in its control registers; of crash_cr4_kept, what was there.
inline constexpr uint64_t crash_cr0 = 0x8001'0033;  // PG WP NE ET MP PE
inline constexpr uint64_t crash_cr4 = 0x0620;       // PAE OSFXSR OSXMMEXCPT
inline constexpr uint64_t crash_cr4_kept = 0x3000;  // LA57 VMXE, as they were
///@}

struct trampoline_page {
  unsigned char code[512];  // the blob, from its first byte
  uint64_t root;            // of the new page tables
  uint64_t here;            // this page's physical address
  uint64_t stack;           // top of the crash kernel's
  uint64_t entry;
  uint64_t handover;
  pseudo_descriptor early_idt, early_gdt;  // at this page's address in the dying kernel
  pseudo_descriptor late_idt, late_gdt;    // physical
  uint32_t mxcsr;
  uint32_t reserved;
  uint64_t early_gdt_slots[32];   // every slot is code: the dying kernel's selector stays good, up to 0xf8
  interrupt_gate early_gates[3];  // only vector 2 is there: the NMI; its selector is filled in by the blob
  uint64_t late_gdt_slots[3];
  alignas(16) unsigned char early_stack[2048];
  unsigned char rest[1120];
};
static_assert(sizeof(trampoline_page) == kexec::page_bytes, "lastcpu: the trampoline is one page");

/// The blob, somewhere in this kernel's text: a source to copy from. Offsets count from its first byte.
struct trampoline_code {
  const unsigned char* begin;
  uint64_t bytes;
  uint64_t nmi;    // ignores an NMI
  uint64_t fatal;  // restarts the machine
};

struct trampoline_setup {
  uint64_t physical;  // of the trampoline page
  uint64_t alias;     // its address in the dying kernel
  uint64_t root;
  uint64_t stack;
  uint64_t entry;
  uint64_t handover;
  uint64_t idt;  // physical, 256 gates
};

/// The blob's code, to copy. Never run where it stands.
// An NMI between any two instructions is served: by the dying kernel up to LIDT, then by the stub, whose gate has the
// current code selector; SS is null meanwhile, which IRETQ accepts in ring 0. The last IRETQ ends the blocking of NMIs
// for a panic that came from one. Everything is addressed from RBX, the page's first byte.
[[nodiscard, gnu::noinline]] inline trampoline_code find_trampoline_code() noexcept {
  constexpr uint64_t nmi_selector =
      offsetof(trampoline_page, early_gates) + 2 * sizeof(interrupt_gate) + offsetof(interrupt_gate, selector);
  constexpr uint64_t early_top = offsetof(trampoline_page, early_stack) + sizeof(trampoline_page::early_stack);
  const unsigned char *begin, *nmi, *fatal, *end;
  asm(R"(
      lea 10f(%%rip), %[begin]
      lea 13f(%%rip), %[nmi]
      lea 14f(%%rip), %[fatal]
      lea 16f(%%rip), %[end]
      jmp 16f
  10: endbr64
      lea 10b(%%rip), %%rbx
      mov %%cs, %%eax
      mov %%ax, %c[nmi_selector](%%rbx)
      lidt %c[early_idt](%%rbx)
      xor %%eax, %%eax
      mov %%eax, %%ss
      lea %c[early_top](%%rbx), %%rsp
      lgdt %c[early_gdt](%%rbx)
      pushq $2
      popfq
      mov %%cr4, %%rax
      and %[cr4_kept], %%eax
      or %[cr4], %%eax
      mov %%rax, %%cr4
      mov %c[root](%%rbx), %%rax
      mov %%rax, %%cr3
      mov %c[here](%%rbx), %%rbx
      lea 11f-10b(%%rbx), %%rax
      jmp *%%rax
  11: lidt %c[late_idt](%%rbx)
      mov %c[stack](%%rbx), %%rsp
      pushq %[code_selector]
      lea 12f-10b(%%rbx), %%rax
      push %%rax
      lretq
  12: lgdt %c[late_gdt](%%rbx)
      mov %[data_selector], %%eax
      mov %%eax, %%ds
      mov %%eax, %%es
      mov %%eax, %%ss
      xor %%eax, %%eax
      mov %%eax, %%fs
      mov %%eax, %%gs
      lldt %%ax
      mov %[cr0], %%eax
      mov %%rax, %%cr0
      fninit
      ldmxcsr %c[mxcsr](%%rbx)
      mov %c[handover](%%rbx), %%rdi
      pushq $0
      mov %%rsp, %%rax
      pushq %[data_selector]
      push %%rax
      pushq $2
      pushq %[code_selector]
      pushq %c[entry](%%rbx)
      xor %%eax, %%eax
      xor %%ebx, %%ebx
      xor %%ecx, %%ecx
      xor %%edx, %%edx
      xor %%esi, %%esi
      xor %%ebp, %%ebp
      xor %%r8d, %%r8d
      xor %%r9d, %%r9d
      xor %%r10d, %%r10d
      xor %%r11d, %%r11d
      xor %%r12d, %%r12d
      xor %%r13d, %%r13d
      xor %%r14d, %%r14d
      xor %%r15d, %%r15d
      iretq
  13: endbr64
      iretq
  14: mov $0xcf9, %%edx
      mov $2, %%al
      out %%al, %%dx
      mov $6, %%al
      out %%al, %%dx
      mov $0x10000, %%ecx
  15: pause
      dec %%ecx
      jnz 15b
      lidt 17f(%%rip)
      int3
  17: .fill 10, 1, 0
  16:)"
      : [begin] "=&r"(begin), [nmi] "=&r"(nmi), [fatal] "=&r"(fatal), [end] "=&r"(end)
      : [nmi_selector] "i"(nmi_selector), [early_top] "i"(early_top), [root] "i"(offsetof(trampoline_page, root)),
        [here] "i"(offsetof(trampoline_page, here)), [stack] "i"(offsetof(trampoline_page, stack)),
        [entry] "i"(offsetof(trampoline_page, entry)), [handover] "i"(offsetof(trampoline_page, handover)),
        [early_idt] "i"(offsetof(trampoline_page, early_idt)), [early_gdt] "i"(offsetof(trampoline_page, early_gdt)),
        [late_idt] "i"(offsetof(trampoline_page, late_idt)), [late_gdt] "i"(offsetof(trampoline_page, late_gdt)),
        [mxcsr] "i"(offsetof(trampoline_page, mxcsr)), [code_selector] "i"(crash_code_selector),
        [data_selector] "i"(crash_data_selector), [cr0] "i"(crash_cr0), [cr4] "i"(crash_cr4),
        [cr4_kept] "i"(crash_cr4_kept));
  return {begin, static_cast<uint64_t>(end - begin), static_cast<uint64_t>(nmi - begin),
          static_cast<uint64_t>(fatal - begin)};
}

/// Fills in a zeroed page.
inline void build_trampoline(trampoline_page& page, const trampoline_code& code,
                             const trampoline_setup& setup) noexcept {
  kexec::copy_bytes(page.code, code.begin, code.bytes);
  page.root = setup.root;
  page.here = setup.physical;
  page.stack = setup.stack;
  page.entry = setup.entry;
  page.handover = setup.handover;
  page.mxcsr = 0x1f80;
  page.early_idt = {sizeof page.early_gates - 1, setup.alias + offsetof(trampoline_page, early_gates)};
  page.early_gdt = {sizeof page.early_gdt_slots - 1, setup.alias + offsetof(trampoline_page, early_gdt_slots)};
  page.late_idt = {256 * sizeof(interrupt_gate) - 1, setup.idt};
  page.late_gdt = {sizeof page.late_gdt_slots - 1, setup.physical + offsetof(trampoline_page, late_gdt_slots)};
  for (uint32_t i = 1; i < 32; ++i) page.early_gdt_slots[i] = code64_descriptor;
  page.early_gates[2] = interrupt_gate::to(setup.alias + code.nmi, crash_code_selector);
  page.late_gdt_slots[crash_code_selector / 8] = code64_descriptor;
  page.late_gdt_slots[crash_data_selector / 8] = data64_descriptor;
}

/// The crash kernel's first IDT: an NMI is ignored, everything else restarts the machine.
inline void build_idt(interrupt_gate* gates, const trampoline_code& code, uint64_t trampoline) noexcept {
  for (uint32_t vector = 0; vector < 256; ++vector)
    gates[vector] = interrupt_gate::to(trampoline + (vector == 2 ? code.nmi : code.fatal), crash_code_selector);
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
