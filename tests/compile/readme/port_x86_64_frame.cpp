// SPDX-License-Identifier: BSL-1.0
// What a kernel on x86-64 with entry stubs of its own writes.
#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/x86_64.hpp>

#include "x86_64_kernel.hpp"

struct port : lastcpu::x86_64<port>, lastcpu::x86::numbered_cpus<port, 64> {
  static constexpr uint8_t stop_vector = 0xf0;
  static volatile void* lapic_page() noexcept { return mapped_uncached(0xfee0'0000); }
  static uint64_t ticks_per_second() noexcept { return tsc_hertz(); }
};
constinit lastcpu::crash_domain<port, lastcpu::reporting_policy<serial_puts>> machine;

struct trap_frame {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
  uint64_t vector, error, ip, cs, flags, sp, ss;
};

#include "port_x86_64_frame.inc"

int main(int count, char**) {
  trap_frame f{};
  f.r15 = 15;
  f.ip = 16;
  f.ss = 17;
  if (count > 1) on_trap(&f);
  const lastcpu::x86::registers regs = to_registers(f);
  return regs.r15 == 15 && regs.rip == 16 && regs.ss == 17 && !machine.gate().in_progress() ? 0 : 1;
}
