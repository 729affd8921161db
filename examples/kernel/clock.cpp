// SPDX-License-Identifier: BSL-1.0
#include "clock.hpp"

#include <lastcpu/platform/x86_64/instructions.hpp>

#include "console.hpp"

namespace {

namespace x86 = lastcpu::x86;

constinit uint64_t frequency = 1'000'000'000;
constinit uint32_t hurried = 1;

uint64_t from_cpuid() noexcept {
  if (x86::cpuid(0).eax >= 0x15) {
    const auto crystal = x86::cpuid(0x15);
    if (crystal.eax != 0 && crystal.ebx != 0 && crystal.ecx != 0)
      return uint64_t{crystal.ecx} * crystal.ebx / crystal.eax;
  }
  constexpr uint32_t hypervisor_present = 1u << 31;
  if ((x86::cpuid(1).ecx & hypervisor_present) == 0 || x86::cpuid(0x4000'0000).eax < 0x4000'0010) return 0;
  return uint64_t{x86::cpuid(0x4000'0010).eax} * 1000;
}

struct moment {
  uint64_t tsc;
  uint32_t timer;
};

// One reading of both clocks: the one of several that was interrupted least.
moment read_both(uint16_t port) noexcept {
  moment best{};
  uint64_t narrowest = ~uint64_t{0};
  for (int i = 0; i < 16; ++i) {
    const uint64_t before = x86::rdtsc();
    const uint32_t timer = x86::in32(port);
    const uint64_t width = x86::rdtsc() - before;
    if (width >= narrowest) continue;
    narrowest = width;
    best = {before + width / 2, timer};
  }
  return best;
}

uint64_t measured(uint16_t port) noexcept {
  constexpr uint64_t timer_hz = 3'579'545;
  constexpr uint32_t timer_mask = 0xff'ffff;
  constexpr int reads_at_most = 10'000'000;
  const moment begin = read_both(port);
  for (int i = 0; i < reads_at_most; ++i) {
    if (((x86::in32(port) - begin.timer) & timer_mask) < timer_hz / 50) continue;
    const moment end = read_both(port);
    return (end.tsc - begin.tsc) * timer_hz / ((end.timer - begin.timer) & timer_mask);
  }
  return 0;  // it stands still
}

}  // namespace

void clock::set_up(uint16_t pm_timer_port) noexcept {
  uint64_t hz = from_cpuid();
  if (hz == 0 && pm_timer_port != 0) hz = measured(pm_timer_port);
  if (hz != 0)
    frequency = hz;
  else
    console::line() << "kernel: nothing tells how fast the TSC runs, " << frequency << " Hz assumed";
}

uint64_t clock::ticks_per_second() noexcept {
  return frequency / hurried;
}

void clock::hurry(uint32_t times) noexcept {
  hurried = times;
}

void clock::wait_us(uint64_t microseconds) noexcept {
  const uint64_t begin = x86::rdtsc();
  while (x86::rdtsc() - begin < frequency / 1'000'000 * microseconds) x86::pause();
}
