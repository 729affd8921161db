// SPDX-License-Identifier: BSL-1.0
// self_stop.hpp: what a CPU that stops has done when it does the next thing, and what a second request may find.
#include <lastcpu/self_stop.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace order_of_a_stop_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

constexpr fake_registers stopped{0x5709, 2};

struct hooked : fake_platform {
  static void self_stop() noexcept { machine().say("runs the hook"); }
};

struct order_of_a_stop : testing::Test {
  fake_machine m;
  panic_cpu<hooked> gate;
  stop_cpus<hooked> cpus;

  void commit_on(cpu_id cpu) {
    m.cpu = cpu;
    ASSERT_TRUE(gate.claim(hold::final).won());
    ASSERT_TRUE(gate.commit());
    m.log.clear();
  }
  void lose(const fake_registers* regs = &crash) { wait_for_gate(gate, cpus, regs); }
  void is_asked(stop_state how = stop_state::by_nmi) { stop_for_good(cpus, stopped, how); }
  // Read by the CPU itself: 0 until its registers are whole.
  [[nodiscard]] uintptr_t own_pc() const {
    return cpus.registers_of(m.cpu) == nullptr ? 0 : cpus.registers_of(m.cpu)->pc;
  }
  [[nodiscard]] stop_state answer_of(cpu_id cpu) {
    m.as(0, [&] { cpus.expect_all(0); });
    return cpus.state_of(cpu);
  }
};

TEST_F(order_of_a_stop, bystander_has_saved_its_registers_before_it_is_made_resettable) {
  bool looked = false;
  m.when("1 is made resettable", [&] {
    looked = true;
    EXPECT_EQ(own_pc(), stopped.pc);
    EXPECT_FALSE(cpus.acknowledged(1));
  });
  EXPECT_EQ(m.as(1, [&] { is_asked(); }), ending::parked);
  EXPECT_TRUE(looked);
}

TEST_F(order_of_a_stop, loser_has_saved_its_registers_before_it_is_made_resettable) {
  commit_on(0);
  bool looked = false;
  m.when("1 is made resettable", [&] {
    looked = true;
    EXPECT_EQ(own_pc(), crash.pc);
    EXPECT_FALSE(cpus.acknowledged(1));
  });
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::parked);
  EXPECT_TRUE(looked);
}

TEST_F(order_of_a_stop, answer_is_traced_before_it_is_given_and_given_before_anybody_is_woken) {
  m.when("1 answers 4", [&] { EXPECT_FALSE(cpus.acknowledged(1)); });
  m.when("1 wakes", [&] { EXPECT_TRUE(cpus.acknowledged(1)); });
  EXPECT_EQ(m.as(1, [&] { is_asked(); }), ending::parked);
  EXPECT_EQ(m.log,
            (std::vector<std::string>{"1 is made resettable", "1 goes down", "1 answers 4", "1 wakes", "1 parks"}));
}

TEST_F(order_of_a_stop, withdrawal_is_traced_when_the_answer_is_gone) {
  m.breaks("promise 3: a CPU that has not won takes its answer back");
  cpus.acknowledge(0, stop_state::parked);
  m.log.clear();
  m.when("0 withdraws", [&] { EXPECT_FALSE(cpus.acknowledged(0)); });
  cpus.withdraw(0);
  EXPECT_EQ(m.log, std::vector<std::string>{"0 withdraws"});
}

TEST_F(order_of_a_stop, loser_that_goes_down_says_so_and_then_runs_the_hook_and_then_parks) {
  commit_on(0);
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::parked);
  EXPECT_EQ(m.log, (std::vector<std::string>{"1 is made resettable", "1 answers 2", "1 wakes", "1 goes down",
                                             "1 runs the hook", "1 parks"}));
}

TEST_F(order_of_a_stop, second_request_wakes_who_waits_for_the_answer_before_it_parks) {
  m.when("1 answers 2", [&] { m.log.clear(); });
  m.as(1, [&] { cpus.acknowledge(1, stop_state::parked); });
  m.log.clear();
  m.woken.clear();
  EXPECT_EQ(m.as(1, [&] { is_asked(); }), ending::parked);
  EXPECT_EQ(m.log, (std::vector<std::string>{"1 wakes", "1 goes down", "1 runs the hook", "1 parks"}));
  EXPECT_EQ(m.woken.size(), 1u);
}

TEST_F(order_of_a_stop, loser_that_has_answered_wakes_who_waits_for_it_and_does_not_answer_again) {
  commit_on(0);
  m.as(1, [&] { cpus.acknowledge(1, stop_state::parked); });
  m.log.clear();
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::parked);
  EXPECT_EQ(m.log,
            (std::vector<std::string>{"1 is made resettable", "1 wakes", "1 goes down", "1 runs the hook", "1 parks"}));
}

TEST_F(order_of_a_stop, wake_for_an_answer_is_of_that_cpu_only) {
  cpus.wake_for(1);
  cpus.wake_for(2);
  ASSERT_EQ(m.woken.size(), 2u);
  EXPECT_NE(m.woken[0], m.woken[1]);
  for (const cpu_id cpu : {hooked::max_cpus + 1, no_cpu}) cpus.wake_for(cpu);
  EXPECT_EQ(m.woken.size(), 2u) << "a number that no CPU has";
}

// --- A second request at every moment of the first.

TEST_F(order_of_a_stop, bystander_that_is_asked_again_at_any_moment_runs_no_hook_and_has_whole_registers) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    stop_cpus<hooked> c;
    machine.inject(1, n, [&] { stop_for_good(c, stopped, stop_state::by_nmi); });
    EXPECT_EQ(machine.as(1, [&] { stop_for_good(c, crash, stop_state::by_irq); }), ending::parked) << n;
    EXPECT_EQ(machine.count("1 runs the hook"), 0) << n;
    ASSERT_NE(c.registers_of(1), nullptr) << n;
    EXPECT_TRUE(c.registers_of(1)->pc == crash.pc || c.registers_of(1)->pc == stopped.pc) << n;
    EXPECT_GE(machine.count("1 is made resettable"), 1) << n;
    EXPECT_TRUE(c.acknowledged(1)) << n;
  });
}

TEST_F(order_of_a_stop, loser_that_is_asked_at_any_moment_has_whole_registers) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    panic_cpu<hooked> g;
    stop_cpus<hooked> c;
    (void)g.claim(hold::final);
    (void)g.commit();
    machine.inject(1, n, [&] { stop_for_good(c, stopped, stop_state::by_nmi); });
    EXPECT_EQ(machine.as(1, [&] { wait_for_gate(g, c, &crash); }), ending::parked) << n;
    ASSERT_NE(c.registers_of(1), nullptr) << n;
    EXPECT_TRUE(c.registers_of(1)->pc == crash.pc || c.registers_of(1)->pc == stopped.pc) << n;
    EXPECT_LE(machine.count("1 runs the hook"), 1) << n;
  });
}

// --- An answer that was withdrawn.

TEST_F(order_of_a_stop, loser_whose_answer_was_withdrawn_gives_it_again_when_it_looks_at_the_gate) {
  m.breaks("promise 3: a CPU that has not won takes its answer back");
  m.as(0, [&] { (void)gate.claim(hold::trial); });
  EXPECT_EQ(m.as(1, [&] { lose(); }), ending::waiting);
  EXPECT_EQ(m.interrupt(1, [&] { cpus.withdraw(1); }), ending::waiting);
  EXPECT_TRUE(cpus.acknowledged(1));
  EXPECT_EQ(m.count("1 answers 2"), 2);
  EXPECT_EQ(answer_of(1), stop_state::parked);
}

}  // namespace
}  // namespace order_of_a_stop_test
