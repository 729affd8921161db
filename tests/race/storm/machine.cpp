// SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"

#include "../specimens/double_read_2025.hpp"
#include "../specimens/panic_cpu_2015.hpp"
#include "../specimens/panic_lock_2011.hpp"
#include "../specimens/trylock_only.hpp"
#include "c_design.hpp"
#include "kernel.hpp"
#include "lastcpu_design.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace storm {
namespace {

using lastcpu::posix_detail::futex_sleep;

// The machine of this process; one of the designs is used in each.
template <class D>
constinit kernel<D> kernel_of{};

struct start_line {
  const script* plays = nullptr;
  uint64_t seed = 0;
  lastcpu::atomic<uint32_t> ready{};
  lastcpu::atomic<uint32_t> go{};
};
constinit start_line start;
constinit lastcpu::atomic<uint32_t> never{};

void live(cpu_id cpu, uint32_t us) noexcept {
  const uint64_t until = storm_platform::now() + uint64_t{us} * 1000;
  while (storm_platform::now() < until) {
    for (uint32_t i = 0; i < 32; ++i) area->cpu[cpu].life.fetch_add(1, order::relaxed);
    sched_yield();
  }
}

[[noreturn]] void be_idle(cpu_id cpu) noexcept {
  enter_state(cpu, cpu_state::idle);
  for (;;) {
    futex_sleep(never.address(), 0, lastcpu::no_deadline);
    area->cpu[cpu].life.fetch_add(1, order::relaxed);
  }
}

void check_irqs_are_on() noexcept {
  const uint64_t before = lastcpu::posix::irq_save();
  lastcpu::posix::irq_restore(before);
  if ((before & lastcpu::posix_detail::signal_bit(SIGUSR1)) != 0) note_wrong(wrong::irqs_left_off);
}

template <class D>
void play(cpu_id cpu, role r, dice& d) noexcept {
  kernel<D>& k = kernel_of<D>;
  const lastcpu::posix_registers regs = marked_registers(cpu);
  switch (r) {
    case role::sleeps:
      return;
    case role::works:
      return live(cpu, d.below(1500));
    case role::irqs_off:
    case role::wedged: {
      const uint64_t before = storm_platform::irq_save();
      if (r == role::wedged) be_idle(cpu);
      live(cpu, d.below(800));
      return storm_platform::irq_restore(before);
    }
    case role::panics:
      k.panic(texts.by[cpu][0], d.chance(70) ? &regs : nullptr);
    case role::oopses:
      return k.crash_kexec(&regs, texts.by[cpu][2]);
    case role::faults:
      return fault_for_real();
    case role::asks_to_stop:
      return k.ask_to_stop_others();
    case role::loads:
      for (uint64_t generation = 2; generation < 40; ++generation) k.load_image(generation);
  }
}

template <class D>
void* run_cpu(void* number) {
  const auto cpu = static_cast<cpu_id>(reinterpret_cast<uintptr_t>(number));
  enter_state(cpu, cpu_state::running);
  lastcpu::cpu_guard guard(cpu);
  if (!guard) end_trial(trial_end::broken);
  area->cpu[cpu].tid.store(lastcpu::posix_detail::this_tid(), order::release);
  if constexpr (requires(D d) { d.come_online(); }) kernel_of<D>.design.come_online();
  seed_this_cpu(start.seed * cpu_count + cpu);
  dice d(start.seed + cpu);
  start.ready.fetch_add(1, order::release);
  lastcpu::posix_detail::wake(start.ready);
  while (start.go.load(order::acquire) == 0)
    (void)lastcpu::posix_detail::wait_while(start.go, 0u, lastcpu::no_deadline);
  if (const uint32_t us = start.plays->delays_us[cpu]; us != 0) sleep_us(us);
  play<D>(cpu, start.plays->roles[cpu], d);
  check_irqs_are_on();
  be_idle(cpu);
}

template <class D>
bool start_cpus() noexcept {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 512 * 1024);
  for (uintptr_t cpu = 0; cpu < cpu_count; ++cpu) {
    pthread_t t;
    if (pthread_create(&t, &small, run_cpu<D>, reinterpret_cast<void*>(cpu)) != 0) return false;
  }
  for (uint32_t seen = 0; (seen = start.ready.load(order::acquire)) < cpu_count;)
    (void)lastcpu::posix_detail::wait_while(start.ready, seen, lastcpu::no_deadline);
  start.go.store(1, order::release);
  lastcpu::posix_detail::wake(start.go);
  return true;
}

void fire(const shot& s) noexcept {
  cpu_area& c = area->cpu[s.target];
  if (s.once_it_oopses)
    while (c.oops_begun.load(order::acquire) == 0 && !others_are_at_rest(lastcpu::no_cpu)) sched_yield();
  if (s.delay_us != 0) sleep_us(s.delay_us);
  if (s.what == shot::kind::nmi_panic) c.nmi_wants_panic.store(1, order::release);
  const int number = s.what == shot::kind::stray_irq ? SIGUSR1 : SIGUSR2;
  syscall(SYS_tgkill, getpid(), c.tid.load(order::acquire), number);
}

template <class D>
[[noreturn]] void run(const script& s, uint64_t seed) noexcept {
  kernel<D>& k = kernel_of<D>;
  lastcpu::posix_options o;
  o.on_other_nmi = [](const lastcpu::posix_registers& r) noexcept { kernel_of<D>.on_other_nmi(r); };
  o.on_other_irq = [](const lastcpu::posix_registers& r) noexcept { kernel_of<D>.on_other_irq(r); };
  if (!lastcpu::posix_install(k, o).empty()) end_trial(trial_end::broken);
  if constexpr (requires { k.design.gate(); })
    domain_questions<D>::answer_for(k.design, s.stops_again);
  else if constexpr (requires { k.design.answer_for(s.stops_again); })
    k.design.answer_for(s.stops_again);
  else if constexpr (requires { k.design.holds_gate(); })
    hooks.holds_gate = [](cpu_id) noexcept { return kernel_of<D>.design.holds_gate(); };
  if (s.image) k.load_image(1);
  write_message_texts();
  plan = s.chaos;
  start.plays = &s;
  start.seed = seed;
  if (!start_cpus<D>()) end_trial(trial_end::broken);
  for (uint32_t i = 0; i < s.shot_count; ++i) fire(s.shots[i]);
  hardware_is_done();
  wait_until_at_rest();
  end_trial(trial_end::at_rest);
}

}  // namespace

void run_machine(design d, scenario which, const script& s, uint64_t seed) noexcept {
  switch (d) {
    case design::trylock_only:
      run<specimens::trylock_only<storm_platform>>(s, seed);
    case design::panic_lock_2011:
      run<specimens::panic_lock_2011<storm_platform>>(s, seed);
    case design::panic_cpu_2015:
      run<specimens::panic_cpu_2015<storm_platform>>(s, seed);
    case design::double_read_2025:
      run<specimens::double_read_2025<storm_platform>>(s, seed);
    case design::lastcpu_by_c:
      if (which == scenario::late_ack) c_design::be_impatient();
      run<c_design>(s, seed);
    case design::lastcpu:
      break;
  }
  if (which == scenario::late_ack) run<lastcpu::crash_domain<storm_platform, impatient_policy>>(s, seed);
  run<lastcpu::crash_domain<storm_platform, storm_policy>>(s, seed);
}

}  // namespace storm
