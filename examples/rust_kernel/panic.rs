// SPDX-License-Identifier: BSL-1.0
//! How this kernel dies: what it supplies to lastcpu, where it calls it, and the words that it prints.
use crate::init;
use crate::lastcpu::*;
use crate::machine::*;
use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use core::ptr::null;

// --- What lastcpu asks for.
#[no_mangle]
extern "C" fn lastcpu_kernel_this_cpu() -> u32 {
    unsafe { number_of_this_cpu() }
}
#[no_mangle]
extern "C" fn lastcpu_kernel_send_stop(cpu: u32, how: u32) {
    unsafe { if how == STOP_NMI { send_nmi(cpu) } else { send_stop_irq(cpu) } }
}
#[no_mangle]
extern "C" fn lastcpu_kernel_park() {
    loop {
        cli();
        hlt();
    }
}
#[no_mangle]
extern "C" fn lastcpu_kernel_put(piece: *const u8) {
    unsafe { put(piece) }
}
#[no_mangle]
extern "C" fn lastcpu_kernel_now() -> u64 {
    rdtsc()
}
#[no_mangle]
extern "C" fn lastcpu_kernel_ticks_per_second() -> u64 {
    unsafe { ticks_per_second() }
}
#[no_mangle]
extern "C" fn lastcpu_kernel_restart() {
    out8(0xcf9, 6)
}

/// The room that lastcpu has for a message. What does not fit is left out; the closing zero does.
struct Message {
    at: *mut u8,
    room: usize,
    used: usize,
}
impl Message {
    fn begin() -> Message {
        let mut room = 0;
        let at = unsafe { lastcpu_message_begin(&mut room) };
        let message = Message { at, room, used: 0 };
        if room != 0 {
            unsafe { *at = 0 }
        }
        message
    }
    fn end(self) -> &'static str {
        if self.room == 0 {
            return "";
        }
        unsafe { lastcpu_message_end() }
        text_of(self.at)
    }
}
impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.used + 1 < self.room {
                unsafe {
                    *self.at.add(self.used) = byte;
                    self.used += 1;
                    *self.at.add(self.used) = 0;
                }
            }
        }
        Ok(())
    }
}

// --- The end. The message is written before the claim: the panic that comes second keeps it, too.
pub fn die(f: *const TrapFrame, words: fmt::Arguments) -> ! {
    let mut here = MaybeUninit::<TrapFrame>::uninit();
    let mut message = Message::begin();
    let _ = message.write_fmt(words);
    let text = message.end();
    unsafe {
        let f = if f.is_null() {
            lastcpu_capture(here.as_mut_ptr()); // not later: a dump shows the stack from here on
            here.as_ptr()
        } else {
            f
        };
        lastcpu_panic_begin(null(), f); // the others are stopped; who comes second stays in there
        let _ = writeln!(Console, "kernel: CPU {} dies: {}", number_of_this_cpu(), text);
        let _ = writeln!(Console, "kernel: at {:#x}, stack {:#x}", (*f).rip, (*f).rsp);
        lastcpu_panic_end()
    }
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    die(null(), format_args!("{}", info))
}

#[no_mangle]
extern "C" fn fault(f: &TrapFrame) {
    let name = unsafe { trap_name(f) };
    if f.cs & 3 != 0 {
        init::user_fault(f, text_of(name))
    }
    unsafe { lastcpu_oops(name, f) };
    die(f, format_args!("{} at {:#x}", text_of(name), f.rip))
}

/// `text` ends with a zero. A fault in here would let the next NMI in: that one begins on a stack of its own.
fn nmi_panic(text: &[u8], f: &TrapFrame) {
    unsafe {
        next_nmi_on_spare_stack(1);
        if lastcpu_nmi_panic_begin(text.as_ptr(), f) != 0 {
            let _ = writeln!(Console, "kernel: CPU {} dies in NMI: {}", number_of_this_cpu(), text_of(text.as_ptr()));
            lastcpu_panic_end()
        }
        next_nmi_on_spare_stack(0)
    }
}
#[no_mangle]
extern "C" fn nmi(f: &TrapFrame) {
    unsafe { lastcpu_handle_nmi(f) }
    if !init::nmi_is_known(f) {
        nmi_panic(b"unknown NMI\0", f)
    }
}
#[no_mangle]
extern "C" fn machine_check(f: &TrapFrame) {
    nmi_panic(b"machine check\0", f)
}
