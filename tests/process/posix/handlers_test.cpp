// SPDX-License-Identifier: BSL-1.0
// How the handlers are installed, seen by what that does: their stack, their mask, and the call that they interrupt.
#include "faults.hpp"
#include "machine.hpp"
#include "tight_stack.hpp"

#include "../../support/sanitizers.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace handlers_test {
namespace {

using namespace posix_test;

struct sighting {
  atomic<uint32_t> irqs, nmis;
  uint64_t mask;
  uintptr_t stack;
};
sighting seen;

void look() {
  seen.mask = current_mask();
  seen.stack = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}
void on_irq(const posix_registers&) noexcept {
  look();
  seen.irqs.fetch_add(1, order::release);
}
void on_nmi(const posix_registers&) noexcept {
  look();
  seen.nmis.fetch_add(1, order::release);
}
constexpr posix_options watched{.on_other_nmi = on_nmi, .on_other_irq = on_irq};

void send_myself(int signal) {
  syscall(SYS_tgkill, getpid(), gettid(), signal);
  posix_detail::let_pending_handlers_run();
}

[[nodiscard]] bool is_on_the_signal_stack(uintptr_t address) {
  stack_t s{};
  must(sigaltstack(nullptr, &s) == 0, "a signal stack");
  return address - reinterpret_cast<uintptr_t>(s.ss_sp) < s.ss_size;
}

/// Everything but these; libc keeps 32 and 33 out of every handler's mask.
[[nodiscard]] uint64_t all_but(std::initializer_list<int> more) {
  uint64_t mask = ~uint64_t{0};
  for (const int s : {SIGKILL, SIGSTOP, 32, 33}) mask &= ~bit(s);
  for (const int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) mask &= ~bit(s);
  for (const int s : more) mask &= ~bit(s);
  return mask;
}

TEST(handlers, of_the_stop_mask_exactly_what_is_no_fault_and_no_nmi) {
  const auto o = in_child([] {
    boot(the_machine<>);
    const cpu_guard cpu(0);
    posix_detail::machine.stop = [](void*, const posix_registers& regs, bool nmi) noexcept {
      nmi ? on_nmi(regs) : on_irq(regs);
    };
    send_myself(SIGUSR1);
    must(seen.irqs.load(order::acquire) == 1 && seen.mask == all_but({SIGUSR2}), "the interrupt's");
    send_myself(SIGUSR2);
    must(seen.nmis.load(order::acquire) == 1 && seen.mask == all_but({}), "the NMI's: itself, too");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

// A masked fault would kill the process in the middle of the stop.
TEST(handlers, of_the_stop_let_in_the_faults_that_their_thread_has_masked) {
  const auto o = in_child([] {
    boot(the_machine<>);
    const cpu_guard cpu(0);
    posix_detail::machine.stop = [](void*, const posix_registers& regs, bool) noexcept { on_nmi(regs); };
    const uint64_t faults = bit(SIGSEGV) | bit(SIGABRT);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &faults, nullptr, sizeof faults);
    send_myself(SIGUSR2);
    must(seen.nmis.load(order::acquire) == 1 && seen.mask == all_but({}), "in the handler");
    must((current_mask() & faults) == faults, "and masked as before behind it");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(handlers, of_faults_mask_exactly_what_is_no_fault_and_no_nmi) {
  const auto o = in_child([] {
    boot(the_machine<>);
    const cpu_guard cpu(0);
    posix_detail::machine.fault = [](void*, const char*, const posix_registers&, fault_response) noexcept {
      look();
      must(is_on_the_signal_stack(seen.stack), "on its own stack");
      _exit(seen.mask == all_but({SIGUSR2}) ? 0 : 1);
    };
    lastcpu_test_illegal();
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(handlers, of_the_stop_run_on_the_signal_stack_of_a_cpu) {
  const auto o = in_child([] {
    boot(the_machine<>, watched);
    const cpu_guard cpu(0);
    for (const int s : {SIGUSR1, SIGUSR2}) {
      send_myself(s);
      must(is_on_the_signal_stack(seen.stack), strsignal(s));
    }
    must(!is_on_the_signal_stack(reinterpret_cast<uintptr_t>(__builtin_frame_address(0))), "and only they");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

#if !defined(LASTCPU_TEST_UNDER_ASAN)  // which has frames of its own size

TEST(handlers, of_the_stop_need_nothing_of_a_stack_that_is_used_up) {
  for (const int s : {SIGUSR1, SIGUSR2}) {
    static int number;
    number = s;
    const auto o = in_child([] {
      boot(the_machine<>, watched);
      const cpu_guard cpu(0);
      send_myself(number);  // what it calls is bound: the dynamic linker needs more than this stack
      with_stack_of(1024, [] { send_myself(number); });
      must(seen.irqs.load(order::acquire) + seen.nmis.load(order::acquire) == 2, "it was handled");
    });
    EXPECT_TRUE(o.succeeded()) << strsignal(s) << ": " << o;
  }
}

#endif

[[nodiscard]] bool sleeps_in(pid_t tid, long call) {
  std::ifstream where("/proc/self/task/" + std::to_string(tid) + "/syscall");
  long number = -1;
  return (where >> number) && number == call;
}

// A program must not have to know that somebody else's crash handling interrupts its calls.
TEST(handlers, of_the_stop_let_the_call_go_on_that_they_interrupt) {
  const auto o = in_child([] {
    boot(the_machine<>, watched);
    static int ends[2];
    static atomic<uint32_t> done{};
    must(pipe(ends) == 0, "a pipe");
    start_cpu(1, [] {
      char c = 0;
      const ssize_t n = read(ends[0], &c, 1);
      must(n == 1 && c == 'x', "the call is not broken off");
      set_flag(done);
      sleep_for_ever();
    });
    const pid_t tid = tid_of(1);
    const auto interrupt_with = [tid](int s, atomic<uint32_t>& count) {
      must(eventually([tid] { return sleeps_in(tid, SYS_read); }), "it reads");
      syscall(SYS_tgkill, getpid(), tid, s);
      must(eventually([&] { return count.load(order::acquire) == 1; }), strsignal(s));
    };
    interrupt_with(SIGUSR1, seen.irqs);
    interrupt_with(SIGUSR2, seen.nmis);
    must(write(ends[1], "x", 1) == 1, "something to read");
    must(eventually([] { return done.load(order::acquire) == 1; }), "it goes on");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

}  // namespace
}  // namespace handlers_test
