// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a crash reporter knows. Settings are written at the installation. The crash's own state lies in memory that the
// kernel zeroes in the child of a fork, of _Fork() and of a raw clone() that copies memory: each child is a process of
// its own, with an open gate and the same settings. A child that shares the memory (vfork) is nobody's thread: it
// finds another process id here, and dies as it would without us.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/platform/posix/faults.hpp>
#include <lastcpu/platform_defaults.hpp>
#include <lastcpu/process/reporter/options.hpp>
#include <lastcpu/process/reporter/text.hpp>
#include <lastcpu/process/reporter/threads.hpp>

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

namespace lastcpu::reporter_detail {

/// What the gate needs of a platform: a number for each thread that crashes. It waits and stops nobody here.
struct gate_platform : platform_defaults<gate_platform> {
  static constexpr cpu_id max_cpus = max_threads;
  [[nodiscard]] static cpu_id this_cpu() noexcept { return no_cpu; }  // every caller passes its number
  [[nodiscard]] static bool is_online(cpu_id) noexcept { return false; }
  static void send_stop_to(cpu_id, stop_how) noexcept {}
  [[noreturn]] static void park() noexcept { sleep_for_ever(); }
};

/// The steps of the thread that has the gate; a fault in one goes on at the next.
enum class report_step : uint32_t {
  capture_process = 1,  // a process that shares the memory reports
  core_alone,           // another one writes the core, where that one has died over the report
  capture_in_place,     // the crashing thread reports, where there is no such process
  last_words,           // a short report, where neither has come to its end
  end,                  // the original signal once more
  end_anyhow,
};

/// How far the report has come.
enum class progress_mark : uint32_t {
  none,
  stopping,
  said,  // its descriptor has it, its file perhaps not
  reported,
  told,  // what became of the core, too
  complete,
};

/// Whether the descriptor of the report is still what it was meant to be.
enum class report_descriptor : uint32_t { unknown, asked, right, wrong };

inline constexpr size_t path_room = 1024;

struct crash_state {
  panic_cpu<gate_platform> gate{};
  atomic<uint32_t> pid{};             // whose crash state this is; 0: of the process that asks first
  atomic<uint32_t> without_entry{};   // a thread that found no entry has come
  atomic<uint32_t> answers{};         // counts threads that have stopped: what the capture waits on
  atomic<uint32_t> enough_answers{};  // so many end that wait
  atomic<uint32_t> beats{};           // changes while the report goes on
  atomic<uint32_t> mark{};            // progress_mark: what the owner waits on
  atomic<uint32_t> capture_tid{};     // the capture process while it lives; the kernel clears it
  atomic<uint32_t> let_go{};          // the owner is about to die: 1
  atomic<uint32_t> handshake{};       // of a capture that begins, and a crash
  uint32_t held_by_ptrace = 0;
  report_descriptor descriptor = report_descriptor::unknown;
  int clone_error = 0;
  int capture_status = 0;                     // as wait4() says, of a capture process that has failed
  bool given_up = false;                      // it was stuck
  char core_words[2 * path_room + 400] = {};  // of a core that was written alone: its path comes twice
  thread_table threads{};

  void reach(progress_mark m) noexcept {
    mark.store(static_cast<uint32_t>(m), order::release);  // (1) release: pairs with acquire (2)
    wake_sleepers(mark.address());
  }
  [[nodiscard]] progress_mark reached() const noexcept {
    return static_cast<progress_mark>(mark.load(order::acquire));  // (2) acquire: pairs with release (1)
  }
  /// The signal that the capture process has died of; 0 where it has not. A core of it by the kernel is another bit.
  [[nodiscard]] int capture_signal() const noexcept { return capture_status & 0x7f; }
  /// A thread has stopped. The last one that is waited for wakes the capture: 1,000 wakes cost more than the stop.
  void answer() noexcept {
    const uint32_t n = answers.fetch_add(1, order::relaxed) + 1;  // relaxed: the thread's state publishes what it has
    if (static_cast<int32_t>(n - enough_answers.load(order::relaxed)) >= 0) wake_sleepers(answers.address());
  }
  void beat() noexcept { beats.fetch_add(1, order::relaxed); }  // publishes nothing
};

inline constexpr size_t capture_stack_bytes = 128 * 1024;
inline constexpr size_t report_room = 20 * 1024;

struct reporter_settings {
  crash_state* state = nullptr;  // null: not installed
  char* stack = nullptr;         // of the capture, with a guard page below
  crash_state* live = nullptr;   // of capture_now()
  char* live_stack = nullptr;
  char core_path[path_room] = {};
  char report_path[path_room] = {};
  char program[64] = {};
  char note[208] = {};
  uint64_t core_limit = 0;
  bool core_has_shared_memory = true;
  int report_fd = -1;
  bool report_fd_was_socket = false;
  int stop_signal = 0;
  stop_threads stop = stop_threads::by_signal;
  uint32_t stop_budget_ms = 0;
  uint32_t stall_budget_ms = 0;
  earlier_handlers earlier = earlier_handlers::refuse;
  bool (*first_chance)(int, siginfo_t*, void*) noexcept = nullptr;
  uint64_t signals = 0;              // a bit for each that is ours
  struct sigaction before[32] = {};  // of each of them
};

inline constinit reporter_settings settings{};

/// Whether this process may use the state: false in a child that shares its parent's memory.
[[nodiscard]] inline bool is_my_crash(crash_state& s) noexcept {
  uint32_t owner = 0;
  const uint32_t pid = own_pid();
  return s.pid.compare_exchange(owner, pid, order::relaxed, order::relaxed) || owner == pid;
}

/// Puts %p, %t, %e into a path.
inline void fill_in(text& out, const char* pattern, uint32_t pid) noexcept {
  for (; *pattern != '\0'; ++pattern) {
    if (*pattern != '%' || pattern[1] == '\0') {
      out.put(*pattern);
      continue;
    }
    timespec t{};
    switch (*++pattern) {
      case 'p':
        out << pid;
        break;
      case 't':
        kernel_call(SYS_clock_gettime, CLOCK_REALTIME, &t);
        out << static_cast<uint64_t>(t.tv_sec);
        break;
      case 'e':
        out << settings.program;
        break;
      default:
        out.put(*pattern);
    }
  }
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
