// SPDX-License-Identifier: BSL-1.0
// From the boot loader (PVH) into 64-bit code, with what a jump has to leave behind: memory mapped high and global, the
// low addresses of the crash region not mapped at all, code selector, LDT and tables of its own, all of CR4's options.
// LASTCPU_FIVE_LEVELS says how many levels the page tables have.

#if LASTCPU_FIVE_LEVELS
#define CR4_PAGING 0x1020  /* PAE LA57 */
#define DIRECT_MAP 0xff00000000000000
#else
#define CR4_PAGING 0x20  /* PAE */
#define DIRECT_MAP 0xffff800000000000
#endif

        .section .note.pvh, "a", @note
        .long 4, 4, 18
        .asciz "Xen"
        .long start32

        .text
        .code32
        .globl  start32
start32:
        cli
        mov     $stack_top, %esp
        mov     %ebx, %esi              // start info

        mov     $low_pages, %edi        // 16 MiB one to one
        mov     $0x83, %eax
        mov     $8, %ecx
1:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    1b
        mov     $high_pages, %edi       // 4 GiB, global
        mov     $0x183, %eax
        mov     $2048, %ecx
2:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    2b
        movl    $low_pages + 3, low_table
        movl    $high_pages + 0x0003, high_table
        movl    $high_pages + 0x1003, high_table + 8
        movl    $high_pages + 0x2003, high_table + 16
        movl    $high_pages + 0x3003, high_table + 24
        movl    $low_table + 3, level4
#if LASTCPU_FIVE_LEVELS
        movl    $high_table + 3, level4_high
        movl    $level4 + 3, level5
        movl    $level4_high + 3, level5 + 256 * 8
        mov     $level5, %edx
#else
        movl    $high_table + 3, level4 + 256 * 8
        mov     $level4, %edx
#endif
        mov     $CR4_PAGING, %eax
        mov     %eax, %cr4
        mov     %edx, %cr3
        mov     $0xc0000080, %ecx       // EFER: NXE LME
        rdmsr
        or      $0x900, %eax
        wrmsr
        mov     $0x80010011, %eax       // PG WP ET PE
        mov     %eax, %cr0
        lgdt    gdt_register
        ljmp    $0x38, $start64

        .code64
start64:
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $8, %ecx
        lldt    %cx
        movabs  $DIRECT_MAP, %rax       // the stack, too, is where the crash kernel has nothing
        add     %rax, %rsp
        mov     %esi, %edi
        call    dying_kernel
3:      hlt
        jmp     3b

        .data
        .balign 8
gdt:    .quad   0, 0x000082000000000f, 0, 0, 0, 0, 0, 0x00af9b000000ffff  // an LDT at 0x08, code at 0x38
gdt_register:
        .word   63
        .long   gdt, 0

        .bss
        .globl  level5, level4, level4_high, high_table, high_pages
        .balign 4096
level5:      .skip 4096
level4:      .skip 4096
level4_high: .skip 4096
low_table:   .skip 4096
high_table:  .skip 4096
low_pages:   .skip 4096
high_pages:  .skip 4 * 4096
             .skip 16384
stack_top:

        .section .note.GNU-stack, "", @progbits
