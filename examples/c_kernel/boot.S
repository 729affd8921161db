// SPDX-License-Identifier: BSL-1.0
// From the first instruction to C. The boot CPU comes by PVH (QEMU's -kernel) or Multiboot2 (GRUB), in 32 bits without
// paging, %ebx: what the boot loader has to say. Every other CPU comes by the trampoline, which start_others() copies
// below 1 MiB, in 16 bits. Memory up to 4 GiB is mapped at its physical address, the first GiB at KERNEL_BASE as well.
#include "lastcpu_config.h"

#define KERNEL_BASE 0xffffffff80000000
#define STACK_BYTES 16384
#define CODE 0x08
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME_SCE 0x101
#define CR0_PG_WP_NE_ET_MP_PE 0x80010033
#define MULTIBOOT2 0xe85250d6

        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 8, 18                // XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .quad   pvh_entry - KERNEL_BASE

        .section .multiboot2, "a", @progbits // in the first 32 KiB of the file
        .balign 8
header: .long   MULTIBOOT2, 0, header_end - header, 0x100000000 - MULTIBOOT2 - (header_end - header)
        .short  3, 0                    // where it enters: the ELF file's own entry is PVH's
        .long   12, multiboot2_entry - KERNEL_BASE
        .balign 8
        .short  0, 0
        .long   8
header_end:

        .text
        .code32
        .globl  pvh_entry
multiboot2_entry:
        mov     $1, %esi
        jmp     1f
pvh_entry:
        xor     %esi, %esi
1:      cli
        cld
        mov     $pages - KERNEL_BASE, %edi
        mov     $0x83, %eax             // present, writable, 2 MiB
        mov     $2048, %ecx
2:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    2b
        movl    $pages - KERNEL_BASE + 0x0003, table - KERNEL_BASE
        movl    $pages - KERNEL_BASE + 0x1003, table - KERNEL_BASE + 8
        movl    $pages - KERNEL_BASE + 0x2003, table - KERNEL_BASE + 16
        movl    $pages - KERNEL_BASE + 0x3003, table - KERNEL_BASE + 24
        movl    $pages - KERNEL_BASE + 0x0003, table - KERNEL_BASE + 510 * 8
        movl    $table - KERNEL_BASE + 3, page_map - KERNEL_BASE
        movl    $table - KERNEL_BASE + 3, page_map - KERNEL_BASE + 511 * 8
        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $page_map - KERNEL_BASE, %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        mov     $EFER_LME_SCE, %eax
        xor     %edx, %edx
        wrmsr
        mov     $CR0_PG_WP_NE_ET_MP_PE, %eax
        mov     %eax, %cr0
        lgdt    gdt_register - KERNEL_BASE
        ljmp    $CODE, $boot_cpu - KERNEL_BASE

        .code64
        .cfi_startproc
        .cfi_undefined rip              // a CPU's first frame: no backtrace goes on behind it
boot_cpu:
        movabs  $1f, %rax
        jmp     *%rax
1:      mov     %ebx, %edi              // kernel_main(what the boot loader says, 1: by Multiboot2)
        mov     $stacks + STACK_BYTES, %rsp
        xor     %ebp, %ebp              // the end of every backtrace
        call    kernel_main

application_cpu:
        movabs  $1f, %rax
        jmp     *%rax
1:      mov     $1, %eax
        cpuid
        shr     $24, %ebx               // APIC id
        movzbl  cpu_of_apic_id(%rbx), %edi
        lea     1(%rdi), %rsp
        imul    $STACK_BYTES, %rsp
        add     $stacks, %rsp
        xor     %ebp, %ebp
        call    cpu_main                // cpu_main(its number)
        .cfi_endproc

        .code16
        .globl  trampoline, trampoline_end
trampoline:                             // runs at any page: it names no address of its own
        cli
        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $page_map - KERNEL_BASE, %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        mov     $EFER_LME_SCE, %eax
        xor     %edx, %edx
        wrmsr
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   gdt_register_below - trampoline
        mov     $CR0_PG_WP_NE_ET_MP_PE, %eax // from real mode to long mode in one step
        mov     %eax, %cr0
        ljmpl   $CODE, $application_cpu - KERNEL_BASE
        .balign 4
gdt_register_below:
        .word   15
        .long   gdt - KERNEL_BASE
trampoline_end:

        .section .rodata
        .balign 8
gdt:    .quad   0, 0x00af9b000000ffff   // each CPU gets one of its own: cpus.c
gdt_register:
        .word   15
        .long   gdt - KERNEL_BASE

        .bss
        .globl  page_map, stacks
        .balign 4096
page_map:
        .skip   4096
table:  .skip   4096
pages:  .skip   4 * 4096
stacks: .skip   LASTCPU_MAX_CPUS * STACK_BYTES

        .section .note.GNU-stack, "", @progbits
