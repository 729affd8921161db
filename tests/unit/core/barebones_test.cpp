// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/barebones.hpp>

#include "panicking.hpp"

namespace barebones_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct bare_policy : fake_policy {
  template <class Note>
  static void summary(const Note& n) noexcept {
    const std::string line = std::to_string(n.cpu) + (n.crashing ? " crashed " : " ") + to_string(n.state) + " " +
                             n.message + "|" + n.nmi_message + "|" + n.nested_message;
    machine().say("sums up", line.c_str());
  }
};
struct mute_policy : bare_policy {
  static constexpr uint32_t message_bytes = 0;
};

template <class Policy>
struct bare : testing::Test {
  fake_machine m;
  bare_domain<fake_platform, Policy> domain;

  bare() { m.is_whole_machine(); }

  ending panic_on(cpu_id cpu, const char* message, const fake_registers* regs = &crash) {
    return m.as(cpu, [=, this] { domain.panic(message, regs); });
  }
  void obey(const std::vector<cpu_id>& by_irq, const std::vector<cpu_id>& by_nmi) {
    m.when("0 sends irq", [=, this] {
      for (const cpu_id cpu : by_irq) m.as(cpu, [this] { domain.handle_stop_irq(stopped); });
    });
    m.when("0 sends nmi", [=, this] {
      for (const cpu_id cpu : by_nmi) m.as(cpu, [this] { domain.handle_nmi(stopped); });
    });
  }
  [[nodiscard]] lines said() const { return m.lines_with({"sums up"}); }
};
struct barebones : bare<bare_policy> {};
struct mute_barebones : bare<mute_policy> {};

TEST_F(barebones, panic_stops_the_others_sums_up_and_restarts) {
  obey({1}, {2});
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(
      m.lines_with({"commits", "sends", "sums up", "flushes", "restarts"}),
      (lines{"0 commits", "0 sends irq", "0 sends nmi", "0 sums up 0 crashed running oh no||", "0 sums up 1 by irq ||",
             "0 sums up 2 by nmi ||", "0 sums up 3 silent ||", "0 flushes", "0 restarts"}));
  EXPECT_EQ(m.stops.back().targets, (std::vector<cpu_id>{2, 3}));
}

TEST_F(barebones, panic_commits_before_it_sends_a_stop_and_takes_each_step_in_order) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"begins"}), begun(0, {step::report, step::commit, step::rung_0, step::rung_1, step::words,
                                                step::summary, step::flush, step::restart}));
}

TEST_F(barebones, panic_without_a_restart_parks) {
  m.restart_returns = true;
  EXPECT_EQ(panic_on(0, "oh no"), ending::parked);
}

TEST_F(barebones, loser_keeps_its_message_and_registers_and_parks_at_once) {
  m.when("0 reports first", [&] { EXPECT_EQ(panic_on(1, "second", &stopped), ending::parked); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(m.count("0 sums up 1 parked second||"), 1);
  EXPECT_EQ(domain.registers_of(1)->pc, stopped.pc);
  for (const auto& sent : m.stops) EXPECT_EQ(std::count(sent.targets.begin(), sent.targets.end(), 1u), 0);
}

TEST_F(barebones, loser_that_faults_again_and_again_asks_the_port_for_nothing) {
  m.misses_events();
  m.when("0 reports first", [&] {
    m.when("1 parks", [&] { domain.panic("fault", &crash); });
    EXPECT_EQ(panic_on(1, "second"), ending::spinning);
  });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(m.count("1 parks"), 1);
}

TEST_F(barebones, fault_at_any_moment_ends_and_sends_no_stop_twice) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    bare_domain<fake_platform, bare_policy> d;
    machine.inject(0, n, [&] { d.panic("fault", &stopped); });
    const ending end = machine.as(0, [&] { d.panic("oh no", &crash); });
    if (!machine.injected()) return;
    EXPECT_TRUE(end == ending::restarted || end == ending::parked) << n;
    EXPECT_LE(machine.count("0 sends irq"), 1) << n;
    EXPECT_LE(machine.lines_with({"reports"}).size(), 1u) << n;
    EXPECT_LE(machine.lines_with({"sums up 0"}).size(), 1u) << n;
  });
}

TEST_F(barebones, summary_that_faults_goes_on_with_the_next_cpu) {
  m.when("0 sums up 1 silent ||", [&] { domain.panic("fault", &stopped); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(said().size(), 4u);
}

TEST_F(barebones, two_panics_have_one_winner_wherever_the_second_comes_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    bare_domain<fake_platform, bare_policy> d;
    ending other = ending::returned;
    machine.inject(0, n, [&] { other = machine.as(1, [&] { d.panic("second", &stopped); }); });
    const ending end = machine.as(0, [&] { d.panic("first", &crash); });
    if (!machine.injected()) return;
    EXPECT_EQ((end == ending::restarted) + (other == ending::restarted), 1) << n;
    EXPECT_EQ(machine.lines_with({"commits"}).size(), 1u) << n;
  });
}

TEST_F(barebones, halves_come_back_once_behind_the_stop) {
  obey({1, 2, 3}, {});
  m.as(0, [&] {
    domain.panic_begin("oh no", &crash);
    EXPECT_TRUE(domain.is_stopped(1) && domain.is_stopped(3) && !domain.is_stopped(0));
    machine().say("says words");
    domain.panic_begin("fault", &stopped);
    machine().say("says words");
  });
  EXPECT_EQ(m.count("0 says words"), 1);
  EXPECT_EQ(m.count("0 sums up 0 crashed running oh no||fault"), 1);
}

TEST_F(barebones, second_half_alone_is_a_panic_that_says_so) {
  EXPECT_EQ(m.as(0, [&] { domain.panic_end(); }), ending::restarted);
  EXPECT_EQ(m.count("0 reports panic_end() alone"), 1);
}

TEST_F(barebones, nmi_panic_returns_on_the_owner_and_stops_a_loser) {
  m.when("0 reports first", [&] {
    EXPECT_FALSE(domain.nmi_panic_begin("nmi", in_nmi));
    m.when("1 answers 2", [&] { EXPECT_EQ(domain.registers_of(1)->pc, in_nmi.pc); });
    EXPECT_EQ(m.as(1, [&] { domain.nmi_panic("late", in_nmi); }), ending::parked);
  });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(m.count("0 sums up 0 crashed running first|nmi|"), 1);
  EXPECT_EQ(m.count("0 sums up 1 parked |late|"), 1);
}

TEST_F(barebones, nmi_panic_wins_an_open_gate) {
  EXPECT_EQ(m.as(0, [&] { domain.nmi_panic("nmi", in_nmi); }), ending::restarted);
  EXPECT_EQ(m.count("0 sums up 0 crashed running |nmi|"), 1);
}

TEST_F(barebones, stop_nmi_on_a_loser_parks_it_again) {
  m.when("0 reports first", [&] { EXPECT_EQ(panic_on(1, "second"), ending::parked); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(m.as(1, [&] { domain.handle_nmi(stopped); }), ending::parked);
  EXPECT_EQ(domain.registers_of(1)->pc, crash.pc);
  EXPECT_EQ(domain.state_of(1), stop_state::parked);
}

TEST_F(barebones, formatted_message_is_kept) {
  m.as(0, [&] {
    uint32_t room = 0;
    char* text = domain.message_begin(room);
    snprintf(text, room, "bug %d", 7);
    domain.message_end();
    domain.panic(nullptr, &crash);
  });
  EXPECT_EQ(m.count("0 sums up 0 crashed running bug 7||"), 1);
}

TEST_F(barebones, oops_goes_on_and_inside_a_panic_is_one) {
  m.as(0, [&] { EXPECT_EQ(domain.oops(crash, "oops"), kexec_outcome::no_image); });
  EXPECT_TRUE(m.irqs_on[0]);
  m.when("0 reports first", [&] { (void)domain.oops(stopped, "inside"); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(m.count("0 sums up 0 crashed running first||inside"), 1);
}

TEST_F(barebones, cpu_that_answers_late_is_no_longer_silent) {
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(domain.state_of(1), stop_state::silent);
  m.as(1, [&] { domain.handle_nmi(stopped); });
  EXPECT_EQ(domain.state_of(1), stop_state::by_nmi);
  EXPECT_TRUE(domain.is_stopped(1));
}

TEST_F(barebones, cpu_that_comes_online_behind_the_commit_parks) {
  m.online[3] = false;
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(domain.state_of(3), stop_state::absent);
  EXPECT_EQ(m.as(3, [&] { domain.come_online(); }), ending::parked);
  EXPECT_TRUE(domain.is_stopped(3));
}

TEST_F(barebones, cpu_without_a_number_parks_and_changes_nothing) {
  EXPECT_EQ(panic_on(fake_platform::max_cpus, "who am I"), ending::parked);
  EXPECT_FALSE(domain.gate().in_progress());
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(m.as(4, [&] { domain.handle_nmi(stopped); }), ending::parked);
}

TEST_F(mute_barebones, keep_no_message_and_report_it_at_once) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_LT(m.at("0 reports oh no"), m.at("0 commits"));
  EXPECT_EQ(m.count("0 sums up 0 crashed running ||"), 1);
  uint32_t room = 1;
  EXPECT_EQ(domain.message_begin(room), nullptr);
  EXPECT_EQ(room, 0u);
}

}  // namespace
}  // namespace barebones_test
