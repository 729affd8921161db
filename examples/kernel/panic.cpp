// SPDX-License-Identifier: BSL-1.0
#include "panic.hpp"

#include "console.hpp"

constinit machine_type machine;

namespace {

void say(lastcpu::cpu_id cpu, const char* how, lastcpu::panic_context context) noexcept {
  const bool stopped = cpu == port::this_cpu() || machine.cpus().acknowledged(cpu);
  const char* said = machine.messages().text(cpu, context, stopped);
  if (*said == '\0') return;
  const bool cut = machine.messages().state(cpu, context) == lastcpu::message_state::writing;
  console::line() << "kernel: cpu " << cpu << " " << how << ": " << said << (cut ? " (cut short)" : "");
}

}  // namespace

// The other CPUs run on meanwhile; the console does not wait for one that has died with its lock.
void kernel_policy::report(const lastcpu::panic_info<port::registers>& panic) noexcept {
  console::line() << "panic: cpu " << panic.cpu << ": " << panic.message;
  if (panic.cpu >= port::max_cpus) return;
  console::line() << "kernel: cpu " << panic.cpu << " was running " << cpus::all[panic.cpu].running;
}

void kernel_policy::no_crash_kernel(lastcpu::kexec_outcome why) noexcept {
  console::line() << "kernel: crash kernel not started: " << to_string(why);
}

void kernel_policy::notifiers(const lastcpu::stop_report<port::max_cpus>& report) noexcept {
  for (lastcpu::cpu_id cpu = 0; cpu < cpus::count(); ++cpu)
    console::line() << "kernel: cpu " << cpu << " stopped " << to_string(report.state(cpu)) << " registers "
                    << (report.registers_valid(cpu) ? "valid" : "missing");
}

// There is no crash kernel to tell what each CPU had to say.
void kernel_policy::dump_messages() noexcept {
  for (lastcpu::cpu_id cpu = 0; cpu < cpus::count(); ++cpu) {
    say(cpu, "said", lastcpu::panic_context::normal);
    say(cpu, "said in NMI", lastcpu::panic_context::nmi);
    say(cpu, "said nested", lastcpu::panic_context::nested);
  }
}

void kernel_policy::flush() noexcept {
  console::line() << "kernel: restarting";
}
