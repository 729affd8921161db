// SPDX-License-Identifier: BSL-1.0
// What an engineer would write by hand: the same word, the same answers, nothing that could be left out.
//
//   the word:  ... | epoch:21 at 27 | step:6 | pending:1 at 20 | phase:3 at 17 | wanted:1 at 16 | owner:16, its number
//   plus one
//   phases:    open 0, trial 1, panicking 2; from 4 on the others are asked to stop

        .equ    max_cpus, 4
        .equ    owner_mask, 0xffff
        .equ    wanted, 1 << 16
        .equ    phase_one, 1 << 17
        .equ    phase_mask, 7 * phase_one
        .equ    pending, 1 << 20
        .equ    epoch_one, 1 << 27
        .equ    epoch_mask, 0x1fffff << 27 | wanted

        .equ    trial, 1 * phase_one
        .equ    panicking, 2 * phase_one
        .equ    committed, 4 * phase_one

        .text

        .macro  function name
        .p2align 4
        .globl  twin_\name
        .type   twin_\name, @function
twin_\name:
        .endm

        .macro  end_of name
        .size   twin_\name, . - twin_\name
        .endm

        // won 0, other 1, mine_already 2, refused 3
        .macro  claim as
        mov     this_cpu_number(%rip), %ecx
        mov     twin_gate(%rip), %rax
        cmp     $max_cpus, %ecx
        jae     3f
0:      .if     \as == trial                    // not while a panic waits
        test    $owner_mask | wanted, %eax
        .else
        test    %ax, %ax
        .endif
        jne     1f
        lea     1 + \as(%rax, %rcx), %rdx
        lock cmpxchg %rdx, twin_gate(%rip)
        jne     0b
        xor     %eax, %eax
        ret
1:      inc     %ecx
        cmp     %ax, %cx
        je      2f
        mov     $1, %eax
        ret
2:
        .if     \as == panicking                // a trial of this CPU becomes its panic
        mov     %eax, %edx
        and     $phase_mask, %edx
        cmp     $trial, %edx
        jne     4f
        mov     %rax, %rdx
        and     $~(phase_mask | pending), %rdx
        or      $panicking, %rdx
        lock cmpxchg %rdx, twin_gate(%rip)
        jne     2b
        xor     %eax, %eax
        ret
        .endif
4:      mov     $2, %eax
        ret
3:      mov     $3, %eax
        ret
        .endm

        function claim_trial
        claim   trial
        end_of  claim_trial

        function claim_final
        claim   panicking
        end_of  claim_final

        // released 0, panic_pending 1, not_on_trial 2, not_mine 3
        function release
        mov     this_cpu_number(%rip), %ecx
        mov     twin_gate(%rip), %rax
        cmp     $max_cpus, %ecx
        jae     3f
        add     $1 + trial, %rcx
0:      mov     %eax, %edx
        and     $phase_mask | owner_mask | pending, %edx
        cmp     %rcx, %rdx                      // on trial, this CPU's, nothing pending
        jne     1f
        movabs  $epoch_mask, %rsi
        lea     epoch_one(%rax), %rdx
        and     %rsi, %rdx
        lock cmpxchg %rdx, twin_gate(%rip)
        jne     0b
        xor     %eax, %eax
        ret
1:      btr     $20, %edx
        jnc     2f
        cmp     %rcx, %rdx
        jne     2f
        mov     %rax, %rdx
        and     $~(phase_mask | pending), %rdx
        or      $panicking, %rdx
        lock cmpxchg %rdx, twin_gate(%rip)
        jne     0b
        mov     $1, %eax
        ret
2:      xor     %rcx, %rdx
        and     $owner_mask, %edx
        cmp     $1, %edx
        sbb     %eax, %eax
        add     $3, %eax
        ret
3:      mov     $3, %eax
        ret
        end_of  release

        function in_progress
        mov     twin_gate(%rip), %rax
        test    %ax, %ax
        setne   %al
        ret
        end_of  in_progress

        function on_this_cpu
        mov     this_cpu_number(%rip), %ecx
        mov     twin_gate(%rip), %rax
        inc     %rcx
        movzwl  %ax, %eax
        cmp     %rcx, %rax
        sete    %al
        ret
        end_of  on_this_cpu

        function on_other_cpu
        mov     twin_gate(%rip), %rax
        test    %ax, %ax
        je      0f
        mov     this_cpu_number(%rip), %ecx
        inc     %rcx
        movzwl  %ax, %eax
        cmp     %rcx, %rax
        setne   %al
        ret
0:      xor     %eax, %eax
        ret
        end_of  on_other_cpu

        // What becomes of a CPU that is asked to stop is not counted.
        .macro  handler
        mov     twin_gate(%rip), %rax
        test    $committed, %eax
        jne     0f
        ret
0:      ud2
        .endm

        function handle_nmi
        handler
        end_of  handle_nmi

        function handle_stop_irq
        handler
        end_of  handle_stop_irq

        .section .note.GNU-stack, "", @progbits
