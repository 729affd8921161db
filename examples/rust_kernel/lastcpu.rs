// SPDX-License-Identifier: BSL-1.0
//! lastcpu/c/lastcpu.h, as far as this kernel calls it. What it supplies (lastcpu_kernel.h) is in panic.rs; the crash kernel
//! is loaded by ../c_kernel/crash.c.

/// LASTCPU_REGISTERS of lastcpu_config.h: what ../c_kernel/entry.S pushes.
#[repr(C)]
pub struct TrapFrame {
    pub r15: u64, pub r14: u64, pub r13: u64, pub r12: u64, pub r11: u64, pub r10: u64, pub r9: u64, pub r8: u64,
    pub rbp: u64, pub rdi: u64, pub rsi: u64, pub rdx: u64, pub rcx: u64, pub rbx: u64, pub rax: u64,
    pub vector: u64, pub error_code: u64,
    pub rip: u64, pub cs: u64, pub rflags: u64, pub rsp: u64, pub ss: u64,
}
const _: () = assert!(core::mem::size_of::<TrapFrame>() == 176); // LASTCPU_REGISTERS_BYTES

pub const STOP_NMI: u32 = 1; // the other way: by interrupt

// Texts are bytes with a zero at the end. Null: no message, no registers.
extern "C" {
    pub fn lastcpu_message_begin(room: *mut usize) -> *mut u8;
    pub fn lastcpu_message_end();
    pub fn lastcpu_panic_begin(message: *const u8, regs: *const TrapFrame);
    pub fn lastcpu_panic_end() -> !;
    pub fn lastcpu_nmi_panic_begin(message: *const u8, regs: *const TrapFrame) -> i32;
    pub fn lastcpu_handle_nmi(regs: *const TrapFrame);
    pub fn lastcpu_capture(regs: *mut TrapFrame); // the caller's
    pub fn lastcpu_oops(why: *const u8, regs: *const TrapFrame) -> u32;
}
