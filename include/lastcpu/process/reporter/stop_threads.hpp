// SPDX-License-Identifier: BSL-1.0
#pragma once
// Stops every other thread of the process: by signal, and those that mask it by ptrace, which only another process
// may do. Threads are looked for until a pass finds no new one, since a thread that still runs may start another.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/proc.hpp>
#include <lastcpu/process/reporter/state.hpp>

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

namespace lastcpu::reporter_detail {

struct stop_result {
  bool listed = true;     // /proc has named the threads; else only those are known that have registered or crashed
  uint32_t left_out = 0;  // more than the table holds
};

class thread_stopper {
 public:
  /// `by_ptrace`: this is another process than the one whose threads are stopped.
  /// `live`: they go on afterwards, so that no signal may stop them.
  thread_stopper(crash_state& s, cpu_id owner, bool by_ptrace, bool live) noexcept
      : s_(s), owner_(owner), pid_(s.pid.load(order::relaxed)), by_ptrace_(by_ptrace), live_(live) {}

  [[nodiscard]] stop_result stop() noexcept {
    until_ = now_ns() + uint64_t{settings.stop_budget_ms} * 1'000'000;
    const bool trusted = proc_is_ours();
    stop_result how;
    for (bool more = true; more;) {
      more = false;
      how.left_out = 0;
      const auto found = [&](uint32_t tid) noexcept {
        const cpu_id i = s_.threads.find_or_add(tid);
        if (i == max_threads)
          ++how.left_out;
        else if (ask(i, tid))
          more = true;
      };
      if (!trusted || !for_each_task(pid_, found)) {
        how.listed = false;
        s_.threads.for_each([&](cpu_id, uint32_t tid, crash_thread&) noexcept { found(tid); });
      }
      await_answers();
      if (now_ns() >= until_) break;
    }
    name_silent_ones(trusted);
    return how;
  }

 private:
  static constexpr long patience_ms = 20;  // without a further answer; then they mask the signal

  /// True when this thread had not been asked before.
  bool ask(cpu_id i, uint32_t tid) noexcept {
    crash_thread& t = s_.threads[i];
    if (i == owner_ || !t.ask()) return false;
    if (!ptrace_first()) send_stop(tid, t);
    return true;
  }
  [[nodiscard]] bool ptrace_first() const noexcept {
    return live_ || (by_ptrace_ && settings.stop == stop_threads::by_ptrace);
  }
  void send_stop(uint32_t tid, crash_thread& t) noexcept {
    const long error = kernel_call(SYS_tgkill, pid_, tid, settings.stop_signal);
    if (error == -ESRCH) t.become(thread_state::gone);
  }

  [[nodiscard]] uint32_t outstanding() noexcept {
    uint32_t n = 0;
    s_.threads.for_each([&n](cpu_id, uint32_t, crash_thread& t) noexcept { n += t.now() == thread_state::asked; });
    return n;
  }

  void await_answers() noexcept {
    if (ptrace_first()) {
      trace_the_rest();
      s_.threads.for_each([this](cpu_id, uint32_t tid, crash_thread& t) noexcept {
        if (!live_ && t.now() == thread_state::asked && t.why_silent != no_answer) send_stop(tid, t);
      });
    }
    uint64_t patient_until = now_ns() + patience_ms * 1'000'000;
    for (uint32_t last = ~uint32_t{0}; now_ns() < patient_until && now_ns() < until_;) {
      const uint32_t seen = s_.answers.load(order::relaxed);
      const uint32_t n = outstanding();
      if (n == 0) return;
      if (n < last) patient_until = now_ns() + patience_ms * 1'000'000;
      last = n;
      s_.enough_answers.store(seen + n, order::relaxed);  // relaxed: an answer that misses it costs one short sleep
      s_.beat();
      sleep_on(s_.answers.address(), seen, 5);
    }
    if (by_ptrace_ && !ptrace_first()) trace_the_rest();
    // In place nothing else can be tried: they get what is left of the budget.
    while (!by_ptrace_ && outstanding() != 0 && now_ns() < until_)
      sleep_on(s_.answers.address(), s_.answers.load(order::relaxed), 5);
  }

  void trace_the_rest() noexcept {
    s_.threads.for_each([](cpu_id, uint32_t tid, crash_thread& t) noexcept {
      if (t.now() != thread_state::asked) return;
      const long error = kernel_call(SYS_ptrace, PTRACE_SEIZE, tid, 0, 0);
      if (error == 0) kernel_call(SYS_ptrace, PTRACE_INTERRUPT, tid, 0, 0);
      if (error == -ESRCH) t.become(thread_state::gone);
      t.why_silent = static_cast<int>(-error);
    });
    while (!all_traced() && now_ns() < until_) {
      const timespec a_moment{0, 200'000};
      kernel_call(SYS_nanosleep, &a_moment, nullptr);
      s_.beat();
    }
  }

  [[nodiscard]] bool all_traced() noexcept {
    bool all = true;
    s_.threads.for_each([&](cpu_id, uint32_t tid, crash_thread& t) noexcept {
      if (t.now() != thread_state::asked || t.why_silent != no_answer) return;
      int status = 0;
      const long seen = kernel_call(SYS_wait4, tid, &status, __WALL | WNOHANG, nullptr);
      if (seen == 0)
        all = false;
      else if (seen < 0 || !WIFSTOPPED(status))
        t.become(thread_state::gone);
      else
        keep_traced(tid, t, status);
    });
    return all;
  }

  void keep_traced(uint32_t tid, crash_thread& t, int status) noexcept {
    ++s_.held_by_ptrace;
    t.pending_signal = status >> 16 == 0 ? WSTOPSIG(status) : 0;
    if (t.now() != thread_state::asked) return;  // it has stopped itself meanwhile
    iovec general{&t.registers.general, sizeof t.registers.general};
    iovec floating{&t.registers.floating, sizeof t.registers.floating};
    t.registers_valid = kernel_call(SYS_ptrace, PTRACE_GETREGSET, tid, NT_PRSTATUS, &general) == 0;
    t.registers.floating_valid = kernel_call(SYS_ptrace, PTRACE_GETREGSET, tid, NT_FPREGSET, &floating) == 0;
    t.become(thread_state::by_ptrace);
  }

  /// Whoever has not answered, and the names of those that did not say theirs.
  void name_silent_ones(bool trusted) noexcept {
    s_.threads.for_each([this, trusted](cpu_id i, uint32_t tid, crash_thread& t) noexcept {
      if (i != owner_ && t.now() == thread_state::asked) t.become(thread_state::silent);
      if (trusted && t.name[0] == '\0') name_thread(tid, t);
    });
  }

  void name_thread(uint32_t tid, crash_thread& t) noexcept {
    char path[64], line[256];
    text name(path);
    path_of_task(name, pid_, tid, "comm");
    read_small(path, line);
    text(t.name).foreign(line, length_of(line) > 0 ? length_of(line) - 1 : 0);
    if (t.now() != thread_state::silent) return;
    name.clear();
    path_of_task(name, pid_, tid, "stat");
    const size_t n = read_small(path, line);
    for (size_t at = 0; at + 2 < n; ++at)
      if (line[at] == ')') t.kernel_state = line[at + 2];
    if (t.kernel_state == 'Z' || t.kernel_state == 'X') t.become(thread_state::gone);  // main() may end before others
  }

  crash_state& s_;
  cpu_id owner_;
  uint32_t pid_;
  bool by_ptrace_;
  bool live_;
  uint64_t until_ = 0;
};

/// Lets the traced threads go on, each with the signal that it was about to get.
inline void let_traced_go(crash_state& s) noexcept {
  s.threads.for_each([](cpu_id, uint32_t tid, crash_thread& t) noexcept {
    if (t.now() == thread_state::by_ptrace) kernel_call(SYS_ptrace, PTRACE_DETACH, tid, 0, t.pending_signal);
  });
  s.held_by_ptrace = 0;
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
