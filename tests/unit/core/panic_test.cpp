// SPDX-License-Identifier: BSL-1.0
#include <set>

#include "panicking.hpp"

namespace panic_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct panic : panicking<> {};

TEST_F(panic, without_an_image_goes_down_the_ladder_to_the_restart) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(steps(), begun(0, without_image));
  EXPECT_EQ(m.lines_with({"reports", "commits", "sends", "notifies", "dumps", "flushes", "restarts", "jumps"}),
            (lines{"0 reports oh no", "0 commits", "0 sends irq", "0 sends nmi", "0 notifies", "0 dumps messages",
                   "0 flushes", "0 restarts"}));
  EXPECT_EQ(saved_pc(0), crash.pc);
}

TEST_F(panic, lets_losers_run_their_hook_before_it_flushes_and_restarts) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_LT(m.at("0 wakes losers"), m.at("0 flushes"));
}

TEST_F(panic, with_an_image_reports_and_jumps) {
  load();
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(steps(), begun(0, with_image));
  EXPECT_EQ(m.lines_with({"reports", "checks", "commits", "sends", "notifies", "dumps", "shuts", "jumps"}),
            (lines{"0 reports oh no", "0 commits", "0 sends irq", "0 sends nmi", "0 checks image 7",
                   "0 shuts down " + std::to_string(crash.pc), "0 jumps to 7"}));
}

TEST_F(panic, with_a_corrupt_image_goes_on_without_it) {
  load();
  m.broken_images = {7};
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"checks", "commits", "collect", "notifies", "has no", "jumps", "restarts"}),
            (lines{"0 commits", "0 begins collect", "0 checks image 7", "0 notifies", "0 has no kernel: image_corrupt",
                   "0 restarts"}));
}

TEST_F(panic, with_an_image_that_a_cpu_damages_until_it_is_stopped_does_not_jump_into_it) {
  load();
  m.when("0 sends nmi", [&] {
    m.broken_images = {7};
    for (const cpu_id cpu : {1u, 2u, 3u}) nmi_on(cpu);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.count("0 has no kernel: image_corrupt"), 1);
  EXPECT_TRUE(m.lines_with({"jumps"}).empty());
}

TEST_F(panic, waits_for_a_reload_that_was_under_way_and_jumps) {
  load();
  fake_atomic<uint32_t> never;
  m.inject(1, 3, [&] { (void)fake_platform::wait_while(never, 0u, no_deadline); });
  EXPECT_EQ(m.as(1, [&] { EXPECT_EQ(domain.image().load(image{8}), load_outcome::loaded); }), ending::waiting);
  m.when("0 dumps messages", [&] { EXPECT_EQ(m.resume(1), ending::returned); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.count("0 jumps to 8"), 1);
  EXPECT_TRUE(m.lines_with({"has no kernel"}).empty());
}

TEST_F(panic, whose_jump_returns_flushes_and_restarts) {
  load();
  m.jump_returns = true;
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"jumps", "notifies", "flushes", "restarts"}),
            (lines{"0 jumps to 7", "0 flushes", "0 restarts"}));
}

TEST_F(panic, turns_interrupts_off_first_and_never_on) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.at("0 irqs off"), 0u);
  EXPECT_EQ(m.count("0 irqs back"), 0);
}

TEST_F(panic, without_a_message_says_so) {
  EXPECT_EQ(panic_on(0, nullptr), ending::restarted);
  EXPECT_EQ(m.count("0 reports (no message)"), 1);
}

TEST_F(panic, without_registers_takes_the_callers) {
  EXPECT_EQ(panic_on(0, "oh no", nullptr), ending::restarted);
  EXPECT_EQ(saved_pc(0), fake_platform::captured_pc(0));
}

TEST_F(panic, expects_silence_of_everybody_when_it_commits) {
  bool looked = false;
  m.when("0 commits", [&] {
    looked = true;
    EXPECT_EQ(domain.cpus().report().count(stop_state::silent), 3u);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_TRUE(looked);
}

TEST_F(panic, stops_obedient_cpus_through_their_handlers) {
  m.when("0 sends irq", [&] { m.as(1, [&] { domain.handle_stop_irq(stopped); }); });
  m.when("0 sends nmi", [&] { nmi_on(2); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  const auto report = domain.cpus().report();
  EXPECT_EQ(report.state(1), stop_state::by_irq);
  EXPECT_EQ(report.state(2), stop_state::by_nmi);
  EXPECT_EQ(report.state(3), stop_state::silent);
  EXPECT_EQ(m.stops.back().targets, (std::vector<cpu_id>{2, 3}));
  EXPECT_EQ(m.count("1 parks") + m.count("2 parks"), 2);
}

// --- Panic against panic.

TEST_F(panic, of_a_second_cpu_keeps_its_message_and_registers_and_stops_nobody) {
  m.when("0 reports first", [&] { EXPECT_EQ(panic_on(1, "second", &stopped), ending::waiting); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(m.resume(1), ending::parked);
  EXPECT_EQ(message(0, normal), "first");
  EXPECT_EQ(message(1, normal), "second");
  EXPECT_EQ(saved_pc(1), stopped.pc);
  EXPECT_EQ(domain.cpus().state_of(1), stop_state::parked);
  for (const fake_machine::sent& s : m.stops) {
    EXPECT_EQ(s.from, 0u);
    EXPECT_EQ(s.targets, (std::vector<cpu_id>{2, 3})) << "a parked loser gets no request";
  }
  EXPECT_TRUE(m.lines_with({"1 begins", "1 restarts", "1 reports"}).empty());
}

TEST_F(panic, of_two_cpus_is_run_by_exactly_one_wherever_the_second_comes_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    ending second{};
    machine.inject(0, n, [&] { second = machine.as(1, [&] { d.panic("second", &crash); }); });
    const ending first = machine.as(0, [&] { d.panic("first", &crash); });
    if (!machine.injected()) return;
    EXPECT_NE(first == ending::restarted, second == ending::restarted) << n;
    EXPECT_EQ(machine.lines_with({"begins report"}).size(), 1u) << n;
    EXPECT_STREQ(d.messages().text(0, normal, true), "first") << n;
    EXPECT_STREQ(d.messages().text(1, normal, true), "second") << n;
  });
}

TEST_F(panic, takes_the_gate_that_a_crash_kexec_gives_back) {
  load();
  m.broken_images = {7};
  m.when("0 checks image 7", [&] { EXPECT_EQ(panic_on(1, "second"), ending::waiting); });
  EXPECT_EQ(m.as(0, [&] { EXPECT_EQ(domain.crash_kexec(), kexec_outcome::image_corrupt); }), ending::returned);
  EXPECT_TRUE(domain.cpus().acknowledged(1));
  m.when("1 reports second", [&] { EXPECT_FALSE(domain.cpus().acknowledged(1)); });
  m.when("1 sends irq", [&] { nmi_on(0); });
  EXPECT_EQ(m.resume(1), ending::restarted);
  EXPECT_EQ(m.count("1 reports second"), 1);
  EXPECT_EQ(m.count("1 withdraws"), 1);
  EXPECT_LT(m.at("1 withdraws"), m.at("1 begins report"));
  EXPECT_EQ(domain.cpus().state_of(0), stop_state::by_nmi);
  EXPECT_EQ(domain.cpus().state_of(1), stop_state::running);
  EXPECT_EQ(saved_pc(1), crash.pc);
}

TEST_F(panic, during_a_crash_kexec_of_another_cpu_is_never_lost) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    ending second{};
    machine.inject(0, n, [&] { second = machine.as(1, [&] { d.panic("second", &crash); }); });
    machine.as(0, [&] { (void)d.crash_kexec(); });
    if (!machine.injected()) return;
    if (second == ending::waiting) second = machine.resume(1);
    EXPECT_EQ(second, ending::restarted) << n;
    EXPECT_EQ(machine.count("1 reports second"), 1) << n;
  });
}

// --- A panic inside a panic.

TEST_F(panic, inside_a_crash_kexec_of_its_own_cpu_takes_over) {
  load();
  m.when("0 checks image 7", [&] { domain.panic("in the check", &crash); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(); }), ending::jumped);
  EXPECT_EQ(m.count("0 reports oops"), 1);
  EXPECT_EQ(message(0, nested), "in the check");
  EXPECT_EQ(steps(), begun(0, with_image));
}

TEST_F(panic, of_a_fault_in_the_check_of_the_image_keeps_the_oops_that_came_first) {
  load();
  m.when("0 checks image 7", [&] { domain.panic("fault in the check", &stopped); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "the oops"); }), ending::jumped);
  EXPECT_EQ(message(0, normal), "the oops");
  EXPECT_EQ(message(0, nested), "fault in the check");
  EXPECT_EQ(saved_pc(0), crash.pc);
}

TEST_F(panic, after_a_crash_kexec_that_came_back_has_its_own_message_and_registers) {
  EXPECT_EQ(domain.crash_kexec(&stopped, "an oops"), kexec_outcome::no_image);
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(0, "mine"), ending::restarted);
  EXPECT_EQ(message(0, normal), "mine");
  EXPECT_EQ(saved_pc(0), crash.pc);
}

TEST_F(panic, inside_a_panic_keeps_both_messages) {
  m.when("0 reports outer", [&] { domain.panic("inner", nullptr); });
  EXPECT_EQ(panic_on(0, "outer"), ending::restarted);
  EXPECT_EQ(message(0, normal), "outer");
  EXPECT_EQ(message(0, nested), "inner");
  EXPECT_EQ(saved_pc(0), crash.pc);
}

void faults_in_each(const std::vector<step>& ladder, bool with) {
  for (size_t k = 0; k < ladder.size(); ++k) {
    fake_machine m;
    domain_type d;
    if (with) {
      ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    }
    m.jump_returns = true;
    const std::string line = std::string("0 begins ") + to_string(ladder[k]);
    m.when(line, [&] { d.panic("nested", nullptr); });
    const ending end = m.as(0, [&] { d.panic("outer", &crash); });
    EXPECT_EQ(end, ladder[k] == step::restart ? ending::halted : ending::restarted) << line;

    const lines steps = m.lines_with({"begins"});
    EXPECT_EQ(std::set<std::string>(steps.begin(), steps.end()).size(), steps.size()) << line;
    const size_t at = static_cast<size_t>(std::find(steps.begin(), steps.end(), line) - steps.begin());
    ASSERT_LT(at + 1, steps.size()) << line;
    if (k + 1 == ladder.size()) continue;
    const bool made_again = ladder[k] == step::check || ladder[k] == step::summary;
    const auto behind = static_cast<step>(static_cast<uint32_t>(ladder[k]) + 1);
    const step next = made_again ? behind : ladder[k + 1];
    EXPECT_EQ(steps[at + 1], std::string("0 begins ") + to_string(next));
  }
}

TEST_F(panic, fault_in_any_step_goes_on_at_the_next) {
  faults_in_each(without_image, false);
}

TEST_F(panic, fault_in_any_step_with_an_image_goes_on_at_the_next) {
  std::vector<step> ladder = with_image;
  ladder.insert(ladder.end(), {step::flush, step::delay, step::restart});
  faults_in_each(ladder, true);
}

TEST_F(panic, fault_behind_the_claim_of_the_image_still_reaches_the_jump) {
  for (const step s : {step::expect, step::commit, step::registers, step::rung_0, step::rung_1, step::collect,
                       step::notes, step::crash_shutdown}) {
    fake_machine machine;
    domain_type d;
    ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    machine.when(std::string("0 begins ") + to_string(s), [&] { d.panic("nested", nullptr); });
    EXPECT_EQ(machine.as(0, [&] { d.panic("outer", &crash); }), ending::jumped) << to_string(s);
    EXPECT_TRUE(d.gate().read().is_committed());
  }
}

TEST_F(panic, fault_in_every_step_ends_and_repeats_nothing) {
  m.restart_returns = m.halt_returns = true;
  std::vector<step> ladder = without_image;
  ladder.push_back(step::halt);
  if (by_c) ladder.insert(std::find(ladder.begin(), ladder.end(), step::notifiers), step::summary_again);
  for (const std::string& line : begun(0, ladder)) m.when(line, [&] { domain.panic("again", nullptr); });
  EXPECT_EQ(panic_on(0, "outer"), ending::parked);
  EXPECT_EQ(steps(), begun(0, ladder));
}

TEST_F(panic, fault_inside_what_a_step_calls_goes_on_at_the_next) {
  load();
  m.jump_returns = true;
  for (const char* line : {"0 reports outer", "0 checks image 7", "0 sends irq", "0 sends nmi", "0 notifies",
                           "0 dumps messages", "0 flushes", "0 restarts"})
    m.when(line, [&] { domain.panic("nested", nullptr); });
  EXPECT_EQ(panic_on(0, "outer"), ending::halted);
  EXPECT_EQ(m.lines_with({"reports", "checks", "sends", "notifies", "dumps", "flushes", "restarts", "halts"}),
            (lines{"0 reports outer", "0 sends irq", "0 sends nmi", "0 checks image 7", "0 checks image 7", "0 flushes",
                   "0 restarts", "0 halts"}));
}

TEST_F(panic, fault_in_each_check_of_the_image_gives_it_up_after_two) {
  load();
  for (int i = 0; i < 4; ++i) m.when("0 checks image 7", [&] { domain.panic("nested", nullptr); });
  EXPECT_EQ(panic_on(0, "outer"), ending::restarted);
  EXPECT_EQ(m.count("0 checks image 7"), 2);
  EXPECT_EQ(m.lines_with({"has no kernel"}), lines{"0 has no kernel: image_corrupt"});
}

TEST_F(panic, fault_at_any_moment_ends_and_repeats_no_step) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    domain_type d;
    machine.inject(0, n, [&] { d.panic("nested", nullptr); });
    const ending end = machine.as(0, [&] { d.panic("outer", &crash); });
    EXPECT_TRUE(end == ending::restarted || end == ending::halted) << n;
    const lines steps = machine.lines_with({"begins"});
    EXPECT_EQ(std::set<std::string>(steps.begin(), steps.end()).size(), steps.size()) << n;
    // A fault right behind the exchange that begins a step: its line is missing, and it is not run.
    EXPECT_GE(steps.size() + 1, without_image.size()) << n;
  });
}

TEST_F(panic, fault_at_any_moment_of_a_crash_kexec_still_ends_the_machine) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    domain_type d;
    ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    machine.inject(0, n, [&] { d.panic("nested", nullptr); });
    const ending end = machine.as(0, [&] { (void)d.crash_kexec(&crash); });
    if (!machine.injected()) return;
    // Behind the exchange that begins the jump there is no second one.
    EXPECT_EQ(end, d.gate().read().phase() == phase::jumping && machine.count("0 jumps to 7") == 0 ? ending::restarted
                                                                                                   : ending::jumped)
        << n;
    EXPECT_TRUE(machine.lines_with({"has no kernel"}).empty()) << n;
  });
}

TEST_F(panic, fault_before_the_first_request_leaves_silent_entries) {
  m.when("0 commits", [&] { domain.panic("nested", nullptr); });
  bool silent = false;
  m.when("0 begins registers", [&] { silent = domain.cpus().report().count(stop_state::silent) == 3; });
  EXPECT_EQ(panic_on(0, "outer"), ending::restarted);
  EXPECT_TRUE(silent);
}

}  // namespace
}  // namespace panic_test
