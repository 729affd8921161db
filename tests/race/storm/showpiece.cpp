// SPDX-License-Identifier: BSL-1.0
// storm_showpiece CAPTURE_PROGRAM EVENTS_FILE: one crash in slow motion, on the platform that a server uses.
//
// CPU 0 faults, which is an oops, into crash_kexec(), while CPUs 1 and 2 panic and an NMI panics on CPU 0. CPUs 3 to 5
// sleep, CPU 6 has its interrupts off, CPU 7 works. The process becomes the capture program; its parent then prints the
// timeline.

#include "area.hpp"
#include "chaos.hpp"
#include "cpu_watch.hpp"
#include "timeline.hpp"
#include "trial.hpp"

#include <lastcpu/panic.hpp>
#include <lastcpu/platform/posix.hpp>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace storm;

[[nodiscard]] bool has_parked(cpu_id cpu) {
  return area->cpu[cpu].state.load(order::acquire) == uint32_t(cpu_state::waiting);
}

/// The real thing, with its trace written down; and CPU 0 is held up behind its claim until the others have lost.
struct slow_motion : lastcpu::posix {
  static void trace(const lastcpu::trace_event& e) noexcept {
    log_event(e.cpu, static_cast<event>(e.kind), e.value);
    if (e.cpu >= cpu_count) return;
    if (e.kind == lastcpu::trace_kind::acknowledged)
      enter_state(e.cpu, e.value == uint32_t(lastcpu::stop_state::parked) ? cpu_state::waiting : cpu_state::parked);
    if (e.kind == lastcpu::trace_kind::parked) enter_state(e.cpu, cpu_state::parked);
    if (e.kind == lastcpu::trace_kind::claim_won && e.cpu == 0) hold_up();
  }

 private:
  static void hold_up() noexcept {
    area->cpu[0].oops_begun.store(1, order::release);
    for (int i = 0; i < 2000; ++i) {
      if (has_parked(1) && has_parked(2) && area->cpu[0].panics.load(order::acquire) != 0) return;
      sleep_us(50);
    }
  }
};

struct show_policy : lastcpu::panic_policy {
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 20'000}, {lastcpu::stop_how::nmi, 1'000'000}};
};

constinit lastcpu::crash_domain<slow_motion, show_policy> machine;
constinit lastcpu::atomic<uint32_t> ready{};
constinit lastcpu::atomic<uint32_t> go{};

void wait_for_oops() {
  while (area->cpu[0].oops_begun.load(order::acquire) == 0) sleep_us(20);
}

[[noreturn]] void panic(cpu_id cpu, const char* message) {
  log_event(cpu, event::calls_panic);
  machine.panic(message);
}

void act(cpu_id cpu) {
  switch (cpu) {
    case 0:
      log_event(0, event::faults);
      fault_for_real();  // on_fault is oops: its handler calls crash_kexec()
      return;
    case 1:
      wait_for_oops();
      panic(1, "out of memory and nothing to kill");
    case 2:
      wait_for_oops();
      sleep_us(120);
      panic(2, "attempt to kill init");
    case 6:
      (void)lastcpu::posix::irq_save();
      return;
    case 7:
      for (;;) area->cpu[7].life.fetch_add(1, order::relaxed);
    default:
      return;
  }
}

void* run_cpu(void* number) {
  const auto cpu = static_cast<cpu_id>(reinterpret_cast<uintptr_t>(number));
  lastcpu::cpu_guard guard(cpu);
  enter_state(cpu, cpu_state::running);
  area->cpu[cpu].tid.store(lastcpu::posix_detail::this_tid(), order::release);
  ready.fetch_add(1, order::release);
  while (go.load(order::acquire) == 0) sleep_us(50);
  act(cpu);
  for (;;) sleep_us(900'000);
}

void on_nmi(const lastcpu::posix_registers& regs) noexcept {
  const cpu_id me = lastcpu::posix::this_cpu();
  log_event(me, event::nmi_arrives);
  log_event(me, event::nmi_panics);
  machine.nmi_panic("NMI: memory parity error", regs);
  add_bits(area->cpu[me].panics, 2);
  log_event(me, event::nmi_returns);
}

[[nodiscard]] std::string prepare(const char* capture_path) {
  lastcpu::posix_options o;
  o.on_other_nmi = on_nmi;
  std::string error = lastcpu::posix_install(machine, o);
  lastcpu::capture_program capture;
  if (error.empty() && lastcpu::open_capture_program(capture_path, capture, error) &&
      machine.image().load(capture) != lastcpu::load_outcome::loaded)
    error = "the capture program was refused";
  return error;
}

int run(const char* capture_path) {
  if (const std::string error = prepare(capture_path); !error.empty()) {
    fprintf(stderr, "storm_showpiece: %s\n", error.c_str());
    return 2;
  }
  for (uintptr_t cpu = 0; cpu < cpu_count; ++cpu) {
    pthread_t t;
    if (pthread_create(&t, nullptr, run_cpu, reinterpret_cast<void*>(cpu)) != 0) return 2;
  }
  while (ready.load(order::acquire) < cpu_count) sleep_us(50);
  sleep_us(2000);
  area->began_ns = lastcpu::posix_detail::monotonic_ns();
  go.store(1, order::release);
  wait_for_oops();
  sleep_us(700);
  syscall(SYS_tgkill, getpid(), area->cpu[0].tid.load(order::acquire), SIGUSR2);
  for (;;) pause();
}

[[nodiscard]] bool save_events(const char* path) {
  FILE* f = fopen(path, "w");
  if (f == nullptr) return false;
  write_events(f);
  return fclose(f) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: storm_showpiece CAPTURE_PROGRAM EVENTS_FILE\n");
    return 2;
  }
  if (const std::string error = prepare_trials(); !error.empty()) {
    fprintf(stderr, "storm_showpiece: %s\n", error.c_str());
    return 2;
  }
  puts("The process dies, and its capture program says:\n");
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) _exit(run(argv[1]));
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return 1;
  puts("\nWhat each CPU did:\n");
  print_timeline(stdout);
  if (!save_events(argv[2])) {
    fprintf(stderr, "storm_showpiece: %s can't be written: %s\n", argv[2], strerror(errno));
    return 1;
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  fprintf(stderr, "storm_showpiece: the capture program did not run to its end (wait status %d)\n", status);
  return 1;
}
