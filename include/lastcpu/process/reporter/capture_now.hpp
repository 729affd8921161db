// SPDX-License-Identifier: BSL-1.0
#pragma once
// A report and a core of a process that goes on.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/install.hpp>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>

namespace lastcpu {

/// What became of a capture. Every thread runs again in each case.
enum class capture_outcome : uint8_t {
  captured,         ///< report, and core where one was asked for
  captured_partly,  ///< some threads could not be stopped: the report names them, and they may have changed memory
  not_installed,    ///< install_crash_reporter() comes first
  busy,             ///< another thread is at it
  no_process,       ///< none could be started: see the limit on processes
  given_up,  ///< its process has ended early, or made no progress for stall_budget_ms: the report or the core is cut
};

/// A sentence, with the remedy where there is one; never null.
[[nodiscard]] constexpr const char* to_string(capture_outcome o) noexcept {
  switch (o) {
    case capture_outcome::captured:
      return "captured";
    case capture_outcome::captured_partly:
      return "captured, but some threads could not be stopped; the report names them";
    case capture_outcome::not_installed:
      return "the crash reporter is not installed; call install_crash_reporter()";
    case capture_outcome::busy:
      return "another thread captures; try again";
    case capture_outcome::no_process:
      return "no process could be started; see the limit on processes (ulimit -u)";
    case capture_outcome::given_up:
      return "given up: the capture process has ended early, or made no progress";
  }
  return "unknown";
}

namespace reporter_detail {

inline constinit atomic<uint32_t> capturing{};  // the process that captures: a child of fork does not

[[nodiscard]] inline cpu_id keep_caller(crash_state& live, const ucontext_t& here) noexcept {
  const cpu_id me = live.threads.find_or_add(own_tid());
  crash_thread& t = live.threads[me];
  t.context = &here;
  t.thread_base = thread_pointer();
  kernel_call(SYS_prctl, PR_GET_NAME, t.name);
  t.become(thread_state::crashed);
  return me;
}

[[nodiscard]] inline capture_outcome outcome_of(crash_state& live, long child) noexcept {
  if (child < 0) return capture_outcome::no_process;
  collect(live, child);
  // relaxed: the end of the process publishes what it has written
  if (live.capture_status != 0 || live.capture_tid.load(order::relaxed) != 0) return capture_outcome::given_up;
  bool all = true;
  live.threads.for_each([&all](cpu_id, uint32_t, crash_thread& t) noexcept {
    if (t.now() == thread_state::silent) all = false;
  });
  return all ? capture_outcome::captured : capture_outcome::captured_partly;
}

[[nodiscard, gnu::noinline]] inline capture_outcome capture_live(const char* reason) noexcept {
  crash_state& live = *settings.live;
  madvise(&live, in_whole_pages(sizeof live), MADV_DONTNEED);  // zeros are its beginning
  live.pid.store(own_pid(), order::relaxed);
  ucontext_t here;
  getcontext(&here);
  const cpu_id me = keep_caller(live, here);
  const long child = report_by_process(live, {&live, me, reason}, settings.live_stack);
  if (live.given_up) say_last_words(live, me);
  const capture_outcome how = outcome_of(live, child);
  kernel_call(SYS_prctl, PR_SET_PTRACER, 0);
  return how;
}

}  // namespace reporter_detail

/// Writes the report, and the core to core_path with ".now" behind it, and goes on. The other threads are stopped by ptrace
/// meanwhile, as a debugger would: calls that a stop interrupts, as epoll_wait(), may return EINTR. A crash that comes in
/// between ends the capture, and has its own report. `reason` stands in the report, at most 200 bytes. Thread context, not a
/// signal handler; takes as long as the core takes to write.
[[nodiscard]] inline capture_outcome capture_now(const char* reason) noexcept {
  using namespace reporter_detail;
  if (!installed) return capture_outcome::not_installed;
  const uint32_t pid = own_pid();
  uint32_t seen = capturing.load(order::relaxed);
  // (1) acquire: pairs with release (2)
  if (seen == pid || !capturing.compare_exchange(seen, pid, order::acquire, order::relaxed))
    return capture_outcome::busy;
  const capture_outcome how = capture_live(reason);
  capturing.store(0, order::release);  // (2) release: pairs with acquire (1)
  return how;
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
