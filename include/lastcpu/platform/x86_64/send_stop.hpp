// SPDX-License-Identifier: BSL-1.0
#pragma once
// From a set of CPUs to interrupt commands: one for all where that is allowed, else one for each.

#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/platform/x86_64/lapic.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

namespace detail {

// `all excluding self` reaches every CPU that listens, those included that are not the kernel's, or parked, or off.
template <class Kernel, cpu_id N>
[[nodiscard]] inline bool is_every_other_cpu(const cpu_set<N>& cpus) noexcept {
  const cpu_id me = Kernel::this_cpu();
  const cpu_id limit = lastcpu::detail::cpu_limit<Kernel>();
  for (cpu_id cpu = 0; cpu < limit; ++cpu)
    if (cpus.contains(cpu) != (cpu != me && Kernel::is_online(cpu))) return false;
  return !cpus.empty();
}

}  // namespace detail

/// Asks these CPUs to stop: Kernel::stop_vector, or an NMI. Interrupts off or NMI context, on the owner of the gate.
/// One broadcast when the set is every online CPU but this one and `Kernel::owns_every_cpu()`; else one message for each,
/// so that no CPU that has parked is disturbed. An APIC that is stuck or an id that can't be addressed is no error here:
/// the CPU stays silent, and the report says so.
template <class Kernel, class Bus = lapic_bus<Kernel>, cpu_id N>
inline void send_stop(const cpu_set<N>& cpus, stop_how how) noexcept {
  const ipi_message message = how == stop_how::nmi ? ipi_message::nmi() : ipi_message::fixed(Kernel::stop_vector);
  if constexpr (requires { Kernel::owns_every_cpu(); }) {
    if (Kernel::owns_every_cpu() && detail::is_every_other_cpu<Kernel>(cpus)) {
      (void)lapic<Bus>::send_others(message);
      return;
    }
  }
  cpus.for_each([message](cpu_id cpu) noexcept { (void)lapic<Bus>::send(Kernel::apic_id(cpu), message); });
}

}  // namespace lastcpu::x86
