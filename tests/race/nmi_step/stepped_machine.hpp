// SPDX-License-Identifier: BSL-1.0
#pragma once
// The machine that is stepped: the POSIX port as it is shipped, with its ends replaced (nothing is executed or killed)
// and an anchor in each call that the library makes to it. A tracer runs CPU 0 at full speed to an anchor and steps
// from there, so that reaching instruction n does not take n steps.

#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/posix.hpp>

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "lab.hpp"
#include "thread_state.hpp"

namespace nmi_step {

/// CPU 0 stops here for its tracer when it is told to.
[[gnu::always_inline]] inline void anchor(const void* before_a_wait_for = nullptr) noexcept {
  if (lastcpu::posix_detail::this_thread_cpu != 0) return;
  if (before_a_wait_for != nullptr && shared->waited_for == before_a_wait_for) return;
  if (shared->anchors == shared->stop_at) asm volatile("int3");
  ++shared->anchors;
  shared->waited_for = before_a_wait_for;
}

inline const thread_state* state_of_cpu_0 = nullptr;

/// Waits, on CPU 1, until CPU 0 sleeps in the kernel or `is_wanted` says no. Not with a bound by the clock, which would lead it
/// to breakpoints: the watchdog ends what takes too long. It looks less and less often, for a tracer may hold CPU 0.
template <class IsWanted>
inline void await_sleep_of_cpu_0(IsWanted is_wanted) noexcept {
  shared->rival_only_looks = 1;
  for (timespec moment{0, 50'000}; is_wanted() && !state_of_cpu_0->sleeps(); moment.tv_nsec += moment.tv_nsec / 2) {
    if (moment.tv_nsec > 2'000'000) moment.tv_nsec = 2'000'000;
    nanosleep(&moment, nullptr);
  }
  shared->rival_only_looks = 0;
}

inline void has_stopped(lastcpu::cpu_id cpu) noexcept {
  if (cpu < 2) set_and_wake(cpu == 1 ? shared->settled : shared->cpu_0_stopped, 1);
}

/// Bounded: an NMI that does not stop CPU 0 is a failure, not a hang.
inline void report_until_cpu_0_has_stopped() noexcept {
  for (int i = 0; i < 30 && shared->cpu_0_stopped == 0; ++i) wait_while(shared->cpu_0_stopped, 0);
}

inline void call_rival() noexcept {
  set_and_wake(shared->go, 1);
  while (shared->settled == 0) wait_while(shared->settled, 0);
}

/// CPU 0 has given the gate back to a rival that waits: it goes on when it is asked to stop, so that it comes to its stop
/// handler each time.
inline void await_stop_by_rival() noexcept;

/// As the port waits, for CPU 1: but it does not come back every ten milliseconds, to breakpoints.
template <class T>
[[nodiscard]] bool wait_at_rest(const lastcpu::atomic<T>& w, T value) noexcept {
  const timespec bound{1, 0};
  lastcpu::posix_detail::sleep_counted(lastcpu::posix_detail::sleepers_near(w), w, value, [&] {
    call_futex(lastcpu::posix_detail::futex_half(w), FUTEX_WAIT_PRIVATE, static_cast<uint32_t>(value), &bound);
  });
  return true;
}

struct stepped : lastcpu::posix {
  static constexpr lastcpu::cpu_id max_cpus = 4;

  [[nodiscard]] static irq_state irq_save() noexcept {
    anchor();
    return posix::irq_save();
  }
  static void send_stop(const lastcpu::cpu_set<max_cpus>& cpus, lastcpu::stop_how how) noexcept {
    anchor();
    ++shared->stops_sent;
    const auto& o = lastcpu::posix_detail::machine.options;
    const int number = how == lastcpu::stop_how::nmi ? o.nmi_signal : o.irq_signal;
    cpus.for_each([number](lastcpu::cpu_id cpu) {
      const uint32_t tid = lastcpu::posix_detail::cpu_table[cpu].tid.load(lastcpu::order::acquire);
      if (tid != 0) syscall(SYS_tgkill, getpid(), tid, number);
    });
    if (this_cpu() == 1) set_and_wake(shared->rival_has_asked, 1);
  }
  template <class T>
  [[nodiscard]] static bool wait_while(const atomic<T>& w, T value, uint64_t at) noexcept {
    anchor(&w);                                                            // once, however often the wait returns early
    if constexpr (sizeof(T) != sizeof(uint32_t)) has_stopped(this_cpu());  // who waits for the gate has lost it
    if (this_cpu() == 1 && at != lastcpu::no_deadline) return wait_at_rest(w, value);
    return lastcpu::posix_detail::wait_while(w, value, at, 2);  // one time round the loop is as another
  }
  template <class T>
  static void wake(const atomic<T>& w, lastcpu::wake_reason why) noexcept {
    anchor();
    posix::wake(w, why);
    if (why == lastcpu::wake_reason::handed_on && this_cpu() == 0 && shared->play.rival_in_trial) await_stop_by_rival();
  }
  /// CPU 1 answers a stop no earlier than CPU 0 sleeps for it: the whole wait is there to be tried, each time. When it is
  /// itself to panic it does not wait: its tracer may hold CPU 0.
  static void make_resettable() noexcept {
    if (this_cpu() == 1) await_sleep_of_cpu_0([] { return shared->go == 0; });
  }

  [[nodiscard]] static bool image_intact(const image& i) noexcept {
    anchor();
    return i.size == good_image;
  }
  static void save_note(const image&, const lastcpu::cpu_note<registers>& from) noexcept {
    anchor();
    note_copy& to = shared->note[shared->notes++ % shared->note.size()];
    to.cpu = from.cpu;
    to.state = from.state;
    to.crashing = from.crashing;
    to.cut_short = from.cut_short;
    to.registers_valid = from.registers != nullptr;
    if (from.registers != nullptr) memcpy(&to.registers, from.registers, sizeof to.registers);
    copy_text(to.message, from.message);
    copy_text(to.nmi_message, from.nmi_message);
  }
  static void crash_shutdown(const registers&) noexcept { ++shared->shutdowns; }
  static void jump(const image&) noexcept { end(shared->jumps); }
  static void emergency_restart() noexcept { end(shared->restarts); }
  [[noreturn]] static void halt() noexcept { end(shared->halts); }

  static void trace(const lastcpu::trace_event& e) noexcept {
    using enum lastcpu::trace_kind;
    shared->tell(e);
    anchor();
    if (e.cpu == 1 && e.kind == claim_won) set_and_wake(shared->settled, 1);
    if (e.kind == parked) has_stopped(e.cpu);
    if (shared->play.rival_in_trial && e.kind == claim_won && e.value == static_cast<uint32_t>(lastcpu::phase::trial))
      call_rival();
  }

 private:
  [[noreturn]] static void end(word& which) noexcept {
    if (this_cpu() == 0) shared->over = 1;
    if (this_cpu() == 1) await_sleep_of_cpu_0([] { return true; });  // the way of CPU 0 to where it parks is tried, too
    anchor();
    ++which;
    shared->end_cpu = this_cpu();
    shared->end_in_nmi = this_cpu() == 0 && shared->nmis != shared->nmis_returned;
    _exit(0);
  }
};

struct stepped_policy : lastcpu::panic_policy {
  // Nobody here is ever silent: a rung that runs out is a failure, however loaded the test's machine is.
  static constexpr lastcpu::rung rungs[] = {{lastcpu::stop_how::irq, 5'000'000}, {lastcpu::stop_how::nmi, 5'000'000}};

  template <class Registers>
  static void report(const lastcpu::panic_info<Registers>& info) noexcept {
    ++shared->reports;
    if (info.cpu == 1 && shared->play.before == intruder::both_panic) report_until_cpu_0_has_stopped();
    copy_text(shared->report_message, info.message);
    if (info.registers != nullptr) memcpy(&shared->report_registers, info.registers, sizeof *info.registers);
  }
  template <class Report>
  static void notifiers(const Report&) noexcept {
    ++shared->notifiers;
  }
  template <class Messages>
  static void message_dump(const Messages&) noexcept {
    ++shared->dumps;
  }
  static void flush() noexcept { ++shared->flushes; }
};

using domain = lastcpu::crash_domain<stepped, stepped_policy>;

/// In memory that the tracer keeps: it reads messages, records and the gate of a machine that is dead.
struct shared_memory {
  lab facts;
  domain machine;
};
inline domain* machine = nullptr;

inline void await_stop_by_rival() noexcept {
  if (shared->go == 0 || machine->gate().on_this_cpu()) return;
  for (int i = 0; i < 20 && shared->rival_has_asked == 0; ++i) wait_while(shared->rival_has_asked, 0);
}

}  // namespace nmi_step
