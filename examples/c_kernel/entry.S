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

// For debuggers, as in x86_64_entry.h: what has been pushed, and where.
        .macro  pushed bytes=8
        .cfi_adjust_cfa_offset \bytes
        .endm
        .macro  push_kept register
        push    %\register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \register, 0
        .endm
        .macro  pop_kept register
        pop     %\register
        .cfi_adjust_cfa_offset -8
        .cfi_same_value \register
        .endm
        .macro  begin_trap bytes        // that the CPU, and what ran before, have pushed
        .cfi_startproc simple
        .cfi_signal_frame
        .cfi_def_cfa rsp, \bytes
        .cfi_offset rip, -40
        .cfi_offset rsp, -16
        .endm

        .text
        .globl  trap_entries, enter_user, syscall_entry, syscall_swapped, sysret_swapped, sysret_done

// One entry of 16 bytes for each vector. Some exceptions bring an error code.
        .balign 16
trap_entries:
        .set    vector, 0
        .rept   256
        .balign 16
        .if     (vector > 31) || !(1 << (vector & 31) & 0x60227d00)
        begin_trap 40
        push    $0
        pushed
        .else
        begin_trap 48
        .endif
        push    $vector
        pushed
        jmp     trap_common
        .cfi_endproc
        .set    vector, vector + 1
        .endr

        begin_trap 56
trap_common:                            // vector, error code, rip, cs, ...
        testb   $3, 24(%rsp)
        jz      1f
        swapgs
1:      push_kept rax
        push_kept rbx
        push_kept rcx
        push_kept rdx
        push_kept rsi
        push_kept rdi
        push_kept rbp
        push_kept r8
        push_kept r9
        push_kept r10
        push_kept r11
        push_kept r12
        push_kept r13
        push_kept r14
        push_kept r15
        cld
        mov     %rsp, %rdi
        call    trap                    // trap(struct trap_frame *)
        pop_kept r15
        pop_kept r14
        pop_kept r13
        pop_kept r12
        pop_kept r11
        pop_kept r10
        pop_kept r9
        pop_kept r8
        pop_kept rbp
        pop_kept rdi
        pop_kept rsi
        pop_kept rdx
        pop_kept rcx
        pop_kept rbx
        pop_kept rax
        testb   $3, 24(%rsp)
        jz      2f
        swapgs
2:      add     $16, %rsp
        pushed  -16
        iretq
        .cfi_endproc

// An NMI may come before the first swapgs and behind the second: GS is the program's there, and CS the kernel's.
        .cfi_startproc
        .cfi_undefined rip              // the program's stack is not the kernel's: a backtrace ends here
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
        .cfi_endproc

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
