// SPDX-License-Identifier: BSL-1.0
#pragma once
// From a set of CPUs to interrupt commands: one for all where that is allowed, else one for each cluster or each CPU.
//
// One parked loser forbids the broadcast. On 4,096 CPUs a message for each takes ten times as long as the whole stop
// with a broadcast, and a message for each cluster half as long again: docs/scale.md.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/platform/x86_64/hardware.hpp>
#include <lastcpu/platform/x86_64/kernel_check.hpp>
#include <lastcpu/platform/x86_64/lapic.hpp>
#include <lastcpu/platform/x86_64/wait.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

namespace detail {

// `all excluding self` reaches every CPU that listens, those included that are not the kernel's, or parked, or off.
template <class Kernel, cpu_id N>
[[nodiscard, gnu::always_inline]] inline bool may_broadcast(const cpu_set<N>& cpus) noexcept {
  if constexpr (has_owns_every_cpu<Kernel>) {
    if (cpus.empty() || !Kernel::owns_every_cpu()) return false;
    const cpu_id me = Kernel::this_cpu();
    const cpu_id limit = lastcpu::detail::cpu_limit<Kernel>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu)
      if (cpus.contains(cpu) != (cpu != me && Kernel::is_online(cpu))) return false;
    return true;
  }
  return false;
}

// One message for each; `by_cluster`, for those behind one another in the set whose ids are of one cluster.
template <class Kernel, class Bus, cpu_id N>
[[gnu::always_inline]] inline void send_to_each(const cpu_set<N>& cpus, ipi_message message, bool by_cluster) noexcept {
  uint32_t together = 0;
  for (cpu_id cpu = 0; cpu < N; ++cpu) {
    if (!cpus.contains(cpu)) continue;
    const uint32_t id = Kernel::apic_id(cpu);
    if (!by_cluster || id > highest_clustered_id) {
      (void)lapic<Bus>::send(id, message);
      continue;
    }
    const uint32_t logical = logical_id(id);
    if (together >> 16 != logical >> 16) {
      lapic<Bus>::send_cluster(together, message);
      together = 0;
    }
    together |= logical;
  }
  lapic<Bus>::send_cluster(together, message);
}

}  // namespace detail

/// Asks these CPUs to stop: Kernel::stop_vector, or an NMI. Interrupts off or NMI context, on the owner of the gate.
/// One broadcast when the set is every online CPU but this one and `Kernel::owns_every_cpu()`; else one message for each,
/// so that no CPU that has parked is disturbed. In x2APIC mode an irq is one message for each cluster, unless there is a
/// hypervisor, of which not every one knows clusters; an NMI, the last resort, depends on nothing of the kind.
/// An APIC that is stuck or an id that can't be addressed is no error here: the CPU stays silent, and the report says so.
template <class Kernel, class Bus = lapic_bus<Kernel>, class Hw = hardware, cpu_id N>
inline void send_stop(const cpu_set<N>& cpus, stop_how how) noexcept {
  const bool to_all = detail::may_broadcast<Kernel>(cpus);
  const ipi_message message = how == stop_how::nmi ? ipi_message::nmi() : ipi_message::fixed(Kernel::stop_vector);
  if (to_all) {
    (void)lapic<Bus>::send_others(message);
    return;
  }
  const bool by_cluster = how == stop_how::irq && lapic<Bus>::mode() == apic_mode::x2apic && !in_virtual_machine<Hw>();
  detail::send_to_each<Kernel, Bus>(cpus, message, by_cluster);
}

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
