// SPDX-License-Identifier: BSL-1.0
#include "work.hpp"

#include "port.hpp"

namespace x86 = lastcpu::x86;
using lastcpu::order;

namespace {
constinit lastcpu::atomic<uintptr_t> the_job{};
}

void work::idle() noexcept {
  bool done = false;
  for (;;) {
    x86::cli();
    const auto job = reinterpret_cast<void (*)() noexcept>(the_job.load(order::acquire));
    if (job == nullptr || done) {
      asm volatile("sti\n\thlt" : : : "memory");  // in one breath: a wake-up in between is not lost
      continue;
    }
    done = true;
    x86::sti();
    job();
  }
}

void work::on_every_cpu(void (*job)() noexcept) noexcept {
  the_job.store(reinterpret_cast<uintptr_t>(job), order::release);
  (void)port::local_apic::send_others(x86::ipi_message::fixed(port::wake_vector));
}
