// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu: the gate word can't name that many CPUs
#include <lastcpu/archetype.hpp>
#include <lastcpu/panic_cpu.hpp>

struct port : lastcpu::archetype {
  static constexpr lastcpu::cpu_id max_cpus = lastcpu::gate_word::cpu_capacity;  // one number is the place
  static void send_stop(const lastcpu::cpu_set<max_cpus>&, lastcpu::stop_how) noexcept {}
};
lastcpu::panic_cpu<port> gate;
