// SPDX-License-Identifier: BSL-1.0
#pragma once
// What happens on a fatal signal: one thread gets the gate and reports, every other one that crashes waits for the end
// of the process, and the original signal comes once more.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/capture_process.hpp>

#include <signal.h>
#include <ucontext.h>

namespace lastcpu::reporter_detail {

[[nodiscard]] constexpr uint64_t bit_of(int number) noexcept {
  return uint64_t{1} << (number - 1);
}
[[nodiscard]] inline uint64_t mask_of(const void* set) noexcept {
  uint64_t mask = 0;
  copy_bytes(&mask, set, sizeof mask);
  return mask;
}

/// The thread's own signal once more, with its siginfo.
inline void send_again(int number, const siginfo_t& info) noexcept {
  const uint32_t pid = own_pid(), tid = own_tid();
  if (kernel_call(SYS_rt_tgsigqueueinfo, pid, tid, number, &info) < 0) kernel_call(SYS_tgkill, pid, tid, number);
}

/// Process 1 of a container is not killed by a signal that it sends itself.
[[noreturn]] inline void end_anyhow(int number) noexcept {
  kernel_call(SYS_kill, own_pid(), SIGKILL);
  for (;;) kernel_call(SYS_exit_group, 128 + number);
}

/// Ends the process by its signal, with the registers of the crash: the signal is queued and comes with the return from
/// the handler, in the interrupted instruction, and the kernel's own core is as without us.
inline void end_by_return(int number, const siginfo_t& info, ucontext_t& context) noexcept {
  set_mask(every_signal);
  reset_signal(number);
  const bool faults_again = is_of_the_machine(info) && number != SIGTRAP;  // which comes behind its instruction
  if (own_pid() == 1 && !faults_again) end_anyhow(number);
  const uint64_t all_but_this = every_signal & ~bit_of(number);
  copy_bytes(&context.uc_sigmask, &all_but_this, sizeof all_but_this);
  if (own_pid() != 1) send_again(number, info);
}

/// The same out of a fault in the handler itself.
inline void end_here(int number, const siginfo_t& info) noexcept {
  reset_signal(number);
  send_again(number, info);
  set_mask(every_signal & ~bit_of(number));
}

[[nodiscard]] inline bool begin(crash_state& s, report_step step, cpu_id me) noexcept {
  return s.gate.begin_step(static_cast<uint32_t>(step), phase::dumping, me) == step_outcome::begun;
}

extern "C" inline void lastcpu_on_crash_stop(int, siginfo_t*, void* context) noexcept;

/// Called at the installation, and at the crash once more: the program may have taken the signal since.
inline void take_stop_signal() noexcept {
  struct sigaction how {};
  how.sa_sigaction = lastcpu_on_crash_stop;
  how.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigfillset(&how.sa_mask);
  sigaction(settings.stop_signal, &how, nullptr);
}

/// Calls a handler that was there before, with the mask that it would have had.
inline void call_earlier(const struct sigaction& before, int number, siginfo_t* info, ucontext_t* context) noexcept {
  const uint64_t own = (before.sa_flags & SA_NODEFER) != 0 ? 0 : bit_of(number);
  set_mask(mask_of(&context->uc_sigmask) | mask_of(&before.sa_mask) | own);
  if ((before.sa_flags & SA_SIGINFO) != 0)
    before.sa_sigaction(number, info, context);
  else
    before.sa_handler(number);
}
[[nodiscard]] inline bool is_handler(const struct sigaction& a) noexcept {
  return a.sa_handler != SIG_DFL && a.sa_handler != SIG_IGN;
}

/// The earlier handler behind the report. What it does to end the process, an abort() for example, ends it.
inline void call_last(int number, siginfo_t* info, ucontext_t* context) noexcept {
  if (settings.earlier != earlier_handlers::call_last || !is_handler(settings.before[number])) return;
  for (const int f : posix_detail::fault_signals)
    if ((settings.signals & bit_of(f)) != 0) reset_signal(f);
  call_earlier(settings.before[number], number, info, context);
}

/// The thread that has the gate. `context` is null in a fault of the report itself. Returns where the signal is about
/// to come again.
inline void report_and_end(crash_state& s, cpu_id me, ucontext_t* context) noexcept {
  crash_thread& t = s.threads[me];
  const int number = t.fault.si_signo;
  if (begin(s, report_step::capture_process, me)) {
    take_stop_signal();
    end_live_capture();
    report_by_process(s, {&s, me, nullptr}, settings.stack);
  }
  if (begin(s, report_step::core_alone, me)) write_core_alone(s, me);
  if (begin(s, report_step::capture_in_place, me)) report_in_place(s, me);
  if (begin(s, report_step::last_words, me)) say_last_words(s, me);
  if (begin(s, report_step::end, me)) {
    if (context != nullptr) return call_last(number, &t.fault, context), end_by_return(number, t.fault, *context);
    end_here(number, t.fault);
  }
  end_anyhow(number);
}

/// Who crashes keeps what it knows before it asks for the gate: the report has it, whoever wins.
[[nodiscard]] inline cpu_id keep_crash(crash_state& s, const siginfo_t& info, const ucontext_t* context) noexcept {
  cpu_id me = s.threads.find_or_add(own_tid());
  if (me == max_threads && s.without_entry.fetch_add(1, order::relaxed) != 0 && !s.gate.read().is_held_by(me))
    sleep_for_ever();  // the table is full of threads that crash: one of them reports
  crash_thread& t = s.threads[me];
  if (t.fault.si_signo != 0) return me;  // a fault in the handler
  t.context = context;
  t.thread_base = thread_pointer();
  kernel_call(SYS_prctl, PR_GET_NAME, t.name);
  copy_bytes(&t.fault, &info, sizeof info);
  t.become(thread_state::crashed);
  s.answer();
  return me;
}

/// Asks a handler that was there before. True when it has taken care of it; one that gives up resets the signal. Leaves the
/// mask that it ran with.
[[nodiscard]] inline bool earlier_one_recovers(int number, siginfo_t* info, void* context,
                                               void (*ours)(int, siginfo_t*, void*)) noexcept {
  const struct sigaction& before = settings.before[number];
  if (!is_handler(before)) return false;
  call_earlier(before, number, info, static_cast<ucontext_t*>(context));
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && now.sa_sigaction == ours;
}

/// Sent to the process, by a watchdog for example, or by another of its threads; not an abort() of this one.
[[nodiscard]] inline bool comes_from_outside(const siginfo_t& info) noexcept {
  return info.si_code <= 0 && (info.si_code != SI_TKILL || static_cast<uint32_t>(info.si_pid) != own_pid());
}

/// An abort() of this process's own, which no earlier handler is asked about: where one returns the C library ends the
/// process, and a runtime's may end it itself, as Go's does, in each case without a report. A program that leaves an
/// abort() by siglongjmp() does so in first_chance, which is asked about all.
[[nodiscard]] inline bool is_own_abort(int number, const siginfo_t& info) noexcept {
  return number == SIGABRT && !comes_from_outside(info);
}

extern "C" inline void lastcpu_on_crash(int number, siginfo_t* info, void* context) noexcept;

[[gnu::noinline]] inline void handle_crash(int number, siginfo_t* info, void* context) noexcept {
  const int saved_errno = errno;
  crash_state& s = *settings.state;
  auto* where = static_cast<ucontext_t*>(context);
  if (!is_my_crash(s)) return end_by_return(number, *info, *where);
  const bool begun = s.gate.read().is_committed();
  if (!begun && settings.first_chance != nullptr && settings.first_chance(number, info, context))
    return void(errno = saved_errno);
  if (!begun && settings.earlier == earlier_handlers::ask_first && !is_own_abort(number, *info) &&
      earlier_one_recovers(number, info, context, lastcpu_on_crash))
    return void(errno = saved_errno);
  set_mask(every_signal & ~settings.signals);  // who stands in front of us may have called with another mask
  const cpu_id me = keep_crash(s, *info, where);
  switch (s.gate.claim(hold::final, me).outcome) {
    case claim_outcome::won:
      return report_and_end(s, me, where);
    case claim_outcome::mine_already:
      if (comes_from_outside(*info)) return void(errno = saved_errno);  // the report goes on
      return report_and_end(s, me, nullptr);
    default:
      sleep_for_ever();
  }
}

/// What a handler of any copy of this reporter, of any version, has at its beginning: two libraries of a process that were
/// built apart know each other by it. The alignment keeps a handler that stands in front of ours from being taken for it.
#define LASTCPU_REPORTER_MARK "lastcpu:reporter"
inline constexpr size_t marked_alignment = 256;

/// Installed for each signal.
extern "C" [[gnu::aligned(marked_alignment)]] inline void lastcpu_on_crash(int number, siginfo_t* info,
                                                                           void* context) noexcept {
#if defined(__x86_64__)
  asm volatile("jmp 1f\n\t.ascii \"" LASTCPU_REPORTER_MARK "\"\n1:");
#elif defined(__aarch64__)
  asm volatile("b 1f\n\t.ascii \"" LASTCPU_REPORTER_MARK "\"\n1:");  // 16 bytes: what follows is aligned
#endif
  handle_crash(number, info, context);
}

/// Whether this handler is one of a crash reporter, of this copy or another one.
[[nodiscard]] inline bool is_of_a_reporter(uintptr_t handler) noexcept {
  constexpr char mark[] = LASTCPU_REPORTER_MARK;
  char code[192];  // before the mark come what a sanitizer or a profiler adds to each function
  if (handler % marked_alignment != 0 || !read_memory(handler, code, sizeof code)) return false;
  for (size_t at = 0; at + sizeof mark - 1 <= sizeof code; ++at) {
    size_t n = 0;
    while (n < sizeof mark - 1 && code[at + n] == mark[n]) ++n;
    if (n == sizeof mark - 1) return true;
  }
  return false;
}
#undef LASTCPU_REPORTER_MARK

extern "C" inline void lastcpu_on_crash_stop(int, siginfo_t*, void* context) noexcept {
  crash_state* s = settings.state;
  if (s == nullptr || s->pid.load(order::relaxed) != own_pid() || !s->gate.read().is_committed()) return;
  const cpu_id me = s->threads.find(own_tid());
  if (me < max_threads) {
    crash_thread& t = s->threads[me];
    t.context = static_cast<const ucontext_t*>(context);
    t.thread_base = thread_pointer();
    kernel_call(SYS_prctl, PR_GET_NAME, t.name);
    if (t.now() == thread_state::asked) t.become(thread_state::by_signal);
    s->answer();
  }
  sleep_for_ever();
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
