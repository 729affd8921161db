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

enum class capture_part : uint8_t { all, core_alone };

struct capture_job {
  crash_state* state;
  cpu_id owner;
  const char* reason;  // null: a crash
  capture_part part = capture_part::all;
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
  capture work(s, job.owner, true, job.reason);
  job.part == capture_part::all ? work.run() : work.write_core_alone();
  // With a core alone it is not over: whoever reports next does without it.
  if (job.reason != nullptr || job.part == capture_part::core_alone) let_traced_go(s);
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

/// Where no attempt has come to its end: a short report, of what is known for sure, or the end of one that has begun. It
/// does nothing but write that an attempt may have died in, and needs little of a stack that may be small.
inline void say_last_words(crash_state& s, cpu_id owner) noexcept {
  if (s.reached() == progress_mark::complete) return;
  char room[400];
  text line(room);
  const bool crash = &s != settings.live;
  if (s.reached() < progress_mark::said && crash) {
    char fault[48];
    posix_detail::describe_fault(fault, s.threads[owner].fault);
    line << "*** " << settings.program << "[" << s.pid.load(order::relaxed) << "] has crashed ***\n"
         << "thread " << own_tid() << ": " << fault << "\n";
  }
  if (s.given_up)
    line << "the report has made no progress for " << settings.stall_budget_ms / 1000
         << " s and is given up: see the file systems that it and the core go to\n";
  else
    line << "each attempt at a report has failed\n";
  say(s, line.begin(), line.size());
  say(s, s.core_words, length_of(s.core_words));
  constexpr char end[] = "*** end of report ***\n";
  if (crash || s.reached() >= progress_mark::said) say(s, end, sizeof end - 1);
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

inline void give_up(crash_state& s, long child) noexcept {
  kernel_call(SYS_kill, child, SIGKILL);
  collect(s, child);  // it writes nothing any more
  s.given_up = true;
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
inline long report_by_process(crash_state& s, capture_job job, char* stack) noexcept {
  kernel_call(SYS_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY);  // where Yama asks for it
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

/// Where a capture process has died over the report, another one writes the core: what it died over has no part in that. A
/// sandbox that has killed the first would kill the second.
inline void write_core_alone(crash_state& s, cpu_id owner) noexcept {
  const progress_mark mark = s.reached();
  const bool over_the_report = mark == progress_mark::stopping || mark == progress_mark::said;
  const bool died = over_the_report && s.clone_error == 0 && s.capture_signal() != SIGSYS &&
                    s.capture_tid.load(order::relaxed) == 0;  // relaxed: collect() has seen its end
  if (!died || settings.core_path[0] == '\0') return;
  const int status = s.capture_status;
  const bool stuck = s.given_up;
  s.given_up = false;
  report_by_process(s, {&s, owner, nullptr, capture_part::core_alone}, settings.stack);
  if (s.given_up && s.core_words[0] == '\0')
    text(s.core_words) << "the core has made no progress for " << settings.stall_budget_ms / 1000
                       << " s and is given up: see the file system that it goes to\n";
  s.capture_status = status;
  s.given_up = stuck;  // that the core is stuck costs the report nothing
}

/// The same by the crashing thread, where there is no capture process or it has died.
inline void report_in_place(crash_state& s, cpu_id owner) noexcept {
  if (s.reached() == progress_mark::complete || s.given_up) return;  // nobody would watch over another attempt
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
