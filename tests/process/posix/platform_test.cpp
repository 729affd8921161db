// SPDX-License-Identifier: BSL-1.0
// The platform as a whole: misuse of it, and panics that come from where nobody expects them.
#include "machine.hpp"

#include <gtest/gtest.h>

namespace platform_test {
namespace {

using namespace posix_test;

TEST(posix, the_gate_refuses_a_thread_that_is_no_cpu_and_stays_open) {
  panic_cpu<posix> gate;
  EXPECT_EQ(gate.claim(hold::trial).outcome, claim_outcome::refused);
  EXPECT_EQ(gate.claim(hold::final).outcome, claim_outcome::refused);
  EXPECT_EQ(gate.claim_from_nmi().outcome, claim_outcome::refused);
  EXPECT_EQ(gate.release(), release_outcome::not_mine);
  EXPECT_TRUE(gate.read().is_open());
  EXPECT_EQ(gate.read().bits(), 0u);
}

TEST(posix, a_release_by_a_cpu_that_holds_nothing_changes_nothing) {
  panic_cpu<posix> gate;
  const cpu_guard cpu(1);
  EXPECT_EQ(gate.release(), release_outcome::not_mine) << "it was open";
  EXPECT_EQ(gate.read().bits(), 0u);
  ASSERT_TRUE(gate.claim(hold::trial).won());
  const auto held = gate.read().bits();
  std::thread([&] {
    EXPECT_EQ(gate.release(), release_outcome::not_mine) << "by a thread that is no CPU";
    const cpu_guard other(2);
    EXPECT_EQ(gate.release(), release_outcome::not_mine) << "by another CPU";
    EXPECT_FALSE(gate.commit());
  }).join();
  EXPECT_EQ(gate.read().bits(), held);
  EXPECT_EQ(gate.release(), release_outcome::released);
}

TEST(posix, crash_kexec_refuses_a_thread_that_is_no_cpu) {
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    boot(m);
    load_capture(m);
    const uint64_t mask = current_mask();
    must(m.crash_kexec() == kexec_outcome::unknown_cpu, "it says so");
    must(current_mask() == mask, "interrupts are as they were");
    must(m.gate().read().bits() == 0 && m.image().ready(), "nothing changed");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(posix, crash_kexec_without_an_image_changes_nothing) {
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    boot(m);
    const cpu_guard cpu(0);
    const uint64_t mask = current_mask();
    must(m.crash_kexec(nullptr, "an oops") == kexec_outcome::no_image, "it says so");
    must(m.__crash_kexec(nullptr) == kexec_outcome::not_the_owner, "the gate was given back");
    must(current_mask() == mask && m.gate().read().is_open(), "life goes on");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

struct last_text {
  char text[64];
};
struct keep_the_message : panic_policy {
  static inline shared<last_text>* kept = nullptr;
  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    posix_detail::copy_text((*kept)->text, info.message);
  }
};

TEST(posix, a_panic_of_a_thread_that_is_no_cpu_is_captured) {
  const capture_room room;
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    boot(m);
    load_capture(m);
    start_cpu(0, [] { sleep_for_ever(); });
    m.panic("from nowhere");
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  const capture_result r = room.result();
  ASSERT_EQ(r.records, 2u);
  EXPECT_EQ(r.record[0].cpu, 1u) << "the lowest free number, the crashing CPU first";
  EXPECT_STREQ(r.record[0].message, "from nowhere");
  EXPECT_EQ(r.record[0].registers_valid, 1u);
  EXPECT_EQ(r.record[1].state, stop_state::by_irq);
}

TEST(posix, a_panic_of_a_thread_that_is_no_cpu_is_reported_without_an_image) {
  shared<last_text> kept;
  keep_the_message::kept = &kept;
  const outcome o = in_child([] {
    auto& m = the_machine<posix, keep_the_message>;
    boot(m);
    m.panic("from nowhere");
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_STREQ(kept->text, "from nowhere");
}

TEST(posix, a_panic_for_which_no_number_is_left_is_reported_and_ends_the_process) {
  shared<last_text> kept;
  keep_the_message::kept = &kept;
  const outcome o = in_child([] {
    auto& m = the_machine<posix, keep_the_message>;
    boot(m);
    fill_the_table();
    m.panic("one too many");
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_STREQ(kept->text, "one too many");
}

TEST(posix, a_panic_without_a_message_or_installed_handlers_still_ends_the_process) {
  const outcome o = in_child([] { the_machine<>.panic(nullptr); });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
}

TEST(posix, an_nmi_panic_on_a_trial_hold_goes_on_as_that_panic) {
  const capture_room room;
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    static auto* machine = &m;
    boot(m, {.on_other_nmi = [](const posix_registers& r) noexcept { machine->nmi_panic("NMI: parity error", r); }});
    const cpu_guard cpu(0);
    must(lastcpu::detail::inside::of(m).gate.claim(hold::trial).won(), "the gate is held on trial");
    syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2);
    posix_detail::let_pending_handlers_run();
    must(eventually([&] { return m.gate().read().pending(); }), "the NMI left its mark and returned");
    load_capture(m);
    must(lastcpu::detail::inside::of(m).gate.release() == release_outcome::panic_pending,
         "the hold can't be given back");
    m.panic("goes on");
  });
  EXPECT_TRUE(o.exited_with(capture_exit)) << o;
  EXPECT_STREQ(room.result().record[0].nmi_message, "NMI: parity error");
}

TEST(posix, a_load_finds_the_image_taken_that_a_crash_has_checked) {
  const outcome o = in_child([] {
    auto& m = the_machine<>;
    boot(m);
    const cpu_guard cpu(0);
    load_capture(m);
    must(m.image().reserve() == image_outcome::reserved, "a crash has it");
    must(m.image().load(opened()) == load_outcome::busy, "and may hand it back");
    must(m.image().check(), "it is whole");
    must(m.image().load(opened()) == load_outcome::claimed, "a second load changes nothing");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

}  // namespace
}  // namespace platform_test
