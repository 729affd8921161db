// SPDX-License-Identifier: BSL-1.0
//! What the kernel does when it has booted, as its command line says: ../c_kernel/init.c has the words.
use crate::lastcpu::TrapFrame;
use crate::machine::*;
use crate::panic::die;
use core::fmt::Write;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering::*};

extern "C" {
    static syscall_entry: u8;
    static syscall_swapped: u8;
    static sysret_swapped: u8;
    static sysret_done: u8;
}

const NOBODY: u32 = u32::MAX;
static INIT_CPU: AtomicU32 = AtomicU32::new(NOBODY);
static DYING: AtomicU32 = AtomicU32::new(0); // a bit for each CPU
static NMIS_WANTED: AtomicU32 = AtomicU32::new(0);
static STARTED: AtomicU32 = AtomicU32::new(0);
static ARRIVED: AtomicU32 = AtomicU32::new(0);
static NMIS_SENT: AtomicU32 = AtomicU32::new(0);
static NMIS_TAKEN: AtomicU32 = AtomicU32::new(0);
static NMIS_WITH_USERS_GS: AtomicU32 = AtomicU32::new(0);
static NMIS_DONE: AtomicU32 = AtomicU32::new(0);

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&n| n < unsafe { cpu_count })
}

#[no_mangle]
extern "C" fn set_up_init(command_line: *const u8) {
    for word in text_of(command_line).split(' ') {
        if let Some(cpu) = word.strip_prefix("init=").and_then(number) {
            INIT_CPU.store(cpu, Relaxed)
        } else if let Some(list) = word.strip_prefix("panic=") {
            DYING.store(list.split(',').filter_map(number).fold(0, |bits, cpu| bits | 1 << cpu), Relaxed)
        } else if let Some(Ok(n)) = word.strip_prefix("nmis=").map(|n| n.parse()) {
            NMIS_WANTED.store(n, Relaxed)
        }
    }
    let target = INIT_CPU.load(Relaxed);
    if target == 0 || target == NOBODY {
        NMIS_WANTED.store(0, Relaxed)
    }
    NMIS_DONE.store((NMIS_WANTED.load(Relaxed) == 0) as u32, Release);
    STARTED.store(1, Release)
}

fn is_to_panic(cpu: u32) -> bool {
    NMIS_DONE.load(Acquire) != 0 && cpu < 32 && DYING.load(Relaxed) >> cpu & 1 != 0
}

// --- The program.
#[no_mangle]
extern "C" fn system_call() -> u32 {
    is_to_panic(INIT_CPU.load(Relaxed)) as u32
}

/// Interrupts must be disabled: who is to panic, too, is not stopped in front of it.
fn meet_who_is_to_panic() {
    let end = rdtsc() + 10 * unsafe { ticks_per_second() };
    ARRIVED.fetch_add(1, AcqRel);
    while ARRIVED.load(Acquire) < DYING.load(Relaxed).count_ones() && rdtsc() < end {
        spin_loop()
    }
}

pub fn user_fault(f: &TrapFrame, name: &str) -> ! {
    if system_call() != 0 {
        meet_who_is_to_panic()
    }
    die(f, format_args!("init on CPU {} died of {} at {:#x}", number_by_gs(), name, f.rip))
}

// --- NMIs.
fn has_users_gs(f: &TrapFrame) -> bool {
    let between = |a: &u8, b: &u8| f.rip >= a as *const u8 as u64 && f.rip < b as *const u8 as u64;
    unsafe { f.cs & 3 == 0 && (between(&syscall_entry, &syscall_swapped) || between(&sysret_swapped, &sysret_done)) }
}
pub fn nmi_is_known(f: &TrapFrame) -> bool {
    let taken = NMIS_TAKEN.load(Relaxed);
    if number_by_gs() != INIT_CPU.load(Relaxed) || taken == NMIS_SENT.load(Acquire) {
        return false;
    }
    NMIS_WITH_USERS_GS.fetch_add(has_users_gs(f) as u32, Relaxed);
    NMIS_TAKEN.store(taken + 1, Release);
    true
}

fn send_nmis() {
    for n in 1..=NMIS_WANTED.load(Relaxed) {
        let end = rdtsc() + 5 * unsafe { ticks_per_second() };
        cli();
        NMIS_SENT.store(n, Release);
        unsafe { send_nmi(INIT_CPU.load(Relaxed)) };
        sti();
        while NMIS_TAKEN.load(Acquire) < n {
            assert!(rdtsc() < end, "NMI {} does not arrive", n)
        }
    }
    let (taken, with_users_gs) = (NMIS_TAKEN.load(Relaxed), NMIS_WITH_USERS_GS.load(Relaxed));
    let _ = writeln!(Console, "kernel: {} NMIs, {} of them with the program's GS in the kernel", taken, with_users_gs);
    NMIS_DONE.store(1, Release)
}

/// On every CPU, with interrupts on.
#[no_mangle]
extern "C" fn work(me: u32) -> ! {
    while STARTED.load(Acquire) == 0 {
        spin_loop()
    }
    if me == INIT_CPU.load(Relaxed) {
        unsafe { enter_user(map_init()) }
    }
    if me == 0 && NMIS_DONE.load(Acquire) == 0 {
        send_nmis()
    }
    if DYING.load(Relaxed) >> me & 1 != 0 {
        while !is_to_panic(me) {
            spin_loop()
        }
        cli();
        meet_who_is_to_panic();
        panic!("as asked, on CPU {}", me)
    }
    loop {
        hlt()
    }
}
