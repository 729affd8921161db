// SPDX-License-Identifier: BSL-1.0
//! What this kernel shares with ../c_kernel (kernel.h has the contracts), and instructions.
use crate::lastcpu::TrapFrame;
use core::arch::asm;
use core::fmt;

extern "C" {
    pub static cpu_count: u32;
    pub fn number_of_this_cpu() -> u32;
    pub fn next_nmi_on_spare_stack(yes: i32);
    pub fn send_stop_irq(cpu: u32);
    pub fn send_nmi(cpu: u32);
    pub fn ticks_per_second() -> u64;
    pub fn put(text: *const u8);
    pub fn trap_name(f: *const TrapFrame) -> *const u8;
    pub fn map_init() -> u64;
    pub fn enter_user(at: u64) -> !;
}

pub fn cli() {
    unsafe { asm!("cli") }
}
pub fn sti() {
    unsafe { asm!("sti") }
}
pub fn hlt() {
    unsafe { asm!("hlt") }
}
pub fn out8(port: u16, value: u8) {
    unsafe { asm!("out dx, al", in("dx") port, in("al") value) }
}
pub fn rdtsc() -> u64 {
    unsafe { core::arch::x86_64::_rdtsc() }
}
/// `self` and `number` of struct cpu. The quick way: not while GS may be the program's.
pub fn number_by_gs() -> u32 {
    unsafe {
        let own: *const u8;
        asm!("mov {}, gs:[16]", out(reg) own);
        *(own.add(24) as *const u32)
    }
}

/// The bytes of a text that C hands over.
pub fn text_of<'a>(at: *const u8) -> &'a str {
    let mut n = 0;
    unsafe {
        while *at.add(n) != 0 {
            n += 1;
        }
        core::str::from_utf8(core::slice::from_raw_parts(at, n)).unwrap_or("?")
    }
}

/// write!(Console, ...)
pub struct Console;
impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            let piece = [byte, 0];
            unsafe { put(piece.as_ptr()) }
        }
        Ok(())
    }
}
