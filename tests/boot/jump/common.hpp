// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the dying kernel, the crash kernel and jump_test.py agree on.

#include <lastcpu/platform/x86_64/instructions.hpp>

#include <stdint.h>

inline constexpr uint64_t region_physical = 64 << 20;
inline constexpr uint64_t region_bytes = 16 << 20;
inline constexpr uint64_t saved_rip = 0xabc;
inline constexpr uint64_t fault_please = 0x1234;

/// QEMU's exit status is twice this, plus one.
enum class verdict : uint8_t {
  right = 0x2a,
  not_loaded = 1,
  not_intact,
  jump_returned,
  wrong_stack,
  wrong_handover,
  wrong_cr0,
  wrong_cr4,
  wrong_segments,
  wrong_flags,
  wrong_breakpoints,
  wrong_stamps,
  nmi_is_blocked,
  not_executable,
  foreign_fault_lost,
};

/// An NMI for this CPU, through its local APIC. `base`: where physical address 0 is mapped.
inline void send_nmi_to_self(uint64_t base) {
  auto* apic = reinterpret_cast<volatile unsigned char*>(base + 0xfee0'0000);
  auto at = [apic](uint32_t offset) -> volatile uint32_t& {
    return *reinterpret_cast<volatile uint32_t*>(apic + offset);
  };
  at(0x310) = at(0x20) & 0xff00'0000;
  at(0x300) = 0x4400;
}

inline void end(verdict v) {
  lastcpu::x86::out8(0xf4, static_cast<uint8_t>(v));
}
