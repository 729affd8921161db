// SPDX-License-Identifier: BSL-1.0
// Several CPUs that die at once.
#include "panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"
#include "text.hpp"

namespace {

[[noreturn]] void panic_as(uint32_t role) noexcept {
  text message;
  message << "panic in role " << role;
  panic_here(message.c_str());
}

void panic_vs_panic(uint32_t role) noexcept {
  stage::meet_with_skew();
  panic_as(role);
}

// Interrupts off: who comes a moment late is not stopped before it can panic.
void same_tick(uint32_t role) noexcept {
  lastcpu::x86::cli();
  stage::meet();
  panic_as(role);
}

void oops_vs_panic(uint32_t role) noexcept {
  stage::meet_with_skew();
  if (role == 0) stage::write_to_null();
  panic_as(role);
}

// Role 0 holds the gate on trial, again and again, and gives it back, since there is nothing to start. Role 1 panics,
// and may have to wait for the next time that it is given back.
void released_under_waiter(uint32_t role) noexcept {
  if (role == 0 && machine.image().ready()) stage::damage_the_image();
  stage::meet_with_skew();
  if (role == 1) panic_here("waited for the gate");
  while (machine.crash_kexec() != lastcpu::kexec_outcome::held_by_other) {
  }
  panic_here("gave the gate back");
}

// The same with a hold that is given back once, when role 1 sleeps: its only chance.
void released_once(uint32_t role) noexcept {
  if (role == 1) {
    stage::wait_until([] { return machine.gate().in_progress(); });
    panic_here("waited for one release");
  }
  lastcpu::x86::cli();
  if (!lastcpu::detail::inside::of(machine).gate.claim(lastcpu::hold::trial).won())
    panic_here("BUG: the gate was not open");
  stage::wait_until([] { return machine.cpus().acknowledged(stage::cpu_of(1)); });
  stage::wait_us(stage::seed() % 64);
  if (stage::seed() % 2 != 0) stage::send_nmi(stage::cpu_of(1));  // it may wake role 1, or come just too early for that
  for (uint64_t i = 0; i < stage::seed() % 16; ++i) lastcpu::x86::pause();
  (void)lastcpu::detail::inside::of(machine).gate.release();
  lastcpu::x86::sti();
  stage::wait_until([] { return false; });
}

// Both want to stop the others; one of them owns the gate, and the other is told that it does not.
void concurrent_stop(uint32_t role) noexcept {
  stage::meet_with_skew();
  if (role == 0) panic_here("stops the others");
  const bool refused = machine.stop_others().status() == lastcpu::stop_status::not_the_arbiter;
  panic_here(refused ? "refused: not the arbiter" : "BUG: a second arbiter");
}

}  // namespace

constinit const scenarios::scenario scenarios::races[] = {{"panic_vs_panic", panic_vs_panic, everybody},
                                                          {"same_tick", same_tick, 2},
                                                          {"oops_vs_panic", oops_vs_panic, 2},
                                                          {"released_under_waiter", released_under_waiter, 2},
                                                          {"released_once", released_once, 2},
                                                          {"concurrent_stop", concurrent_stop, 2},
                                                          {nullptr, nullptr, 0}};
