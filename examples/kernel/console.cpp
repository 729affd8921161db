// SPDX-License-Identifier: BSL-1.0
#include "console.hpp"

#include <lastcpu/atomic.hpp>

#include "uart.hpp"

namespace {

namespace x86 = lastcpu::x86;
using lastcpu::order;

constexpr uint64_t patience = 2'000'000'000;  // TSC ticks: around a second, and it may run before the TSC is measured

constinit lastcpu::atomic<uintptr_t> holder{};  // an address on the stack of who writes

// False where it is taken from a holder that does not come back: stopped by an NMI, or this very CPU, further out.
bool acquire(uintptr_t me) noexcept {
  const uint64_t begin = x86::rdtsc();
  for (uintptr_t seen = 0; !holder.compare_exchange(seen, me, order::acquire, order::relaxed);) {
    const bool late = x86::rdtsc() - begin > patience;
    if (late && holder.compare_exchange(seen, me, order::acquire, order::relaxed)) return false;
    x86::pause();
    seen = 0;
  }
  return true;
}

void release(uintptr_t me) noexcept {
  (void)holder.compare_exchange(me, 0, order::release, order::relaxed);  // not when it has been taken away
}

}  // namespace

void console::write_line(const text& line) noexcept {
  const uint64_t flags = x86::read_flags();
  x86::cli();  // a stop interrupt must not take the lock down with this CPU
  const auto me = reinterpret_cast<uintptr_t>(&line);
  if (!acquire(me)) uart::put("\r\n");  // behind the part of a line that the dead one left
  uart::put(line.c_str());
  uart::put("\r\n");
  release(me);
  if ((flags & x86::flag_interrupts) != 0) x86::sti();
}
