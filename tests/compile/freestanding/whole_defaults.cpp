// SPDX-License-Identifier: BSL-1.0
// The shortest port and the report that is printed: what is left undefined is the hook, and what the kernel has.
#include <lastcpu/lastcpu.hpp>

extern "C" {
uint32_t kernel_cpu() noexcept;
void kernel_ask(uint32_t cpu, bool by_nmi) noexcept;
[[noreturn]] void kernel_park() noexcept;
void kernel_put(const char* piece);
}

struct port : lastcpu::platform_defaults<port> {
  static constexpr lastcpu::cpu_id max_cpus = 4;
  static lastcpu::cpu_id this_cpu() noexcept { return kernel_cpu(); }
  static bool is_online(lastcpu::cpu_id) noexcept { return true; }
  static void send_stop_to(lastcpu::cpu_id cpu, lastcpu::stop_how how) noexcept {
    kernel_ask(cpu, how == lastcpu::stop_how::nmi);
  }
  [[noreturn]] static void park() noexcept { kernel_park(); }
};
static_assert(lastcpu::platform_checked<port>);

constinit lastcpu::crash_domain<port, lastcpu::reporting_policy<kernel_put>> machine;

extern "C" {
[[noreturn]] void kernel_panic(const char* message) {
  lastcpu::panic_here(machine, message);
}
void kernel_nmi(const port::registers& regs) {
  machine.handle_nmi(regs);
}
void kernel_stop_irq(const port::registers& regs) {
  machine.handle_stop_irq(regs);
}
}
