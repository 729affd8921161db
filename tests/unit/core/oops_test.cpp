// SPDX-License-Identifier: BSL-1.0
// What a fault handler calls: oops() and crash_kexec(), also inside a panic or a crash_kexec() of the same CPU.
#include "panicking.hpp"

namespace oops_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct oops : panicking<> {};

TEST_F(oops, inside_the_check_of_the_image_never_returns_and_reports_the_first_one) {
  load();
  m.when("0 checks image 7", [&] {
    (void)domain.oops(stopped, "fault in the check");
    ADD_FAILURE() << "life goes on, and the trial is held for ever";
  });
  EXPECT_EQ(m.as(0, [&] { (void)domain.oops(crash, "first"); }), ending::jumped);
  EXPECT_EQ(m.count("0 reports first"), 1);
  EXPECT_EQ(message(0, normal), "first");
  EXPECT_EQ(message(0, nested), "fault in the check");
  EXPECT_EQ(saved_pc(0), crash.pc);
}

TEST_F(oops, inside_a_trial_does_not_keep_a_panic_on_another_cpu_waiting) {
  load();
  m.when("0 checks image 7", [&] {
    EXPECT_EQ(panic_on(1, "waits"), ending::waiting);
    (void)domain.crash_kexec(&stopped, "fault in the check");
  });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "first"); }), ending::jumped);
  EXPECT_EQ(m.resume(1), ending::parked);
  EXPECT_EQ(message(1, normal), "waits");
}

TEST_F(oops, at_any_moment_of_a_crash_kexec_ends_the_machine_or_leaves_the_gate_open) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    domain_type d;
    ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    machine.broken_images = {7};
    bool held = false, returned = false;
    machine.inject(0, n, [&] {
      held = d.gate().on_this_cpu();
      (void)d.crash_kexec(&stopped, "inner");
      returned = true;
    });
    const ending end = machine.as(0, [&] { (void)d.crash_kexec(&crash, "outer"); });
    if (!machine.injected()) return;
    EXPECT_NE(held, returned) << n;
    EXPECT_EQ(end, held ? ending::restarted : ending::returned) << n;
    EXPECT_EQ(d.gate().in_progress(), held) << n;
  });
}

TEST_F(oops, at_any_moment_of_a_panic_does_not_lose_it) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    domain_type d;
    bool said = false, returned = false;
    machine.inject(0, n, [&] {
      said = d.messages().state(0, normal) != message_state::none;
      (void)d.crash_kexec(&stopped, "inner");
      returned = true;
    });
    const ending end = machine.as(0, [&] { d.panic("outer", &crash); });
    EXPECT_TRUE(end == ending::restarted || end == ending::halted) << n;
    EXPECT_FALSE(said && returned) << n << ": life goes on inside a panic";
  });
}

struct late : fake_policy {
  static constexpr bool crash_kexec_post_notifiers = true;
};
struct late_oops : panicking<fake_platform, late> {};
TEST_F(late_oops, inside_a_panic_goes_on_with_the_panic_although_it_alone_would_do_nothing) {
  m.when("0 reports outer", [&] {
    (void)domain.oops(stopped, "inner");
    ADD_FAILURE() << "the panic is lost";
  });
  EXPECT_EQ(panic_on(0, "outer"), ending::restarted);
}

// --- The policy's word.

struct chosen : fake_policy {
  inline static oops_action action = oops_action::dump;
  static oops_action on_oops() noexcept { return action; }
};
struct oops_policy : panicking<fake_platform, chosen> {
  kexec_outcome out{};
  ending oops_with(oops_action action) {
    chosen::action = action;
    return m.as(1, [&] { out = domain.oops(crash, "oops"); });
  }
};

TEST_F(oops_policy, dump_starts_the_crash_kernel) {
  load();
  EXPECT_EQ(oops_with(oops_action::dump), ending::jumped);
}
TEST_F(oops_policy, dump_without_an_image_lets_life_go_on) {
  EXPECT_EQ(oops_with(oops_action::dump), ending::returned);
  EXPECT_EQ(out, kexec_outcome::no_image);
  EXPECT_TRUE(m.irqs_on[1]);
}
TEST_F(oops_policy, panic_is_the_end_with_message_and_registers) {
  EXPECT_EQ(oops_with(oops_action::panic), ending::restarted);
  EXPECT_EQ(m.count("1 reports oops"), 1);
  EXPECT_EQ(saved_pc(1), crash.pc);
}
TEST_F(oops_policy, go_on_touches_nothing_even_with_an_image) {
  load();
  EXPECT_EQ(oops_with(oops_action::go_on), ending::returned);
  EXPECT_EQ(out, kexec_outcome::left_to_policy);
  EXPECT_FALSE(domain.gate().in_progress());
  EXPECT_TRUE(m.irqs_on[1]);
  EXPECT_TRUE(m.stops.empty());
}
TEST_F(oops_policy, go_on_inside_a_panic_is_that_panic) {
  chosen::action = oops_action::go_on;
  m.when("1 flushes", [&] {
    (void)domain.oops(stopped, "inner");
    ADD_FAILURE() << "the panic is lost";
  });
  EXPECT_EQ(panic_on(1, "outer"), ending::restarted);
}
struct asked : fake_policy {
  static oops_action on_oops() noexcept { return machine().say("asks the policy"), oops_action::dump; }
};
struct oops_inside_a_panic : panicking<fake_platform, asked> {};
TEST_F(oops_inside_a_panic, does_not_ask_the_policy) {
  m.when("0 reports outer", [&] { (void)domain.oops(stopped, "inner"); });
  EXPECT_EQ(panic_on(0, "outer"), ending::restarted);
  EXPECT_EQ(m.count("0 asks the policy"), 0);
}
TEST_F(oops_policy, panic_of_a_cpu_without_a_number_is_one_too) {
  chosen::action = oops_action::panic;
  EXPECT_EQ(m.as(no_cpu, [&] { (void)domain.oops(crash, "oops"); }), ending::restarted);
}

}  // namespace
}  // namespace oops_test
