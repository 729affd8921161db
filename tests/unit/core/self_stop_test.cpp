// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/self_stop.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace self_stop_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

constexpr fake_registers stopped{0x5709, 2};

struct hooked : fake_platform {
  static void self_stop() noexcept { machine().say("runs the hook"); }
};

template <class P>
struct stopping : testing::Test {
  fake_machine m;
  panic_cpu<P> gate;
  lastcpu::stop_cpus<P> cpus;

  void claim_on(cpu_id cpu, hold wanted) {
    m.cpu = cpu;
    ASSERT_TRUE(gate.claim(wanted).won());
    m.log.clear();
  }
  void release_on(cpu_id cpu) {
    m.cpu = cpu;
    ASSERT_EQ(gate.release(), release_outcome::released);
  }
  void lose(const fake_registers* regs = &crash) { lastcpu::wait_for_gate(gate, cpus, regs); }
  [[nodiscard]] uintptr_t saved_pc(cpu_id cpu) const {
    return cpus.registers_of(cpu) == nullptr ? 0 : cpus.registers_of(cpu)->pc;
  }
};
struct self_stop : stopping<fake_platform> {};
struct self_stop_hook : stopping<hooked> {};
struct wait_for_gate : stopping<fake_platform> {};
struct stop_for_good : stopping<fake_platform> {};

TEST_F(self_stop, parks_where_nobody_overrides_the_hook) {
  EXPECT_EQ(m.as(1, [] { lastcpu::self_stop<fake_platform>(); }), ending::parked);
  EXPECT_EQ(m.log, (std::vector<std::string>{"1 goes down", "1 parks"}));
}

TEST_F(self_stop_hook, of_the_platform_runs_and_the_cpu_parks_when_it_returns) {
  EXPECT_EQ(m.as(1, [] { lastcpu::self_stop<hooked>(); }), ending::parked);
  EXPECT_EQ(m.log, (std::vector<std::string>{"1 goes down", "1 runs the hook", "1 parks"}));
}

TEST_F(self_stop_hook, runs_when_the_loser_has_answered_and_the_owner_has_committed) {
  claim_on(0, hold::final);
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::waiting);
  EXPECT_EQ(m.count("1 runs the hook"), 0);
  ASSERT_TRUE(gate.commit());
  EXPECT_EQ(m.resume(1), ending::parked);
  EXPECT_EQ(m.count("1 runs the hook"), 1);
  EXPECT_LT(m.at("1 answers 2"), m.at("1 runs the hook"));
}

TEST_F(self_stop_hook, that_faults_is_not_run_again) {
  claim_on(0, hold::final);
  ASSERT_TRUE(gate.commit());
  m.when("1 runs the hook", [&] { lose(nullptr); });
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::parked);
  EXPECT_EQ(m.count("1 runs the hook"), 1);
  EXPECT_EQ(saved_pc(1), crash.pc);
}

TEST_F(self_stop_hook, runs_on_a_loser_that_the_stop_nmi_reaches_first) {
  claim_on(0, hold::final);
  m.as(1, [&] { lose(); });
  ASSERT_TRUE(gate.commit());
  EXPECT_EQ(m.interrupt(1, [&] { lastcpu::stop_for_good(cpus, stopped, stop_state::by_nmi); }), ending::parked);
  EXPECT_EQ(m.count("1 runs the hook"), 1);
}

TEST_F(wait_for_gate, without_a_number_parks_and_touches_nothing) {
  m.cpu = fake_machine::cpus;
  EXPECT_EQ(m.as(fake_machine::cpus, [&] { lose(); }), ending::parked);
  EXPECT_FALSE(gate.in_progress());
}

TEST_F(wait_for_gate, saves_registers_then_is_resettable_then_answers_then_waits) {
  claim_on(0, hold::final);
  EXPECT_EQ(m.as(1, [&] { lose(nullptr); }), ending::waiting);
  EXPECT_EQ(m.log,
            (std::vector<std::string>{"1 captures", "1 is made resettable", "1 answers 2", "1 wakes", "1 waits"}));
  EXPECT_EQ(saved_pc(1), fake_platform::captured_pc(1));
  EXPECT_TRUE(m.stops.empty()) << "a loser stops nobody";
}

TEST_F(wait_for_gate, has_saved_everything_before_its_answer_is_seen) {
  claim_on(0, hold::final);
  uint32_t looked = 0;
  m.always([&] {
    if (!cpus.acknowledged(1)) return;
    ++looked;
    EXPECT_EQ(saved_pc(1), crash.pc);
    EXPECT_EQ(m.count("1 is made resettable"), 1);
  });
  m.as(1, [&] { lose(); });
  EXPECT_GT(looked, 0u);
}

TEST_F(wait_for_gate, sleeps_on_the_word_that_it_saw) {
  claim_on(0, hold::final);
  m.as(1, [&] { lose(); });
  ASSERT_EQ(m.waits.size(), 1u);
  EXPECT_EQ(m.waits[0].cpu, 1u);
  EXPECT_EQ(m.waits[0].value, gate.read().bits());
}

TEST_F(wait_for_gate, that_is_woken_for_nothing_sleeps_again_and_answers_once) {
  claim_on(0, hold::trial);
  m.as(1, [&] { lose(); });
  EXPECT_EQ(m.resume(1), ending::waiting);
  EXPECT_EQ(m.resume(1), ending::waiting);
  EXPECT_EQ(m.count("1 answers 2"), 1);
  EXPECT_EQ(m.count("1 is made resettable"), 1);
}

TEST_F(wait_for_gate, takes_the_gate_that_is_given_back) {
  claim_on(0, hold::trial);
  m.as(1, [&] { lose(); });
  release_on(0);
  EXPECT_EQ(m.resume(1), ending::returned);
  EXPECT_TRUE(gate.read().is_held_by(1));
  EXPECT_EQ(gate.read().phase(), phase::panicking);
  EXPECT_EQ(saved_pc(1), crash.pc);
}

TEST_F(wait_for_gate, takes_a_gate_that_is_open_already) {
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::returned);
  EXPECT_TRUE(gate.read().is_held_by(1));
}

TEST_F(wait_for_gate, waits_on_when_a_third_cpu_was_faster) {
  claim_on(0, hold::trial);
  m.as(1, [&] { lose(); });
  release_on(0);
  claim_on(2, hold::final);
  EXPECT_EQ(m.resume(1), ending::waiting);
  EXPECT_EQ(m.waits.back().value, gate.read().bits());
  ASSERT_TRUE(gate.commit());
  EXPECT_EQ(m.resume(1), ending::parked);
}

TEST_F(wait_for_gate, of_two_one_takes_the_freed_gate_wherever_the_other_comes_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    panic_cpu<fake_platform> g;
    lastcpu::stop_cpus<fake_platform> c;
    ending second{};
    machine.inject(1, n, [&] { second = machine.as(2, [&] { lastcpu::wait_for_gate(g, c, &crash); }); });
    const ending first = machine.as(1, [&] { lastcpu::wait_for_gate(g, c, &crash); });
    if (!machine.injected()) return;
    EXPECT_TRUE((first == ending::returned && second == ending::waiting) ||
                (first == ending::waiting && second == ending::returned))
        << n;
    EXPECT_EQ(g.read().owner(), first == ending::returned ? 1u : 2u) << n;
  });
}

TEST_F(wait_for_gate, stays_resumable_until_the_owner_commits) {
  claim_on(0, hold::trial);
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::waiting);
  ASSERT_TRUE(gate.claim(hold::final).won());
  EXPECT_EQ(m.resume(1), ending::waiting);
  EXPECT_EQ(m.count("1 parks"), 0);
  ASSERT_TRUE(gate.begin_step(1, phase::dumping) == step_outcome::begun);
  EXPECT_EQ(m.resume(1), ending::parked);
}

TEST_F(wait_for_gate, of_a_jumping_owner_parks) {
  claim_on(0, hold::final);
  ASSERT_TRUE(gate.begin_step(1, phase::jumping) == step_outcome::begun);
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::parked);
  EXPECT_EQ(saved_pc(1), crash.pc);
  EXPECT_TRUE(cpus.acknowledged(1));
}

TEST_F(wait_for_gate, that_is_asked_by_nmi_as_well_answers_once_with_whole_registers) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    panic_cpu<fake_platform> g;
    lastcpu::stop_cpus<fake_platform> c;
    (void)g.claim(hold::final);
    (void)g.commit();
    bool answered = false;
    machine.inject(1, n, [&] {
      answered = c.acknowledged(1);
      lastcpu::stop_for_good(c, stopped, stop_state::by_nmi);
    });
    EXPECT_EQ(machine.as(1, [&] { lastcpu::wait_for_gate(g, c, &crash); }), ending::parked) << n;
    ASSERT_NE(c.registers_of(1), nullptr) << n;
    c.expect_all(0);
    EXPECT_EQ(c.state_of(1), answered || !machine.injected() ? stop_state::parked : stop_state::by_nmi) << n;
    if (answered) {
      EXPECT_EQ(c.registers_of(1)->pc, crash.pc) << n;
    }
    EXPECT_GE(machine.count("1 is made resettable"), 1) << n;
    EXPECT_LE(machine.count("1 is made resettable"), 2) << n << ": interrupted, once more";
  });
}

TEST_F(stop_for_good, saves_registers_then_is_resettable_then_answers_then_parks) {
  uint32_t looked = 0;
  m.always([&] {
    if (!cpus.acknowledged(1)) return;
    ++looked;
    EXPECT_EQ(saved_pc(1), stopped.pc);
    EXPECT_EQ(m.count("1 is made resettable"), 1);
  });
  EXPECT_EQ(m.as(1, [&] { lastcpu::stop_for_good(cpus, stopped, stop_state::by_irq); }), ending::parked);
  m.always(nullptr);
  EXPECT_EQ(m.log,
            (std::vector<std::string>{"1 is made resettable", "1 goes down", "1 answers 3", "1 wakes", "1 parks"}));
  EXPECT_EQ(saved_pc(1), stopped.pc);
}

TEST_F(self_stop_hook, does_not_run_where_nobody_lost_however_often_the_cpu_is_asked) {
  claim_on(0, hold::final);
  ASSERT_TRUE(gate.commit());
  EXPECT_EQ(m.as(1, [&] { lastcpu::stop_for_good(cpus, stopped, stop_state::by_irq); }), ending::parked);
  EXPECT_EQ(m.as(1, [&] { lastcpu::stop_for_good(cpus, stopped, stop_state::by_nmi); }), ending::parked);
  EXPECT_EQ(m.count("1 runs the hook"), 0);
  EXPECT_EQ(m.count("1 parks"), 2);
}

TEST_F(stop_for_good, of_a_parked_loser_leaves_its_registers_and_its_answer_alone) {
  claim_on(0, hold::final);
  m.as(1, [&] { lose(); });
  ASSERT_TRUE(gate.commit());
  const size_t accesses = m.accesses.size();
  EXPECT_EQ(m.interrupt(1, [&] { lastcpu::stop_for_good(cpus, stopped, stop_state::by_nmi); }), ending::parked);
  size_t written = 0;
  for (size_t i = accesses; i < m.accesses.size(); ++i) written += m.accesses[i].what != word_access::load ? 1u : 0u;
  EXPECT_EQ(written, 1u) << "nothing but the mark that its hook was run";
  EXPECT_EQ(saved_pc(1), crash.pc);
  cpus.expect_all(0);
  EXPECT_EQ(cpus.state_of(1), stop_state::parked);
  EXPECT_EQ(m.count("1 is made resettable"), 1);
}

}  // namespace
}  // namespace self_stop_test
