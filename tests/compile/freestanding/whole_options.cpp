// SPDX-License-Identifier: BSL-1.0
// A port and a policy with every optional member, and a policy that wants notifiers first: nothing is left undefined.
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

struct port : lastcpu::archetype {
  static lastcpu::cpu_id cpu_limit() noexcept { return 2; }
  static lastcpu::cpu_id adopt_this_cpu() noexcept { return max_cpus; }
  static void self_stop() noexcept { park(); }
  static void save_note(const image&, const lastcpu::cpu_note<registers>&) noexcept {}
  static void trace(const lastcpu::trace_event&) noexcept {}
  static constexpr bool has_nmi = false;
  static bool force_stop(lastcpu::cpu_id) noexcept { return true; }
};

struct policy : lastcpu::panic_policy {
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 10}, {lastcpu::stop_how::forced, 10}};
  static void before_step(lastcpu::step) noexcept {}
  static constexpr bool crash_kexec_post_notifiers = true;
  static constexpr uint32_t restart_delay_us = 5'000'000;
};

constinit lastcpu::crash_domain<port, policy> machine;

template class lastcpu::crash_domain<port, policy>;
template class lastcpu::crash_path<port, policy>;
template class lastcpu::crash_path<port>;
template class lastcpu::crash_image<port>;
template class lastcpu::panic_cpu<port>;
template class lastcpu::panic_messages<port, policy::message_bytes>;
template class lastcpu::stop_cpus<port>;
