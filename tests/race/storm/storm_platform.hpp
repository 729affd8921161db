// SPDX-License-Identifier: BSL-1.0
#pragma once
// lastcpu::posix with three differences: every shared access may be delayed, everything is written down, and the
// crash kernel is a check of what it would have found. Real threads, real signals.

#include "area.hpp"
#include "chaos.hpp"
#include "cpu_watch.hpp"

#include <lastcpu/platform/posix.hpp>
#include <lastcpu/step.hpp>

namespace storm {

template <class T>
class storm_atomic {
 public:
  constexpr storm_atomic() noexcept = default;
  constexpr explicit storm_atomic(T value) noexcept : word_(value) {}

  [[nodiscard]] T load(order o) const noexcept {
    disturb();
    return word_.load(o);
  }
  void store(T value, order o) noexcept {
    disturb();
    word_.store(value, o);
  }
  [[nodiscard]] bool compare_exchange(T& expected, T desired, order success, order failure) noexcept {
    disturb();
    return word_.compare_exchange(expected, desired, success, failure);
  }
  [[nodiscard]] const lastcpu::atomic<T>& inner() const noexcept { return word_; }

 private:
  lastcpu::atomic<T> word_{};
};

/// A crash image that tells whether it is whole and one that somebody made.
struct storm_image {
  uint64_t generation;
  uint64_t words[6];
};
[[nodiscard]] storm_image make_image(uint64_t generation) noexcept;
[[nodiscard]] bool is_whole(const storm_image&) noexcept;

/// Registers that tell whose they are and whether they are whole. Those of a signal can't be checked so closely.
[[nodiscard]] lastcpu::posix_registers marked_registers(cpu_id) noexcept;
[[nodiscard]] bool look_whole(const lastcpu::posix_registers&, cpu_id) noexcept;

/// What only the design can answer; set before the CPUs start.
struct design_hooks {
  bool (*holds_gate)(cpu_id) noexcept = nullptr;           // null: the design has no gate
  void (*notes_begin)() noexcept = nullptr;                // null: the design keeps no messages
  void (*keep_all_notes)() noexcept = nullptr;             // where there is no crash kernel to tell
  void (*stop_again)() noexcept = nullptr;                 // null: not in this scenario
  lastcpu::step notes_step = lastcpu::step::message_dump;  // in which they are kept where there is no crash kernel
};
inline design_hooks hooks;

enum class trial_end : int { dump = 10, restart, halt, at_rest, broken };

[[noreturn]] void end_trial(trial_end) noexcept;

struct storm_platform : lastcpu::posix {
  static constexpr cpu_id max_cpus = cpu_count;

  template <class T>
  using atomic = storm_atomic<T>;

  [[nodiscard]] static cpu_id cpu_limit() noexcept { return cpu_count; }
  [[nodiscard]] static bool is_online(cpu_id cpu) noexcept { return cpu < cpu_count && posix::is_online(cpu); }

  static void send_stop(const lastcpu::cpu_set<max_cpus>& cpus, lastcpu::stop_how how) noexcept;

  template <class T>
  [[nodiscard]] static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    disturb();
    if (at != lastcpu::no_deadline) return wait_until(word.inner(), value, at);
    enter_state(this_cpu(), cpu_state::waiting);
    while (word.inner().load(order::acquire) == value)  // a sleep that ends for nothing is no activity
      (void)lastcpu::posix_detail::wait_while(word.inner(), value, at);
    enter_state(this_cpu(), cpu_state::running);
    return true;
  }
  template <class T>
  static void wake(const atomic<T>& word, lastcpu::wake_reason why) noexcept {
    disturb();
    posix::wake(word.inner(), why);
  }

  static void make_resettable() noexcept { disturb(); }
  [[noreturn]] static void park() noexcept {
    enter_state(this_cpu(), cpu_state::parked);
    posix::park();
  }

  using image = storm_image;
  [[nodiscard]] static bool image_intact(const image& i) noexcept;
  static void save_note(const image&, const lastcpu::cpu_note<registers>&) noexcept;
  static void crash_shutdown(const registers&) noexcept;
  static void jump(const image&) noexcept;
  static void emergency_restart() noexcept;
  [[noreturn]] static void halt() noexcept;

  static void trace(const lastcpu::trace_event& e) noexcept;

 private:
  // Time that nobody could use passes at once: when everybody else is at rest, only the deadline can come.
  template <class T>
  [[nodiscard]] static bool wait_until(const lastcpu::atomic<T>& word, T value, uint64_t at) noexcept {
    static constexpr uint64_t real_ns = 2'000'000;
    const uint64_t soon = now() + real_ns;
    if (at <= soon) return lastcpu::posix_detail::wait_while(word, value, at);
    (void)lastcpu::posix_detail::wait_while(word, value, soon);
    return word.load(order::acquire) != value || !others_are_at_rest(this_cpu());
  }
};

static_assert(lastcpu::platform_checked<storm_platform>);

/// Keeps what a design knows of one CPU for the judge.
void keep_note(const lastcpu::cpu_note<lastcpu::posix_registers>&) noexcept;

}  // namespace storm
