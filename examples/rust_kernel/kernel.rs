// SPDX-License-Identifier: BSL-1.0
//! The kernel of ../c_kernel with another end: panic.c and init.c in Rust. To read: lastcpu.rs, panic.rs.
#![no_std]

mod init;
mod lastcpu;
mod machine;
mod panic;
