// SPDX-License-Identifier: BSL-1.0
// posix_install(): what it refuses, and that it changes nothing then.
#include "machine.hpp"
#include "sandbox.hpp"

#include <errno.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace install_test {
namespace {

using namespace posix_test;

struct kernel_action {
  void* handler;
  unsigned long flags;
  void* restorer;
  uint64_t mask;
  bool operator==(const kernel_action&) const = default;
};

// Of all signals, libc's own included.
[[nodiscard]] std::vector<kernel_action> all_actions() {
  std::vector<kernel_action> all(64);
  for (int s = 1; s <= 64; ++s) syscall(SYS_rt_sigaction, s, nullptr, &all[static_cast<size_t>(s - 1)], 8);
  return all;
}

[[nodiscard]] posix_options signals_of(int irq, int nmi) {
  posix_options o;
  o.irq_signal = irq;
  o.nmi_signal = nmi;
  return o;
}

void expect_refused(const posix_options& options, const std::string& sentence) {
  const outcome o = in_child([&] {
    const auto before = all_actions();
    const std::string error = posix_install(the_machine<>, options);
    must(error.find(sentence) != std::string::npos, ("'" + error + "' has '" + sentence + "'").c_str());
    must(all_actions() == before, "no handler changed");
    must(posix_detail::machine.domain == nullptr, "no domain is installed");
    must(posix_detail::machine.options.irq_signal == 0, "no options are kept");
    must_be_empty(posix_install(the_machine<>));
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

constexpr char use_another[] = "; use SIGUSR1, SIGUSR2 or a real-time signal";

TEST(posix_install, refuses_signals_that_no_process_can_handle) {
  for (const int s : {SIGKILL, SIGSTOP, 0, -1, 65, 1000}) {
    const std::string sentence = "signal " + std::to_string(s) + " can't be handled" + use_another;
    expect_refused(signals_of(s, SIGUSR2), sentence);
    expect_refused(signals_of(SIGUSR1, s), sentence);
  }
}

TEST(posix_install, refuses_the_signals_that_libc_keeps_for_itself) {
  for (int s = 32; s < SIGRTMIN; ++s) {
    const std::string sentence = "signal " + std::to_string(s) + " can't be handled" + use_another;
    expect_refused(signals_of(s, SIGUSR2), sentence);
    expect_refused(signals_of(SIGUSR1, s), sentence);
  }
}

TEST(posix_install, refuses_a_fault_signal) {
  for (const int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) {
    const std::string sentence = "signal " + std::to_string(s) + " reports faults" + use_another;
    expect_refused(signals_of(s, SIGUSR2), sentence);
    expect_refused(signals_of(SIGUSR1, s), sentence);
  }
}

TEST(posix_install, refuses_an_nmi_that_queues) {
  for (const int s : {SIGRTMIN, SIGRTMAX})
    expect_refused(signals_of(SIGUSR1, s),
                   "signal " + std::to_string(s) + " queues, and an NMI latches once; use SIGUSR1 or SIGUSR2");
}

TEST(posix_install, refuses_one_signal_for_both) {
  expect_refused(signals_of(SIGUSR2, SIGUSR2), "irq and NMI are both signal 12; use two different ones");
}

TEST(posix_install, names_of_one_queueing_signal_for_both_what_mends_both) {
  expect_refused(signals_of(SIGRTMIN, SIGRTMIN),
                 "signal " + std::to_string(SIGRTMIN) + " queues, and an NMI latches once; use SIGUSR1 or SIGUSR2");
}

TEST(posix_install, takes_the_first_and_the_last_signal_that_can_be_handled) {
  for (const auto& [irq, nmi] : {std::pair{SIGHUP, SIGUSR2}, {SIGUSR1, SIGHUP}, {SIGRTMIN, 30}, {SIGRTMAX, 30}}) {
    const outcome o = in_child([irq = irq, nmi = nmi] {
      static atomic<uint32_t> irqs{}, nmis{};
      posix_options options = signals_of(irq, nmi);
      options.on_other_irq = [](const posix_registers&) noexcept { irqs.fetch_add(1, order::release); };
      options.on_other_nmi = [](const posix_registers&) noexcept { nmis.fetch_add(1, order::release); };
      boot(the_machine<>, options);
      const cpu_guard cpu(0);
      for (const int s : {irq, nmi}) {
        syscall(SYS_tgkill, getpid(), gettid(), s);
        posix_detail::let_pending_handlers_run();
      }
      must(eventually([] { return irqs.load(order::acquire) == 1 && nmis.load(order::acquire) == 1; }), "both arrive");
    });
    EXPECT_TRUE(o.succeeded()) << irq << " and " << nmi << ": " << o;
  }
}

TEST(posix_install, a_second_time_for_the_same_domain_changes_its_options) {
  const outcome o = in_child([] {
    boot(the_machine<>);
    boot(the_machine<>, signals_of(SIGRTMIN, SIGWINCH));
    must(posix_detail::machine.options.irq_signal == SIGRTMIN, "the new ones");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

/// The kernel refuses sigaction() for this signal.
void refuse_handlers_of(int signal) {
  answer_call_with(SYS_rt_sigaction, SECCOMP_RET_ERRNO | EPERM, static_cast<uint32_t>(signal));
}

TEST(posix_install, says_which_signal_the_kernel_refuses) {
  const std::pair<int, const char*> sentences[] = {{SIGUSR1, "the irq signal can't be handled"},
                                                   {SIGUSR2, "the NMI signal can't be handled"},
                                                   {SIGSEGV, "a fault signal can't be handled"},
                                                   {SIGABRT, "a fault signal can't be handled"}};
  for (const auto& [signal, sentence] : sentences) {
    const outcome o = in_child([signal = signal, sentence = sentence] {
      refuse_handlers_of(signal);
      const std::string error = posix_install(the_machine<>);
      must(error == sentence, error.c_str());
    });
    EXPECT_TRUE(o.succeeded()) << o;
  }
}

TEST(posix_install, refuses_a_second_domain) {
  const outcome o = in_child([] {
    static constinit crash_domain<posix> second{};
    boot(the_machine<>);
    const auto before = all_actions();
    const std::string error = posix_install(second);
    must(error == "another crash_domain is installed in this process already; a machine has one", error.c_str());
    must(all_actions() == before, "no handler changed");
    must(posix_detail::machine.domain == &the_machine<>, "the first one stays");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(posix_install, handles_the_two_stop_signals_and_the_faults_and_no_other) {
  const outcome o = in_child([] {
    const auto before = all_actions();
    boot(the_machine<>, signals_of(SIGRTMIN, SIGWINCH));
    const auto after = all_actions();
    for (int s = 1; s <= 64; ++s) {
      bool wanted = s == SIGRTMIN || s == SIGWINCH;
      for (const int f : posix_detail::fault_signals) wanted = wanted || s == f;
      must((before[static_cast<size_t>(s - 1)] != after[static_cast<size_t>(s - 1)]) == wanted, strsignal(s));
    }
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(posix_install, leaves_faults_alone_when_told_so) {
  const outcome o = in_child([] {
    const auto before = all_actions();
    boot(the_machine<>, {.on_fault = fault_response::none});
    const auto after = all_actions();
    for (const int f : posix_detail::fault_signals)
      must(before[static_cast<size_t>(f - 1)] == after[static_cast<size_t>(f - 1)], strsignal(f));
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

}  // namespace
}  // namespace install_test
