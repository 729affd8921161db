// SPDX-License-Identifier: BSL-1.0
// The ways into the kernel: exceptions and interrupts, NMI and machine check, system calls. GS is the kernel's in the
// kernel and the program's in user mode: whoever comes from there swaps.
#include <lastcpu/c/x86_64_entry.h>

#define KERNEL_STACK 0                  /* struct cpu in kernel.h */
#define USER_STACK 8
#define USER_DATA 0x1b
#define USER_CODE 0x23
#define FLAGS_IF 0x202

LASTCPU_X86_64_NMI_ENTRY(nmi_entry, on_nmi)
LASTCPU_X86_64_NMI_ENTRY(machine_check_entry, on_machine_check)

        .text
        .globl  trap_entries, enter_user, syscall_entry, syscall_swapped, sysret_swapped, sysret_done

// One entry of 16 bytes for each vector. Some exceptions bring an error code.
        .balign 16
trap_entries:
        .set    vector, 0
        .rept   256
        .balign 16
        .if     (vector > 31) || !(1 << (vector & 31) & 0x60227d00)
        push    $0
        .endif
        push    $vector
        jmp     trap_common
        .set    vector, vector + 1
        .endr

trap_common:                            // vector, error code, rip, cs, ...
        testb   $3, 24(%rsp)
        jz      1f
        swapgs
1:      push    %rax
        push    %rbx
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %rbp
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        cld
        mov     %rsp, %rdi
        call    trap                    // trap(struct trap_frame *)
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rbp
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rbx
        pop     %rax
        testb   $3, 24(%rsp)
        jz      2f
        swapgs
2:      add     $16, %rsp
        iretq

// An NMI may come before the first swapgs and behind the second: GS is the program's there, and CS the kernel's.
syscall_entry:
        swapgs
syscall_swapped:
        mov     %rsp, %gs:USER_STACK
        mov     %gs:KERNEL_STACK, %rsp
        push    %rcx                    // rip
        push    %r11                    // rflags
        call    system_call             // its answer is in %rax
        pop     %r11
        pop     %rcx
        xor     %edx, %edx              // what else C may have changed
        xor     %esi, %esi
        xor     %edi, %edi
        xor     %r8d, %r8d
        xor     %r9d, %r9d
        xor     %r10d, %r10d
        mov     %gs:USER_STACK, %rsp
        swapgs
sysret_swapped:
        sysretq
sysret_done:

// enter_user(at): for good.
enter_user:
        cli
        push    $USER_DATA
        push    $0                      // its stack pointer: init needs none
        push    $FLAGS_IF
        push    $USER_CODE
        push    %rdi
        swapgs
        iretq

        .section .note.GNU-stack, "", @progbits
