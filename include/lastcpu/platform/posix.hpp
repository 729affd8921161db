// SPDX-License-Identifier: BSL-1.0
#pragma once
// A process as a machine: a thread is a CPU, a signal is an interrupt or an NMI, and the crash kernel is a capture
// program that the process becomes. For servers that want one clean crash report when 32 threads fault together, and to
// test with real concurrency what a kernel will run.
//
//     constinit lastcpu::crash_domain<lastcpu::posix> machine;
//     int main() {
//       if (std::string error = lastcpu::posix_install(machine); !error.empty()) ...
//       lastcpu::cpu_guard cpu;   // in every thread
//
// Linux. Hosted. Threads without a cpu_guard are not stopped; the start of the capture program ends them. The child of
// a fork is a new machine: the forking thread keeps its number, the gate is open, and the capture program is loaded with
// notes of its own. A child that the C library does not tell of (vfork, _Fork, a raw clone) is nobody's CPU: a fault in it
// kills it by default, and leaves its parent's machine alone. For a report and a core in five lines: crash_reporter.hpp.

#include <lastcpu/detail/begin.hpp>

#if !__STDC_HOSTED__
#error "lastcpu/platform/posix.hpp needs a hosted implementation; a kernel brings its own platform"
#endif

#include <lastcpu/platform.hpp>
#include <lastcpu/platform/posix/capture_program.hpp>
#include <lastcpu/platform/posix/cpu_guard.hpp>
#include <lastcpu/platform/posix/cpu_table.hpp>
#include <lastcpu/platform/posix/futex.hpp>
#include <lastcpu/platform/posix/last_resort.hpp>
#include <lastcpu/platform/posix/present_memory.hpp>
#include <lastcpu/platform/posix/registers.hpp>
#include <lastcpu/platform/posix/signals.hpp>
#include <lastcpu/platform/posix/step_alarm.hpp>

#include <errno.h>
#include <pthread.h>

#include <string>

namespace lastcpu {

/// The port for threads and signals. What is not said here, platform.hpp has.
struct posix {
  /// As many threads may have a number at a time.
  static constexpr cpu_id max_cpus = posix_detail::max_cpus;
  /// This thread's number; no_cpu without a cpu_guard. Async-signal-safe.
  [[nodiscard]] static cpu_id this_cpu() noexcept { return posix_detail::this_thread_cpu; }
  /// For threads without a number, when all max_cpus are taken.
  [[nodiscard]] static uint32_t hardware_id() noexcept { return static_cast<uint32_t>(syscall(SYS_gettid)); }
  /// The lowest free number, for a thread that panics without one.
  [[nodiscard]] static cpu_id adopt_this_cpu() noexcept { return posix_detail::take_any_cpu(); }
  /// One past the highest number that any thread had.
  [[nodiscard]] static cpu_id cpu_limit() noexcept { return posix_detail::limit_of(posix_detail::highest_cpu_ever); }
  /// A thread has this number.
  [[nodiscard]] static bool is_online(cpu_id cpu) noexcept {
    return posix_detail::is_taken(posix_detail::cpu_table[cpu]);
  }

  /// The compiler's own words.
  template <class T>
  using atomic = lastcpu::atomic<T>;

  ///@{
  /// The general registers of a thread; the caller's where a panic brings none.
  using registers = posix_registers;
  static void capture_registers(registers& r) noexcept { capture_caller_registers(r); }
  ///@}

  ///@{
  /// The kernel's signal mask: all but the NMI signal and the faults are masked between the two.
  using irq_state = uint64_t;
  [[nodiscard]] static irq_state irq_save() noexcept {
    const uint64_t off = posix_detail::irq_mask();
    uint64_t before = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &off, &before, sizeof off);
    posix_detail::let_faults_in();
    return before;
  }
  static void irq_restore(irq_state before) noexcept {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
  }
  ///@}

  /// One signal for each thread, by tgkill.
  static void send_stop(const cpu_set<max_cpus>& cpus, stop_how how) noexcept {
    const auto& o = posix_detail::machine.options;
    const int number = how == stop_how::nmi ? o.nmi_signal : o.irq_signal;
    const long pid = syscall(SYS_getpid);
    cpus.for_each([number, pid](cpu_id cpu) {
      uint32_t tid = posix_detail::cpu_table[cpu].tid.load(order::relaxed);  // nothing else is read on it
      if (tid == 0 || syscall(SYS_tgkill, pid, tid, number) == 0 || errno != ESRCH) return;
      // The thread has ended without its guard's destructor: it is gone, not silent.
      (void)posix_detail::cpu_table[cpu].tid.compare_exchange(tid, 0, order::relaxed, order::relaxed);
    });
  }

  /// Sleeps in the kernel, by futex; with a deadline it yields a few times first. Acquires what was stored before the
  /// change.
  template <class T>
  [[nodiscard]] static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    return posix_detail::wait_while(word, value, at);
  }
  /// Wakes nobody at the commit: losers that ran then, only to park, would delay the stop of the other threads.
  template <class T>
  static void wake(const atomic<T>& word, wake_reason why = wake_reason::handed_on) noexcept {
    if (why != wake_reason::committed) posix_detail::wake(word);
  }

  ///@{
  /// CLOCK_MONOTONIC, in nanoseconds.
  [[nodiscard]] static uint64_t now() noexcept { return posix_detail::monotonic_ns(); }
  [[nodiscard]] static uint64_t ticks_per_second() noexcept { return 1'000'000'000; }
  ///@}

  /// Nothing keeps an exec from working.
  static void make_resettable() noexcept {}

  /// Sleeps in the kernel for ever, with every signal masked.
  [[noreturn]] static void park() noexcept { posix_detail::sleep_for_good(); }

  ///@{
  /// A program in sealed memory; intact while its files are what they were.
  using image = capture_program;
  [[nodiscard]] static bool image_intact(const image& i) noexcept { return posix_detail::program_intact(i); }
  ///@}
  /// Appends a crash_note_record to the image's file of notes.
  static void save_note(const image& i, const cpu_note<registers>& note) noexcept {
    posix_detail::write_note(i.notes, note);
  }
  /// The kernel makes the process quiet.
  static void crash_shutdown(const registers&) noexcept {}
  /// Becomes the capture program, by exec; returns where the kernel refuses.
  static void jump(const image& i) noexcept {
    const auto& o = posix_detail::machine.options;
    posix_detail::become(i, {o.irq_signal, o.nmi_signal});
  }

  /// Dies of the first fault of this thread, as without lastcpu; of SIGABRT where there was none. In
  /// process 1 it returns, unless that was a SIGSEGV of the machine.
  static void emergency_restart() noexcept { posix_detail::die_of_first_fault(); }
  /// Dies of SIGKILL, or exits with 134 as process 1.
  [[noreturn]] static void halt() noexcept { posix_detail::die_anyhow(); }
};

static_assert(platform_checked<posix>);

namespace posix_detail {

/// For the child of a fork: its copies of the files of the parent's image, whatever state that is in.
template <class Slot>
[[nodiscard]] capture_program inherited_image(Slot& slot) noexcept {
  (void)slot.check();  // claims an image that a crash in the parent has reserved
  capture_program inherited;
  if (const capture_program* held = slot.held(); held != nullptr)
    inherited = *held;
  else
    (void)slot.unload(&inherited);
  return inherited;
}

/// The program is the child's, too; its notes are its own.
template <class Slot>
void keep_after_fork(Slot& slot, capture_program image) noexcept {
  if (image.program < 0) return;
  if (image.notes >= 0) close(image.notes);
  if (!make_notes(image) || slot.load(image) != decltype(slot.load(image))::loaded) close_capture_program(image);
}

template <class Domain>
void set_vectors(Domain& domain, const posix_options& options) noexcept {
  machine.stop = [](void* d, const posix_registers& regs, bool nmi) noexcept {
    auto& m = *static_cast<Domain*>(d);
    nmi ? m.handle_nmi(regs) : m.handle_stop_irq(regs);
  };
  machine.fault = [](void* d, const char* message, const posix_registers& regs, fault_response how) noexcept {
    auto& m = *static_cast<Domain*>(d);
    if (how == fault_response::oops) (void)m.crash_kexec(&regs, message);
    m.panic(message, &regs);
  };
  machine.forked = [](void* d) noexcept {
    const capture_program image = inherited_image(static_cast<Domain*>(d)->image());
    zero_after_fork(d, sizeof(Domain));  // a crash_domain begins as zeros
    keep_after_fork(static_cast<Domain*>(d)->image(), image);
  };
  machine.options = options;
  machine.domain = &domain;
  machine.pid = getpid();
}

/// The dynamic linker looks a function up at its first call, which takes longer than the stop of a thread. So what a
/// stop calls is called here once, or is syscall(). What comes after the stop (notes, capture program) may take longer.
inline void call_what_a_stop_calls() noexcept {
  [[maybe_unused]] volatile int of_libc = errno;
  [[maybe_unused]] volatile uint64_t of_the_vdso = monotonic_ns();
}

inline void after_fork_in_child() noexcept {
  restart_table_after_fork();
  forget_sleepers();
  machine.pid = getpid();
  if (machine.forked != nullptr) machine.forked(machine.domain);
}

}  // namespace posix_detail

/// Installs the signal handlers for `domain` and makes its memory present. Once per process, in quiet times, before the
/// first cpu_guard. Empty on success, else a sentence that says what is wrong with the options; then nothing is
/// changed.
template <class Domain>
[[nodiscard]] std::string posix_install(Domain& domain, const posix_options& options = {}) {
  const auto bad = [](int s) {
    return s <= 0 || s > SIGRTMAX || s == SIGKILL || s == SIGSTOP || (s >= 32 && s < SIGRTMIN);
  };
  for (const int s : {options.irq_signal, options.nmi_signal}) {
    const std::string name = "signal " + std::to_string(s);
    if (bad(s)) return name + " can't be handled; use SIGUSR1, SIGUSR2 or a real-time signal";
    for (const int f : posix_detail::fault_signals)
      if (s == f) return name + " reports faults; use SIGUSR1, SIGUSR2 or a real-time signal";
  }
  if (options.nmi_signal >= SIGRTMIN)
    return "signal " + std::to_string(options.nmi_signal) + " queues, and an NMI latches once; use SIGUSR1 or SIGUSR2";
  if (options.irq_signal == options.nmi_signal)
    return "irq and NMI are both signal " + std::to_string(options.irq_signal) + "; use two different ones";
  if (posix_detail::machine.domain != nullptr && posix_detail::machine.domain != &domain)
    return "another crash_domain is installed in this process already; a machine has one";
  if (posix_detail::machine.domain == nullptr &&
      pthread_atfork(nullptr, nullptr, posix_detail::after_fork_in_child) != 0)
    return "no memory for the fork handler";
  posix_detail::call_what_a_stop_calls();
  posix_detail::make_present(&domain, sizeof domain);
  posix_detail::make_present(posix_detail::sleepers, sizeof posix_detail::sleepers);
  posix_detail::set_vectors(domain, options);
  const char* why = posix_detail::set_handlers(options);
  return why != nullptr ? why : "";
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
