// SPDX-License-Identifier: BSL-1.0
// The whole way: CPU 1 has committed, so CPU 0 stops itself inside panic(), once.
#include "probe.hpp"

#include <lastcpu/panic.hpp>

struct two_cpus : probe {
  static inline lastcpu::cpu_id current = 1;
  static lastcpu::cpu_id this_cpu() noexcept { return current; }
  static bool is_online(lastcpu::cpu_id cpu) noexcept { return cpu < 2; }
};

static constinit lastcpu::crash_domain<two_cpus> machine;

int main() {
  if (!lastcpu::detail::inside::of(machine).gate.claim(lastcpu::hold::final).won() ||
      !lastcpu::detail::inside::of(machine).gate.commit())
    leave(1);
  two_cpus::current = 0;
  machine.panic("too late");
}
