// SPDX-License-Identifier: BSL-1.0
#pragma once
// The threads of the process that a crash knows of: those that crashed, that were found in /proc, that registered.
// Each has one entry, whoever adds it. Lock-free; any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/process/reporter/machine_registers.hpp>

#include <signal.h>
#include <stdint.h>

namespace lastcpu::reporter_detail {

enum class thread_state : uint32_t {
  known,      // nobody has asked it to stop
  asked,      // it has been sent the stop signal
  by_signal,  // stopped in the handler of the stop signal
  by_ptrace,  // stopped by ptrace: it masks the stop signal
  crashed,    // stopped in the handler of its own fault
  gone,       // it ended before it could be asked
  silent,     // it answers nothing: it may still run
};

/// Why a thread could not be stopped: an error number, or
inline constexpr int no_answer = 0;

struct crash_thread {
  atomic<uint32_t> state{};
  int why_silent = no_answer;
  int pending_signal = 0;   // that ptrace has caught on its way to the thread
  char kernel_state = '?';  // of a silent one, as /proc has it: D is a wait that nothing interrupts
  char name[17] = {};
  const ucontext_t* context = nullptr;  // on the thread's own stack
  uint64_t thread_base = 0;
  siginfo_t fault{};             // of one that crashed; si_signo is 0 elsewhere
  thread_registers registers{};  // of one that was stopped by ptrace, and filled in for the core
  bool registers_valid = false;

  [[nodiscard]] thread_state now() const noexcept {
    return static_cast<thread_state>(state.load(order::acquire));  // (1) acquire: pairs with release (2)
  }
  void become(thread_state s) noexcept {
    state.store(static_cast<uint32_t>(s), order::release);  // (2) release: pairs with acquire (1)
  }
  /// False when it has been asked before, or has crashed: an exchange, for it may crash right now.
  [[nodiscard]] bool ask() noexcept {
    auto seen = static_cast<uint32_t>(thread_state::known);
    return state.compare_exchange(seen, static_cast<uint32_t>(thread_state::asked), order::relaxed, order::relaxed);
  }
  /// Who held it by ptrace is gone, and it runs: the registers that were read are of a stack that it has left.
  void run_again() noexcept {
    registers_valid = false;
    become(thread_state::known);
  }
  [[nodiscard]] bool is_stopped() const noexcept {
    const thread_state s = now();
    return s == thread_state::by_signal || s == thread_state::by_ptrace || s == thread_state::crashed;
  }
};

inline constexpr cpu_id max_threads = 8192;

/// A table of threads, zero at the start. The entry `max_threads` is for the one thread that crashes when it is full.
class thread_table {
 public:
  /// The entry of this thread, which it gets where it has none; max_threads when the table is full.
  [[nodiscard]] cpu_id find_or_add(uint32_t tid) noexcept {
    for (cpu_id i = 0; i < max_threads; ++i) {
      uint32_t seen = tids_[i].load(order::relaxed);  // relaxed: an entry's content is published by its state
      if (seen == tid) return i;
      if (seen != nobody) continue;
      if (tids_[i].compare_exchange(seen, tid, order::relaxed, order::relaxed)) return i;
      if (seen == tid) return i;
    }
    return max_threads;
  }
  [[nodiscard]] cpu_id find(uint32_t tid) const noexcept {
    for (cpu_id i = 0; i < max_threads; ++i) {
      const uint32_t seen = tids_[i].load(order::relaxed);
      if (seen == tid) return i;
      if (seen == nobody) break;
    }
    return max_threads;
  }
  /// For a thread that registers before any crash: takes an entry that another one has left, too.
  void enter(uint32_t tid) noexcept {
    for (cpu_id i = 0; i < max_threads; ++i) {
      uint32_t seen = tids_[i].load(order::relaxed);
      if (seen == nobody || seen == left)
        if (tids_[i].compare_exchange(seen, tid, order::relaxed, order::relaxed)) return;
    }
  }
  void leave(uint32_t tid) noexcept {
    if (const cpu_id i = find(tid); i < max_threads) tids_[i].store(left, order::relaxed);
  }

  [[nodiscard]] crash_thread& operator[](cpu_id i) noexcept { return threads_[i]; }
  [[nodiscard]] uint32_t tid(cpu_id i) const noexcept { return tids_[i].load(order::relaxed); }
  /// f(number, tid, thread) for each.
  template <class F>
  void for_each(F f) noexcept {
    for (cpu_id i = 0; i < max_threads; ++i) {
      const uint32_t seen = tids_[i].load(order::relaxed);
      if (seen == nobody) return;
      if (seen != left) f(i, seen, threads_[i]);
    }
  }

 private:
  static constexpr uint32_t nobody = 0, left = ~uint32_t{0};
  atomic<uint32_t> tids_[max_threads]{};
  crash_thread threads_[max_threads + 1]{};
};

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
