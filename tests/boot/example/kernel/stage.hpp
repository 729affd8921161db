// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the scenarios are made of: who plays which role, and how CPUs meet at one moment.

#include <lastcpu/cpu.hpp>
#include <lastcpu/kexec/crash_region.hpp>

#include <stdint.h>

namespace stage {

[[nodiscard]] uint64_t seed() noexcept;

/// The CPU that has this role; which one it is depends on the seed.
[[nodiscard]] lastcpu::cpu_id cpu_of(uint32_t role) noexcept;

/// Roles that are played.
[[nodiscard]] uint32_t roles() noexcept;

/// Returns on all `roles()` CPUs at the same tick of the TSC.
void meet() noexcept;

/// The same, each up to some microseconds later; how many depends on the seed.
void meet_with_skew() noexcept;

/// Polls until `condition()` holds. Without an end: whoever else is stuck is the test's to find out.
template <class Condition>
void wait_until(Condition condition) noexcept {
  while (!condition()) asm volatile("pause" : : : "memory");
}

void wait_us(uint64_t microseconds) noexcept;

/// Who panics waits `times` times less long than the policy says for CPUs that do not answer: it spins while it does. Not
/// on a large machine, where those that answer may need the time.
void wait_less(uint32_t times) noexcept;

void send_nmi(lastcpu::cpu_id cpu) noexcept;

/// A real page fault.
void write_to_null() noexcept;

/// A bit of the loaded crash kernel flips.
void damage_the_image() noexcept;

/// Takes the 2 MiB of the direct map that hold `physical` away from this CPU.
void unmap(uint64_t physical) noexcept;

/// No code runs from the region where this CPU has it mapped.
void forbid_execution(const lastcpu::kexec::crash_region& region) noexcept;

/// Ends the machine well: QEMU's exit status is 2 * code + 1. Does not return.
[[noreturn]] void leave(uint32_t code) noexcept;

}  // namespace stage
