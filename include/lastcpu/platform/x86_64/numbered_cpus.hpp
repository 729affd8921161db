// SPDX-License-Identifier: BSL-1.0
#pragma once
// The CPUs of a kernel that has no table of them to offer: this_cpu() by the APIC id, and which are online. A port derives
// from it beside the machine:
//
//     struct my_port : lastcpu::x86_64<my_port>, lastcpu::x86::numbered_cpus<my_port, 64> { ... };
//
//     (void)my_port::online(machine, number);  // on each CPU, once it can be asked to stop
//
// Guarantee: a CPU that comes online while another one commits is asked to stop, or stops in online(). this_cpu() is right
// with any GS, any GDT, on any stack, and in an NMI; before online(), with number(). In a virtual machine it costs an exit.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/online_cpus.hpp>
#include <lastcpu/platform/x86_64/apic_id.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// `Port` keeps the tables of two ports apart.
template <class Port, cpu_id N, class Hw = hardware>
struct numbered_cpus {
  /// As many as there may be.
  static constexpr cpu_id max_cpus = N;

  /// The CPU with this APIC id has this number from here on, for good. On any CPU, one after the other. With all numbered
  /// at discovery, one that panics on its way up stops the others like any other. False, and nothing has changed, when the
  /// number is out of range or another CPU's, or the CPU has another one.
  [[nodiscard]] static bool number(cpu_id cpu, uint32_t apic_id) noexcept {
    const cpu_id known = find(apic_id);
    if (cpu >= N || known != no_cpu) return cpu < N && known == cpu;
    uint32_t none = 0;
    return ids_[cpu].compare_exchange(none, apic_id + 1, order::relaxed, order::relaxed);  // read behind is_online()
  }

  /// This CPU, with this number, has its interrupt handlers and may be asked to stop. Interrupts off. Does not return where
  /// the machine has died meanwhile. False as above: it is not online then.
  template <class Domain>
  [[nodiscard]] static bool online(Domain& machine, cpu_id cpu) noexcept {
    if (!number(cpu, initial_apic_id<Hw>())) return false;
    online_.add(cpu);  // an exchange: what comes behind it sees a commit that has not seen this CPU
    machine.come_online();
    return true;
  }
  /// This CPU can't be asked any more.
  static void offline() noexcept { online_.remove(this_cpu()); }

  /// By `cpuid`; no_cpu for one that has none. Any context.
  [[nodiscard]] static cpu_id this_cpu() noexcept { return find(initial_apic_id<Hw>()); }
  /// Between online() and offline().
  [[nodiscard]] static bool is_online(cpu_id cpu) noexcept { return online_.contains(cpu); }
  /// Of a CPU below max_cpus that has its number; else ~0.
  [[nodiscard]] static uint32_t apic_id(cpu_id cpu) noexcept { return ids_[cpu].load(order::relaxed) - 1; }
  /// All, for one that never came online may panic. Who comes later sees the commit.
  [[nodiscard]] static cpu_id cpu_limit() noexcept {
    online_.close();
    return N;
  }

 private:
  [[nodiscard]] static cpu_id find(uint32_t apic_id) noexcept {
    for (cpu_id cpu = 0; cpu < N; ++cpu)
      if (ids_[cpu].load(order::relaxed) == apic_id + 1) return cpu;
    return no_cpu;
  }

  static inline constinit online_cpus<atomic, N> online_{};
  static inline constinit atomic<uint32_t> ids_[N]{};  // APIC ids plus one; 0: none. No CPU has the id 0xffff'ffff
};

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
