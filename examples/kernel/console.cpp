// SPDX-License-Identifier: BSL-1.0
#include "console.hpp"

#include <lastcpu/atomic.hpp>

#include "uart.hpp"

namespace {

namespace x86 = lastcpu::x86;
using lastcpu::order;

constexpr uint64_t patience =
    200'000'000;  // TSC ticks: tens of milliseconds, and it may run before the TSC is measured

constinit lastcpu::atomic<uint32_t> busy{};

// False where the holder does not come back: stopped by an NMI, or this very CPU, further out.
bool acquire_or_give_up() noexcept {
  const uint64_t begin = x86::rdtsc();
  uint32_t free = 0;
  while (!busy.compare_exchange(free, 1, order::acquire, order::relaxed)) {
    if (x86::rdtsc() - begin > patience) return false;
    x86::pause();
    free = 0;
  }
  return true;
}

}  // namespace

void console::write_line(const text& line) noexcept {
  const uint64_t flags = x86::read_flags();
  x86::cli();                                    // a stop interrupt must not take the lock down with this CPU
  if (!acquire_or_give_up()) uart::put("\r\n");  // behind the part of a line that the dead one left
  uart::put(line.c_str());
  uart::put("\r\n");
  busy.store(0, order::release);  // after giving up, too: the next line need not wait
  if ((flags & x86::flag_interrupts) != 0) x86::sti();
}
