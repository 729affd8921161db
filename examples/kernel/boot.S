// SPDX-License-Identifier: BSL-1.0
// From the first instruction to C++: the boot CPU enters at pvh_entry or multiboot2_entry (32-bit, paging off, %ebx: what
// the boot loader has to say), any other one in the trampoline (16-bit, copied below 1 MiB). Both turn on long mode with the boot page tables, which
// also map memory at its physical address, and go on in the high half, on a stack of their own. memory::set_up() then
// says what may be written to and what may run.

#define KERNEL_BASE 0xffffffff80000000
#define DIRECT_MAP_SLOT 256  /* 0xffff800000000000 */
#define CODE64 0x08
#define DATA 0x10
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME_NXE 0x900
#define CR0_PE_MP_ET_NE_WP_PG 0x80010033
#define PRESENT_WRITABLE 0x3
#define MULTIBOOT2 0xe85250d6
#define BY_PVH 0              /* boot_protocol in boot_info.hpp */
#define BY_MULTIBOOT2 1
#define LARGE_PAGE 0x83
#define UNCACHED 0x18
#define NO_EXECUTE 0x8000000000000000

        .section .note.pvh, "a", @note
        .align 4
        .long 4, 8, 18                  // name and value bytes; XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .quad pvh_entry - KERNEL_BASE

        .section .multiboot2, "a", @progbits  // in the first 32 KiB of the file
        .align 8
multiboot2_header:
        .long MULTIBOOT2, 0, multiboot2_header_end - multiboot2_header
        .long 0x100000000 - MULTIBOOT2 - (multiboot2_header_end - multiboot2_header)
        .short 1, 0                     // it must tell: command line, modules, memory map
        .long 20, 1, 3, 6
        .align 8
        .short 3, 0                     // where it enters; the ELF file's own entry is PVH's
        .long 12, multiboot2_entry - KERNEL_BASE
        .align 8
        .short 6, 0                     // modules begin with a page
        .long 8
        .short 0, 0
        .long 8
multiboot2_header_end:

        .section .boot, "ax", @progbits
        .code32
multiboot2_entry:
        movl $BY_MULTIBOOT2, %esi
        jmp 1f
        .globl pvh_entry
pvh_entry:
        movl $BY_PVH, %esi
1:      cli
        cld
        movl $CR4_PAE, %eax
        movl %eax, %cr4
        movl $(boot_pml4 - KERNEL_BASE), %eax
        movl %eax, %cr3
        movl $MSR_EFER, %ecx
        movl $EFER_LME_NXE, %eax
        xorl %edx, %edx
        wrmsr
        movl $CR0_PE_MP_ET_NE_WP_PG, %eax
        movl %eax, %cr0
        lgdtl boot_gdt_pointer - KERNEL_BASE
        ljmpl $CODE64, $(boot_cpu_64 - KERNEL_BASE)

        .code64
        .cfi_startproc
        .cfi_undefined rip              // a CPU's first frame: no backtrace goes on behind it
boot_cpu_64:
        movl %ebx, %edi                 // kernel_main(physical address of what it says, its protocol in %esi)
        leaq boot_stack_end(%rip), %rsp // as a physical address, until the jump
        movabsq $kernel_main, %rax
        jmp enter_high_half

application_cpu_64:
        xorl %edi, %edi
        movabsq $application_cpu_main, %rax

enter_high_half:
        movl $DATA, %ecx
        movl %ecx, %ds
        movl %ecx, %es
        movl %ecx, %ss
        xorl %ecx, %ecx
        movl %ecx, %fs
        movl %ecx, %gs
        movabsq $1f, %rdx
        jmpq *%rdx
1:      lgdtq boot_gdt_pointer_high(%rip)
        testl %edi, %edi
        movabsq $boot_stack_end, %rsp
        jnz 2f
        movq starting_cpu_stack(%rip), %rsp
2:      leaq kernel_pml4(%rip), %rcx    // without the identity map: a null pointer faults from here on
        movabsq $KERNEL_BASE, %rdx
        subq %rdx, %rcx
        movq %rcx, %cr3
        xorl %ebp, %ebp                 // the end of every backtrace
        callq *%rax
3:      cli
        hlt
        jmp 3b
        .cfi_endproc

// Runs at any page below 1 MiB: it names no address of its own.
        .code16
        .globl trampoline_begin, trampoline_end
trampoline_begin:
        cli
        cld
        movl $CR4_PAE, %eax
        movl %eax, %cr4
        movl $(boot_pml4 - KERNEL_BASE), %eax
        movl %eax, %cr3
        movl $MSR_EFER, %ecx
        movl $EFER_LME_NXE, %eax
        xorl %edx, %edx
        wrmsr
        movw %cs, %ax
        movw %ax, %ds
        lgdtl trampoline_gdt_pointer - trampoline_begin
        movl $CR0_PE_MP_ET_NE_WP_PG, %eax  // from real mode to long mode in one step; caches on
        movl %eax, %cr0
        ljmpl $CODE64, $(application_cpu_64 - KERNEL_BASE)
        .align 4
trampoline_gdt_pointer:
        .word boot_gdt_end - boot_gdt - 1
        .long boot_gdt - KERNEL_BASE
trampoline_end:

        .section .rodata.boot, "a", @progbits
        .align 8
boot_gdt:
        .quad 0
        .quad 0x00af9b000000ffff        // 64-bit code
        .quad 0x00cf93000000ffff        // data
boot_gdt_end:
boot_gdt_pointer:
        .word boot_gdt_end - boot_gdt - 1
        .long boot_gdt - KERNEL_BASE
boot_gdt_pointer_high:
        .word boot_gdt_end - boot_gdt - 1
        .quad boot_gdt

        .section .data.page_tables, "aw", @progbits
        .globl kernel_map, direct_map, direct_map_pages
        .align 4096
boot_pml4:
        .quad boot_map - KERNEL_BASE + PRESENT_WRITABLE
        .fill 510, 8, 0
        .quad kernel_map - KERNEL_BASE + PRESENT_WRITABLE
kernel_pml4:
        .fill DIRECT_MAP_SLOT, 8, 0
        .quad direct_map - KERNEL_BASE + PRESENT_WRITABLE
        .fill 510 - DIRECT_MAP_SLOT, 8, 0
        .quad kernel_map - KERNEL_BASE + PRESENT_WRITABLE
direct_map:                             // 4 GiB, the last one uncached: the devices are there
        .set gib, 0
        .rept 4
        .quad direct_map_pages - KERNEL_BASE + gib * 4096 + PRESENT_WRITABLE
        .set gib, gib + 1
        .endr
        .fill 508, 8, 0
boot_map:                               // the first GiB, at its physical address
        .quad boot_pages - KERNEL_BASE + PRESENT_WRITABLE
        .fill 511, 8, 0
kernel_map:                             // the first GiB, until memory::set_up()
        .fill 510, 8, 0
        .quad boot_pages - KERNEL_BASE + PRESENT_WRITABLE
        .quad 0
boot_pages:
        .set page, 0
        .rept 512
        .quad page * 0x200000 + LARGE_PAGE
        .set page, page + 1
        .endr
direct_map_pages:
        .set page, 0
        .rept 1536
        .quad page * 0x200000 + LARGE_PAGE + NO_EXECUTE
        .set page, page + 1
        .endr
        .rept 512
        .quad page * 0x200000 + LARGE_PAGE + UNCACHED + NO_EXECUTE
        .set page, page + 1
        .endr

        .section .bss
        .globl starting_cpu_stack
        .globl boot_stack_guard
        .align 4096
boot_stack_guard:
        .skip 4096
boot_stack:
        .skip 16384
boot_stack_end:
starting_cpu_stack:
        .skip 8

        .section .note.GNU-stack, "", @progbits
