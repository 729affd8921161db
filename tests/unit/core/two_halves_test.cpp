// SPDX-License-Identifier: BSL-1.0
// A panic in two halves, with the kernel's own words between them.
#include "panicking.hpp"

namespace two_halves_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct two_halves : panicking<> {
  ending panic_in_halves(cpu_id cpu, const char* message, const fake_registers* regs = &crash) {
    return m.as(cpu, [=, this] { in_halves(message, regs); });
  }
  void in_halves(const char* message, const fake_registers* regs) {
    domain.panic_begin(message, regs);
    machine().say("says", message);
    domain.panic_end();
  }
};

TEST_F(two_halves, come_back_behind_the_stop_and_go_on_to_the_restart) {
  m.when("0 sends irq", [&] {
    for (const cpu_id cpu : {1u, 2u, 3u}) m.as(cpu, [&] { domain.handle_stop_irq(stopped); });
  });
  m.when("0 says oh no", [&] { EXPECT_EQ(domain.cpus().report().count(stop_state::by_irq), 3u); });
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"reports", "begins collect", "says", "notifies", "restarts"}),
            (lines{"0 reports oh no", "0 begins collect", "0 says oh no", "0 notifies", "0 restarts"}));
  EXPECT_EQ(saved_pc(0), crash.pc);
}

TEST_F(two_halves, have_interrupts_off_from_the_first_on) {
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.at("0 irqs off"), 0u);
  EXPECT_EQ(m.count("0 irqs back"), 0);
}

TEST_F(two_halves, check_the_image_before_the_words_and_start_it_behind_them) {
  load();
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.lines_with({"checks", "says", "jumps"}), (lines{"0 checks image 7", "0 says oh no", "0 jumps to 7"}));
}

TEST_F(two_halves, of_a_loser_do_not_come_back) {
  m.when("0 says first", [&] { EXPECT_EQ(panic_in_halves(1, "second"), ending::parked); });
  EXPECT_EQ(panic_in_halves(0, "first"), ending::restarted);
  EXPECT_EQ(m.count("1 says second"), 0);
  EXPECT_EQ(message(1, normal), "second");
}

TEST_F(two_halves, of_a_loser_come_back_once_it_has_the_gate_that_was_given_back) {
  m.when("0 wins 1", [&] { EXPECT_EQ(panic_in_halves(1, "second"), ending::waiting); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash); }), ending::returned);
  EXPECT_EQ(m.resume(1), ending::restarted);
  EXPECT_EQ(m.count("1 says second"), 1);
}

TEST_F(two_halves, with_a_fault_in_the_words_go_on_behind_them_and_say_nothing_twice) {
  load();
  m.when("0 says oh no", [&] { in_halves("fault", &stopped); });
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.lines_with({"says", "jumps"}), (lines{"0 says oh no", "0 jumps to 7"}));
  EXPECT_EQ(message(0, nested), "fault");
  EXPECT_EQ(saved_pc(0), crash.pc);
}

TEST_F(two_halves, with_a_fault_before_the_words_come_back_to_the_fault) {
  m.when("0 sends irq", [&] { in_halves("fault", &stopped); });
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"sends", "says"}), (lines{"0 sends irq", "0 sends nmi", "0 says fault"}));
}

TEST_F(two_halves, with_a_fault_in_the_second_go_on_at_the_next_step) {
  m.when("0 notifies", [&] { in_halves("fault", &stopped); });
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"says", "notifies", "dumps"}), (lines{"0 says oh no", "0 notifies", "0 dumps messages"}));
}

TEST_F(two_halves, say_their_words_at_most_once_wherever_faults_come_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    domain_type d;
    const auto in_halves = [&](const char* message) {
      d.panic_begin(message, &crash);
      test::machine().say("says", message);
      d.panic_end();
    };
    machine.inject(0, n, [&] { in_halves("fault"); });
    const ending end = machine.as(0, [&] { in_halves("oh no"); });
    EXPECT_TRUE(end == ending::restarted || end == ending::halted) << n;  // halted: behind the step of the restart
    EXPECT_LE(machine.lines_with({"0 says"}).size(), 1u) << n;
  });
}

TEST_F(two_halves, second_alone_is_a_panic_that_says_so) {
  EXPECT_EQ(m.as(2, [&] { domain.panic_end(); }), ending::restarted);
  EXPECT_EQ(m.count("2 reports panic_end() alone"), 1);
}

TEST_F(two_halves, second_on_another_cpu_stops_that_cpu) {
  m.when("0 says oh no", [&] { EXPECT_EQ(m.as(1, [&] { domain.panic_end(); }), ending::parked); });
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::restarted);
}

TEST_F(two_halves, second_inside_a_crash_kexec_is_a_panic) {
  load();
  m.when("0 checks image 7", [&] { domain.panic_end(); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "oops"); }), ending::jumped);
  EXPECT_EQ(message(0, nested), "panic_end() alone");
}

TEST_F(two_halves, are_left_to_the_kernel_alone) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.count("0 begins words"), 0);
}

// --- In NMI.

TEST_F(two_halves, of_an_nmi_come_back_with_true_on_the_new_owner) {
  const ending end = m.as(0, [&] {
    if (domain.nmi_panic_begin("nmi", in_nmi)) machine().say("says nmi");
    domain.panic_end();
  });
  EXPECT_EQ(end, ending::restarted);
  EXPECT_EQ(m.lines_with({"reports", "collect", "says", "notifies"}),
            (lines{"0 reports nmi", "0 begins collect", "0 says nmi", "0 notifies"}));
  EXPECT_EQ(saved_pc(0), in_nmi.pc);
}

TEST_F(two_halves, of_an_nmi_come_back_with_false_where_the_interrupted_code_owns_the_gate) {
  m.when("0 says oh no", [&] { EXPECT_FALSE(domain.nmi_panic_begin("nmi", in_nmi)); });
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::restarted);
  EXPECT_EQ(message(0, nmi), "nmi");
}

TEST_F(two_halves, of_an_nmi_stop_a_loser) {
  m.when("0 says oh no",
         [&] { EXPECT_EQ(m.as(1, [&] { EXPECT_FALSE(domain.nmi_panic_begin("nmi", in_nmi)); }), ending::parked); });
  EXPECT_EQ(panic_in_halves(0, "oh no"), ending::restarted);
  EXPECT_EQ(saved_pc(1), in_nmi.pc);
}

TEST_F(two_halves, of_an_nmi_are_left_pending_on_a_trial) {
  m.when("0 wins 1", [&] { EXPECT_FALSE(domain.nmi_panic_begin("nmi", in_nmi)); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash); }), ending::restarted);
  EXPECT_EQ(m.count("0 reports nmi"), 1);
}

TEST_F(two_halves, of_a_cpu_without_a_number_come_back_too) {
  EXPECT_EQ(panic_in_halves(fake_platform::max_cpus, "who am I"), ending::restarted);
  EXPECT_EQ(m.count("4 says who am I"), 1);
}

}  // namespace
}  // namespace two_halves_test
