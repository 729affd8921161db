// SPDX-License-Identifier: BSL-1.0
// Signals as interrupts and NMIs, in quiet times.
#include "machine.hpp"

#include <errno.h>
#include <gtest/gtest.h>

namespace signals_test {
namespace {

using namespace posix_test;

// What on_other_nmi and on_other_irq saw.
struct sightings {
  atomic<uint32_t> nmis, irqs, depth, deepest;
  uint64_t nmi_mask, irq_mask;
  uint32_t sent;
  posix_registers regs;
};
sightings seen;

void on_nmi(const posix_registers& regs) noexcept {
  const uint32_t depth = seen.depth.fetch_add(1, order::relaxed) + 1;
  if (depth > seen.deepest.load(order::relaxed)) seen.deepest.store(depth, order::relaxed);
  seen.nmi_mask = current_mask();
  seen.regs = regs;
  if (seen.nmis.fetch_add(1, order::relaxed) == 0)
    for (; seen.sent < 3; ++seen.sent) syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2);
  errno = EXDEV;
  seen.depth.fetch_add(~0u, order::relaxed);
}

void on_irq(const posix_registers&) noexcept {
  seen.irq_mask = current_mask();
  seen.irqs.fetch_add(1, order::relaxed);
  errno = EXDEV;
}

template <class F>
outcome on_a_quiet_machine(F body) {
  return in_child([&] {
    boot(the_machine<>, {.on_other_nmi = on_nmi, .on_other_irq = on_irq});
    const cpu_guard cpu(0);
    body();
  });
}

void send_myself(int signal) {
  syscall(SYS_tgkill, getpid(), gettid(), signal);
  posix_detail::let_pending_handlers_run();
}

TEST(signals, an_nmi_that_comes_in_its_own_handler_latches_exactly_once) {
  const outcome o = on_a_quiet_machine([] {
    send_myself(SIGUSR2);  // the first handler sends three more
    must(eventually([] { return seen.nmis.load(order::relaxed) >= 2; }), "the latched NMI comes");
    must(seen.sent == 3, "three were sent");
    sleep_ms(20);
    must(seen.nmis.load(order::relaxed) == 2, "one came of three");
    must(seen.deepest.load(order::relaxed) == 1, "never inside its own handler");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, an_nmi_is_masked_in_its_own_handler_only) {
  const outcome o = on_a_quiet_machine([] {
    must((current_mask() & bit(SIGUSR2)) == 0, "open in quiet times");
    const auto before = posix::irq_save();
    must((current_mask() & bit(SIGUSR2)) == 0, "open with interrupts off");
    seen.sent = 3;
    send_myself(SIGUSR2);
    must(eventually([] { return seen.nmis.load(order::relaxed) == 1; }), "it comes with interrupts off");
    must((seen.nmi_mask & bit(SIGUSR2)) != 0, "masked inside");
    posix::irq_restore(before);
    must((current_mask() & bit(SIGUSR2)) == 0, "open again");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, an_interrupt_waits_until_interrupts_are_on_again) {
  const outcome o = on_a_quiet_machine([] {
    const auto before = posix::irq_save();
    send_myself(SIGUSR1);
    sleep_ms(10);
    must(seen.irqs.load(order::relaxed) == 0, "held back");
    posix::irq_restore(before);
    must(eventually([] { return seen.irqs.load(order::relaxed) == 1; }), "comes then");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, interrupts_off_masks_everything_but_the_nmi_and_the_faults) {
  const outcome o = on_a_quiet_machine([] {
    (void)posix::irq_save();
    uint64_t expected = ~uint64_t{0};
    for (const int s : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT, SIGUSR2, SIGKILL, SIGSTOP})
      expected &= ~bit(s);
    must(current_mask() == expected, "that mask and no other");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, interrupts_are_restored_to_exactly_what_they_were) {
  const outcome o = on_a_quiet_machine([] {
    for (const uint64_t mask : {uint64_t{0}, bit(SIGALRM) | bit(SIGUSR2), ~uint64_t{0} & ~bit(SIGUSR1)}) {
      syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
      const uint64_t start = current_mask();
      const auto outer = posix::irq_save();
      const uint64_t off = current_mask();
      const auto inner = posix::irq_save();
      must(current_mask() == off, "off is off");
      posix::irq_restore(inner);
      must(current_mask() == off, "the inner one restores off");
      posix::irq_restore(outer);
      must(current_mask() == start, "the outer one restores the start");
    }
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

// No handler of the program may run on top of a stop handler: it would run on a CPU that says it has stopped.
TEST(signals, a_stop_handler_runs_with_interrupts_off) {
  const outcome o = on_a_quiet_machine([] {
    seen.sent = 3;
    send_myself(SIGUSR2);
    send_myself(SIGUSR1);
    must(eventually([] { return seen.nmis.load(order::relaxed) == 1 && seen.irqs.load(order::relaxed) == 1; }), "both");
    for (const int s : {SIGALRM, SIGTERM, SIGUSR1, SIGCHLD, SIGRTMIN}) {
      must((seen.nmi_mask & bit(s)) != 0, strsignal(s));
      must((seen.irq_mask & bit(s)) != 0, strsignal(s));
    }
    must((seen.irq_mask & bit(SIGUSR2)) == 0, "an NMI may interrupt the interrupt handler");
    for (const uint64_t mask : {seen.irq_mask, seen.nmi_mask})
      must((mask & (bit(SIGSEGV) | bit(SIGABRT))) == 0, "a fault in a handler is seen");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

// ThreadSanitizer's runtime keeps one mask per thread for all the handlers that it runs late. An NMI that came in between
// left the thread with everything masked: a CPU that nobody could stop.
TEST(signals, an_nmi_inside_the_interrupt_handler_leaves_the_mask_as_it_was) {
  static uint32_t nmis_inside;
  static constexpr auto on_open_irq = [](const posix_registers&) noexcept {
    const uint64_t nmi = bit(SIGUSR2);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &nmi, nullptr, sizeof nmi);  // as it is, but where a runtime masks it
    send_myself(SIGUSR2);
    nmis_inside = seen.nmis.load(order::relaxed);
  };
  const outcome o = in_child([] {
    boot(the_machine<>, {.on_other_nmi = on_nmi, .on_other_irq = on_open_irq});
    const cpu_guard cpu(0);
    seen.sent = 3;
    const uint64_t before = current_mask();
    send_myself(SIGUSR1);
    must(nmis_inside == 1, "the NMI comes inside the handler");
    must(current_mask() == before, "the mask is what it was");
    send_myself(SIGUSR2);
    must(seen.nmis.load(order::relaxed) == 2, "the next NMI gets through");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, no_interrupt_is_handled_while_interrupts_are_off) {
  static volatile bool off, handled_while_off;
  static constexpr auto on_any_irq = [](const posix_registers&) noexcept {
    if (off) handled_while_off = true;
    seen.irqs.fetch_add(1, order::relaxed);
  };
  const outcome o = in_child([] {
    boot(the_machine<>, {.on_other_irq = on_any_irq});
    const cpu_guard cpu(0);
    syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);  // ThreadSanitizer's runtime may keep it until they are off
    const auto before = posix::irq_save();
    off = true;
    posix_detail::let_pending_handlers_run();
    off = false;
    posix::irq_restore(before);
    must(!handled_while_off, "held back");
    must(seen.irqs.load(order::relaxed) == 1, "and not lost");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, a_stop_handler_leaves_errno_as_it_was) {
  const outcome o = on_a_quiet_machine([] {
    seen.sent = 3;
    errno = E2BIG;
    send_myself(SIGUSR2);
    send_myself(SIGUSR1);
    const int after = errno;
    must(eventually([] { return seen.nmis.load(order::relaxed) == 1 && seen.irqs.load(order::relaxed) == 1; }), "both");
    must(after == E2BIG, "errno is what it was");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, an_nmi_that_nobody_sent_is_handed_on_with_its_registers) {
  const outcome o = on_a_quiet_machine([] {
    seen.sent = 3;
    send_myself(SIGUSR2);
    must(eventually([] { return seen.nmis.load(order::relaxed) == 1; }), "it came");
    const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    must(seen.regs.pc != 0 && seen.regs.sp < here + 4096 && seen.regs.sp > here - (1u << 20), "of this thread");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, a_stop_signal_that_nobody_wants_is_ignored_on_a_cpu_and_elsewhere) {
  const outcome o = in_child([] {
    boot(the_machine<>);
    const auto disturb = [] {
      for (const int s : {SIGUSR1, SIGUSR2}) send_myself(s);
    };
    disturb();
    const cpu_guard cpu(0);
    disturb();
    must(the_machine<>.gate().read().is_open(), "the gate is open");
    must(!the_machine<>.cpus().acknowledged(0), "nobody stopped");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(signals, every_fault_is_described_by_its_name_and_address) {
  const auto text = [](int number, uintptr_t address = 0xabc0) {
    siginfo_t info{};
    info.si_signo = number;
    info.si_code = 1;
    info.si_addr = reinterpret_cast<void*>(address);
    char out[48];
    posix_detail::describe_fault(out, info);
    return std::string(out);
  };
  EXPECT_EQ(text(SIGSEGV), "SIGSEGV at 0xabc0");
  EXPECT_EQ(text(SIGSEGV, 0), "SIGSEGV at 0x0");
  EXPECT_EQ(text(SIGSEGV, ~uintptr_t{0}), "SIGSEGV at 0xffffffffffffffff");
  EXPECT_EQ(text(SIGBUS), "SIGBUS at 0xabc0");
  EXPECT_EQ(text(SIGILL), "SIGILL at 0xabc0");
  EXPECT_EQ(text(SIGFPE), "SIGFPE at 0xabc0");
  EXPECT_EQ(text(SIGTRAP), "SIGTRAP at 0xabc0");
  EXPECT_EQ(text(SIGSYS), "SIGSYS at 0xabc0");
  EXPECT_EQ(text(SIGABRT), "SIGABRT") << "it has no address";
  EXPECT_EQ(text(SIGTERM), "fault at 0xabc0");
}

TEST(signals, a_fault_that_a_process_has_sent_is_described_by_the_process) {
  siginfo_t info{};
  info.si_signo = SIGSEGV;
  info.si_pid = 4711;
  info.si_uid = 1000;  // lies where an address would
  char out[48];
  for (const int code : {SI_USER, SI_TKILL, SI_QUEUE}) {
    info.si_code = code;
    posix_detail::describe_fault(out, info);
    EXPECT_STREQ(out, "SIGSEGV from process 4711");
  }
  info.si_code = SI_KERNEL;
  posix_detail::describe_fault(out, info);
  EXPECT_STREQ(out, "SIGSEGV, the kernel names no address");
}

}  // namespace
}  // namespace signals_test
