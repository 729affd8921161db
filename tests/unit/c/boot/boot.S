// SPDX-License-Identifier: BSL-1.0
// From the boot loader (PVH) into a C kernel in 64 bits: 4 GiB one to one, open to user mode, which the test is in now and
// then. And the stub of the NMI, as an assembly file has it.
#include <lastcpu/c/x86_64_entry.h>

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
        mov     $pages, %edi
        mov     $0x87, %eax             // present, writable, user, 2 MiB
        mov     $2048, %ecx
1:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    1b
        movl    $pages + 0x0007, table
        movl    $pages + 0x1007, table + 8
        movl    $pages + 0x2007, table + 16
        movl    $pages + 0x3007, table + 24
        movl    $table + 7, level4
        mov     $0x20, %eax             // PAE
        mov     %eax, %cr4
        mov     $level4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx       // EFER: LME
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     $0x80010011, %eax       // PG WP ET PE
        mov     %eax, %cr0
        lgdt    gdt_register
        ljmp    $0x08, $start64

        .code64
start64:
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $task, %rax             // its address, into the GDT
        mov     %ax, gdt + 0x28 + 2
        shr     $16, %rax
        mov     %al, gdt + 0x28 + 4
        mov     %ah, gdt + 0x28 + 7
        mov     $0x28, %eax
        ltr     %ax
        call    kernel
3:      hlt
        jmp     3b

LASTCPU_X86_64_NMI_ENTRY(nmi_entry, on_nmi)

        .text
// Everything else that comes is a failure, but for the vector that user mode comes back by.
        .globl  fault_entry, user_back_entry
fault_entry:
        mov     $99, %eax
        out     %eax, $0xf4
        hlt
// go_to_user(at): runs user code until it comes back by vector 0x80.
        .globl  go_to_user
go_to_user:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, kernel_rsp
        push    $0x1b
        push    $user_stack_top
        push    $2
        push    $0x23
        push    %rdi
        iretq
user_back_entry:
        mov     kernel_rsp, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
// Asks the local APIC for an NMI on this CPU, and waits until it has been.
        .globl  user_code, ask_and_wait
user_code:
        call    ask_and_wait
        int     $0x80
ask_and_wait:
        pushf                           // AC and DF, which no handler wants to see
        orq     $0x40400, (%rsp)
        popf
        mov     nmis, %eax
        mov     $0xfee00300, %ecx
        movl    $0, 0x10(%rcx)
        movl    $0x4400, (%rcx)
4:      cmp     %eax, nmis
        je      4b
        pushf
        andq    $~0x40400, (%rsp)
        popf
        ret

        .data
        .balign 8
gdt:    .quad   0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff, 0x0000890000000067, 0
gdt_register:
        .word   gdt_register - gdt - 1
        .long   gdt, 0

        .bss
        .balign 4096
level4: .skip   4096
table:  .skip   4096
pages:  .skip   4 * 4096
        .skip   16384
stack_top:
        .skip   4096
user_stack_top:
kernel_rsp:
        .skip   8
        .section .note.GNU-stack, "", @progbits
