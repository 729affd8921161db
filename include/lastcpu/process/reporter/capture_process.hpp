// SPDX-License-Identifier: BSL-1.0
#pragma once
// Starts the capture process and waits for it. It shares the crashed process's memory, and nothing else: its
// descriptors, limits, handlers and faults are its own. Unlike a child of vfork() it does not stop whoever started it,
// who can so give up on one that hangs.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/capture.hpp>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace lastcpu::reporter_detail {

struct capture_job {
  crash_state* state;
  cpu_id owner;
  const char* reason;  // null: a crash
};

/// Whether a capture may begin, asked behind the publication of its process: either it sees the crash, or the crash sees
/// the process, for both change the handshake.
[[nodiscard]] inline bool crash_has_come() noexcept {
  settings.state->handshake.fetch_add(1, order::acq_rel);  // (1) acq_rel: pairs with acq_rel (2)
  return settings.state->gate.read().is_committed();
}

/// The kernel's own struct sigaction, of x86-64 and aarch64.
struct kernel_action {
  uintptr_t handler;
  unsigned long flags;
  uintptr_t restorer;
  uint64_t mask;
};

inline void reset_signal(int number) noexcept {
  const kernel_action by_default{};
  kernel_call(SYS_rt_sigaction, number, &by_default, nullptr, sizeof by_default.mask);
}

/// The capture process. Dies with the thread that has started it.
inline int capture_main(void* argument) noexcept {
  const capture_job job = *static_cast<capture_job*>(argument);
  crash_state& s = *job.state;
  const uint32_t parent = s.pid.load(order::relaxed);
  kernel_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (static_cast<uint32_t>(kernel_call(SYS_getppid)) != parent) kernel_call(SYS_exit_group, 1);
  for (const int f : posix_detail::fault_signals) reset_signal(f);
  const kernel_action ignored{1 /* SIG_IGN */, 0, 0, 0};
  for (const int n : {SIGXFSZ, SIGPIPE}) kernel_call(SYS_rt_sigaction, n, &ignored, nullptr, sizeof ignored.mask);
  if (job.reason != nullptr && crash_has_come()) kernel_call(SYS_exit_group, 1);
  capture(s, job.owner, true, job.reason).run();
  if (job.reason != nullptr) let_traced_go(s);
  // What was stopped by ptrace would run again with the end of this process: it waits for the other's.
  while (s.held_by_ptrace != 0 && static_cast<uint32_t>(kernel_call(SYS_getppid)) == parent) {
    const timespec a_while{0, 50'000'000};
    kernel_call(SYS_nanosleep, &a_while, nullptr);
  }
  kernel_call(SYS_exit_group, 0);
  return 0;
}

/// Calls f(argument) on another stack: the crashed thread's may be small, or used up.
[[gnu::noinline]] inline void call_on_stack(void* top, void (*f)(void*) noexcept, void* argument) noexcept {
#if defined(__x86_64__)
  asm volatile(
      "movq %%rsp, %%rbx\n\t"
      "movq %[top], %%rsp\n\t"
      "callq *%[f]\n\t"
      "movq %%rbx, %%rsp"
      : "+D"(argument), [top] "+r"(top), [f] "+r"(f)
      :
      : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory");
#elif defined(__aarch64__)
  register void* x0 asm("x0") = argument;
  asm volatile(
      "mov x19, sp\n\t"
      "mov sp, %[top]\n\t"
      "blr %[f]\n\t"
      "mov sp, x19"
      : "+r"(x0)
      : [top] "r"(top), [f] "r"(f)
      : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
        "x18", "x19", "x30", "cc", "memory");
#endif
}

inline void give_up(crash_state& s, long child) noexcept {
  kernel_call(SYS_kill, child, SIGKILL);
  char room[200];
  text line(room);
  line << "the report has made no progress for " << settings.stall_budget_ms / 1000
       << " s and is given up: see the file system that the core goes to\n";
  if (s.reached() >= progress_mark::reported) line << "*** end of report ***\n";
  if (settings.report_fd >= 0) (void)write_all(settings.report_fd, line.begin(), line.size(), 0);
  s.reach(progress_mark::complete);
}

/// Collects the ended capture process. Bounded: one that hangs in the kernel does not die of a signal.
inline void collect(crash_state& s, long child) noexcept {
  constexpr int yields = 100, sleeps = 200;
  for (int i = 0; i < yields + sleeps; ++i) {
    int status = 0;
    const long seen = kernel_call(SYS_wait4, child, &status, __WALL | WNOHANG, nullptr);
    if (seen == child) s.capture_status = status;
    if (seen != 0) return;
    const timespec a_moment{0, 1'000'000};
    i < yields ? kernel_call(SYS_sched_yield) : kernel_call(SYS_nanosleep, &a_moment, nullptr);
  }
}

inline void await_capture(crash_state& s, long child) noexcept {
  const uint64_t budget = uint64_t{settings.stall_budget_ms} * 1'000'000;
  uint64_t until = now_ns() + budget;
  for (uint32_t last = 0; s.reached() != progress_mark::complete;) {
    // relaxed: reached() and collect() read what is acted on
    if (s.capture_tid.load(order::relaxed) == 0) break;  // it has ended too early
    const uint32_t mark = s.mark.load(order::relaxed);
    const uint32_t beats = s.beats.load(order::relaxed) + mark;
    if (beats != last) until = now_ns() + budget;
    last = beats;
    if (now_ns() >= until) return give_up(s, child);
    if (mark != static_cast<uint32_t>(progress_mark::complete)) sleep_on(s.mark.address(), mark, 20);
  }
  if (s.held_by_ptrace == 0 || s.reached() != progress_mark::complete) collect(s, child);
}

/// Starts it and waits until it has reported. The process, or an error number below zero.
inline long report_by_process(crash_state& s, cpu_id owner, char* stack, const char* reason) noexcept {
  kernel_call(SYS_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY);  // where Yama asks for it
  capture_job job{&s, owner, reason};
  auto* tid = const_cast<uint32_t*>(s.capture_tid.address());
  const int saved_errno = errno;
  // It gets no signal that is meant for the program: it would run the program's handlers in the program's memory.
  const uint64_t mask = set_mask(every_signal);
  const int child = clone(capture_main, stack + capture_stack_bytes,
                          CLONE_VM | CLONE_UNTRACED | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, &job,
                          reinterpret_cast<pid_t*>(tid), nullptr, reinterpret_cast<pid_t*>(tid));
  s.clone_error = child < 0 ? errno : 0;
  errno = saved_errno;
  set_mask(mask);
  if (child >= 0) await_capture(s, child);
  return child >= 0 ? child : -s.clone_error;
}

/// A crash ends a capture that is under way; the threads that it has stopped go on with the end of its process.
inline void end_live_capture() noexcept {
  crash_state& live = *settings.live;
  settings.state->handshake.fetch_add(1, order::acq_rel);  // (2) acq_rel: pairs with acq_rel (1)
  const uint32_t child = live.capture_tid.load(order::relaxed);
  if (child == 0 || live.pid.load(order::relaxed) != own_pid()) return;
  kernel_call(SYS_kill, child, SIGKILL);
  collect(live, child);
}

/// The same by the crashing thread, where there is no capture process or it has died.
inline void report_in_place(crash_state& s, cpu_id owner) noexcept {
  if (s.reached() == progress_mark::complete) return;
  if (const uint32_t child = s.capture_tid.load(order::relaxed); child != 0) {
    kernel_call(SYS_kill, child, SIGKILL);
    collect(s, child);
  }
  capture_job job{&s, owner, nullptr};
  call_on_stack(
      settings.stack + capture_stack_bytes,
      [](void* argument) noexcept {
        const capture_job& j = *static_cast<capture_job*>(argument);
        capture work(*j.state, j.owner, false, nullptr);
        j.state->reached() == progress_mark::none ? work.run() : work.finish_after_failure();
      },
      &job);
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
