// SPDX-License-Identifier: BSL-1.0
#pragma once
// A machine for one test: a domain with its handlers in place, a capture program, CPUs.

#include "capture.hpp"
#include "child.hpp"

#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/posix.hpp>

#include <dirent.h>

#include <string>
#include <thread>
#include <utility>

namespace posix_test {

using namespace lastcpu;

/// One domain for each platform and policy. Only a child installs it, so every test gets it new.
template <class P = posix, class Policy = panic_policy>
inline constinit crash_domain<P, Policy> the_machine{};

template <class Domain>
void boot(Domain& machine, const posix_options& options = {}) {
  must_be_empty(posix_install(machine, options));
}

#if defined(LASTCPU_TEST_CAPTURE)
[[nodiscard]] inline capture_program opened(const char* path = LASTCPU_TEST_CAPTURE) {
  capture_program image;
  std::string error;
  must(open_capture_program(path, image, error), error.c_str());
  return image;
}

template <class Domain>
capture_program load_capture(Domain& machine) {
  const capture_program image = opened();
  must(machine.image().load(image) == load_outcome::loaded, "the capture program is loaded");
  return image;
}
#endif

/// A thread that is CPU `number` and runs `body`; never joined. Returns when it is online.
template <class F>
void start_cpu(cpu_id number, F body) {
  std::thread([number, body = std::move(body)]() mutable {
    const cpu_guard cpu(number);
    must(bool(cpu), "a started thread is a CPU");
    body();
  }).detach();
  must(eventually([number] { return posix::is_online(number); }), "the started CPU came online");
}

[[nodiscard]] inline pid_t tid_of(cpu_id cpu) {
  return static_cast<pid_t>(posix_detail::cpu_table[cpu].tid.load(order::acquire));
}

/// Takes every number that is left for a thread that does not exist; for a child.
inline void fill_the_table() {
  using namespace posix_detail;
  constexpr uint32_t nobody = ~uint32_t{0};
  while (take_any_entry(cpu_table, max_cpus, highest_cpu_ever, nobody) < max_cpus) {
  }
}

/// Sleeps as the library's own waits do, where a stop finds it under every sanitizer.
inline void sleep_for_ever() {
  static constinit atomic<uint32_t> never{};
  for (;;) (void)posix::wait_while(never, 0u, no_deadline);
}

/// Uses a processor, in operations that no compiler may drop and in which every sanitizer takes a stop.
inline void be_busy_for_ever() {
  static constinit atomic<uint32_t> beats{};
  for (;;) {
    beats.fetch_add(1, order::relaxed);
    posix_detail::let_pending_handlers_run();
  }
}

/// Waits until somebody sets `flag` to 1.
inline void await_flag(atomic<uint32_t>& flag) {
  while (flag.load(order::acquire) == 0) sleep_ms(1);
}
inline void set_flag(atomic<uint32_t>& flag) {
  flag.store(1, order::release);
}

[[nodiscard]] inline uint64_t current_mask() {
  uint64_t mask = 0;
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask, sizeof mask);
  return mask;
}
[[nodiscard]] constexpr uint64_t bit(int signal) {
  return uint64_t{1} << (signal - 1);
}

[[nodiscard]] inline int open_fds() {
  int n = 0;
  DIR* d = opendir("/proc/self/fd");
  while (readdir(d) != nullptr) ++n;
  closedir(d);
  return n;
}

}  // namespace posix_test
