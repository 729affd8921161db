// SPDX-License-Identifier: BSL-1.0
// stop_cpus.hpp: what the CPU that stops does with its record.
#include "unit/core/stopping.hpp"

namespace stopping_cpu_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct stopping_cpu : stopping {};

TEST_F(stopping_cpu, saves_the_registers_it_is_given) {
  m.cpu = 1;
  cpus.save_registers(1, &crash);
  ASSERT_NE(cpus.registers_of(1), nullptr);
  EXPECT_EQ(cpus.registers_of(1)->pc, crash.pc);
  EXPECT_EQ(cpus.registers_of(1)->sp, crash.sp);
  EXPECT_EQ(m.count("1 captures"), 0);
}

TEST_F(stopping_cpu, saves_the_callers_registers_where_none_are_given) {
  m.cpu = 1;
  cpus.save_registers(1, nullptr);
  ASSERT_NE(cpus.registers_of(1), nullptr);
  EXPECT_EQ(cpus.registers_of(1)->pc, fake_platform::captured_pc(1));
}

TEST_F(stopping_cpu, keeps_the_first_registers) {
  m.cpu = 1;
  cpus.save_registers(1, &crash);
  cpus.save_registers(1, &later);
  cpus.save_registers(1, nullptr);
  EXPECT_EQ(cpus.registers_of(1)->pc, crash.pc);
  EXPECT_EQ(m.count("1 captures"), 0);
}

TEST_F(stopping_cpu, saving_that_was_interrupted_is_made_once_more) {
  m.when("1 captures", [&] {
    cpus.save_registers(1, &later);
    cpus.acknowledge(1, stop_state::by_nmi);
    fake_platform::park();
  });
  EXPECT_EQ(m.as(1, [&] { cpus.save_registers(1, nullptr); }), ending::parked);
  ASSERT_NE(cpus.registers_of(1), nullptr);
  EXPECT_EQ(cpus.registers_of(1)->pc, later.pc);
}

TEST_F(stopping_cpu, saving_that_was_interrupted_twice_is_given_up) {
  m.when("1 captures", [&] { cpus.save_registers(1, nullptr); });
  m.when("1 captures", [&] {
    cpus.save_registers(1, &later);
    cpus.acknowledge(1, stop_state::by_nmi);
    fake_platform::park();
  });
  EXPECT_EQ(m.as(1, [&] { cpus.save_registers(1, nullptr); }), ending::parked);
  EXPECT_EQ(m.count("1 captures"), 2);
  EXPECT_EQ(cpus.registers_of(1), nullptr);
  EXPECT_FALSE(cpus.report().registers_valid(1));
}

TEST_F(stopping_cpu, registers_of_a_running_cpu_are_its_own_affair) {
  m.as(1, [&] { cpus.save_registers(1, &crash); });
  EXPECT_EQ(cpus.registers_of(1), nullptr);
  m.as(1, [&] { cpus.acknowledge(1, stop_state::parked); });
  EXPECT_NE(cpus.registers_of(1), nullptr);
}

TEST_F(stopping_cpu, makes_itself_resettable_once) {
  m.cpu = 1;
  cpus.make_resettable_once(1);
  cpus.make_resettable_once(1);
  EXPECT_EQ(m.count("1 is made resettable"), 1);
}

TEST_F(stopping_cpu, making_resettable_that_was_interrupted_is_made_once_more) {
  m.when("0 is made resettable", [&] { cpus.make_resettable_once(0); });
  cpus.make_resettable_once(0);
  EXPECT_EQ(m.count("0 is made resettable"), 2);
  cpus.make_resettable_once(0);
  EXPECT_EQ(m.count("0 is made resettable"), 2);
}

TEST_F(stopping_cpu, making_resettable_that_was_interrupted_twice_is_given_up) {
  for (int i = 0; i < 3; ++i) m.when("0 is made resettable", [&] { cpus.make_resettable_once(0); });
  cpus.make_resettable_once(0);
  EXPECT_EQ(m.count("0 is made resettable"), 2);
}

TEST_F(stopping_cpu, does_each_thing_once_whatever_it_did_before) {
  EXPECT_TRUE(cpus.may_run_hook(1));
  m.cpu = 1;
  m.when("1 is made resettable", [&] { cpus.make_resettable_once(1); });
  cpus.make_resettable_once(1);
  EXPECT_EQ(m.count("1 is made resettable"), 2);
  EXPECT_FALSE(cpus.may_run_hook(1));
}

TEST_F(stopping_cpu, registers_are_whole_at_every_moment_at_which_they_can_be_read) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    lastcpu::stop_cpus<fake_platform> c;
    machine.inject(1, n, [&] {
      const fake_registers* regs = c.registers_of(1);
      if (regs != nullptr) {
        EXPECT_EQ(regs->pc, crash.pc) << n;
        EXPECT_EQ(regs->sp, crash.sp) << n;
      }
    });
    machine.as(1, [&] { c.save_registers(1, &crash); });
  });
}

TEST_F(stopping_cpu, second_attempt_to_save_registers_has_the_last_word) {
  m.when("1 captures", [&] { cpus.save_registers(1, &later); });
  m.as(1, [&] {
    cpus.save_registers(1, nullptr);
    ASSERT_NE(cpus.registers_of(1), nullptr);
    cpus.save_registers(1, &crash);
    EXPECT_NE(cpus.registers_of(1)->pc, crash.pc);
  });
}

TEST_F(stopping_cpu, may_run_the_hook_once_whatever_else_it_did_once) {
  cpus.make_resettable_once(1);
  EXPECT_TRUE(cpus.may_run_hook(1));
  EXPECT_FALSE(cpus.may_run_hook(1));
  EXPECT_TRUE(cpus.may_run_hook(2));
}

TEST_F(stopping_cpu, answer_stands_until_it_is_withdrawn) {
  m.breaks("promise 3: a CPU that has not won takes its answer back");
  EXPECT_FALSE(cpus.acknowledged(1));
  cpus.acknowledge(1, stop_state::parked);
  EXPECT_TRUE(cpus.acknowledged(1));
  EXPECT_FALSE(cpus.acknowledged(2));
  cpus.withdraw(1);
  EXPECT_FALSE(cpus.acknowledged(1));
  cpus.acknowledge(1, stop_state::parked);
  EXPECT_TRUE(cpus.acknowledged(1));
}

TEST_F(stopping_cpu, second_answer_changes_nothing) {
  m.cpu = 1;
  cpus.acknowledge(1, stop_state::parked);
  m.accesses.clear();
  cpus.acknowledge(1, stop_state::by_nmi);
  for (const word_access& a : m.accesses) EXPECT_EQ(a.what, word_access::load);
  cpus.expect_all(0);
  EXPECT_EQ(cpus.state_of(1), stop_state::parked);
  EXPECT_EQ(m.lines_with({"answers"}).size(), 1u);
}

TEST_F(stopping_cpu, withdrawing_nothing_is_nothing) {
  cpus.withdraw(1);
  EXPECT_TRUE(m.log.empty());
}

TEST_F(stopping_cpu, answer_is_stored_with_release_and_read_with_acquire) {
  cpus.acknowledge(1, stop_state::parked);
  EXPECT_EQ(m.accesses.back().what, word_access::store);
  EXPECT_EQ(m.accesses.back().how, order::release);
  m.accesses.clear();
  (void)cpus.acknowledged(1);
  EXPECT_EQ(m.accesses.at(0).how, order::acquire);
  m.accesses.clear();
  cpus.expect_all(0);
  EXPECT_TRUE(std::any_of(m.accesses.begin(), m.accesses.end(),
                          [](const word_access& a) { return a.what == word_access::load && a.how == order::acquire; }));
}

TEST_F(stopping_cpu, number_that_no_cpu_has_does_nothing) {
  const size_t before = m.accesses.size();
  for (const cpu_id cpu : {fake_platform::max_cpus + 1, no_cpu}) {
    cpus.save_registers(cpu, nullptr);
    cpus.make_resettable_once(cpu);
    cpus.acknowledge(cpu, stop_state::parked);
    cpus.withdraw(cpu);
    EXPECT_FALSE(cpus.acknowledged(cpu));
    EXPECT_FALSE(cpus.may_run_hook(cpu));
  }
  EXPECT_EQ(m.accesses.size(), before);
  EXPECT_TRUE(m.log.empty());
}

}  // namespace
}  // namespace stopping_cpu_test
