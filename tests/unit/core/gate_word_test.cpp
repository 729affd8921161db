// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/gate_word.hpp>

#include <gtest/gtest.h>

#include <array>

namespace gate_word_test {
namespace {

using namespace lastcpu;

constexpr cpu_id last_cpu = gate_word::cpu_capacity - 1;
constexpr uint32_t last_step = (1u << gate_word::step_bits) - 1;
constexpr uint32_t last_epoch = (1u << gate_word::epoch_bits) - 1;

static_assert(gate_word{}.bits() == 0 && gate_word{}.is_open() && gate_word{}.owner() == no_cpu);

TEST(gate_word, zero_is_open_and_nobodys) {
  const gate_word w;
  EXPECT_TRUE(w.is_open());
  EXPECT_EQ(w.owner(), no_cpu);
  EXPECT_EQ(w.offered(), no_cpu);
  EXPECT_FALSE(w.pending());
  EXPECT_EQ(w.step(), 0u);
  EXPECT_EQ(w.epoch(), 0u);
}

TEST(gate_word, names_every_cpu_from_zero_to_its_capacity) {
  for (const cpu_id cpu : {cpu_id{0}, cpu_id{1}, last_cpu}) {
    const gate_word w = gate_word{}.with_owner(cpu).with_phase(phase::trial);
    EXPECT_EQ(w.owner(), cpu);
    EXPECT_TRUE(w.is_held_by(cpu));
    EXPECT_FALSE(w.is_held_by(cpu + 1));
    EXPECT_FALSE(w.is_held_by(no_cpu));
    EXPECT_FALSE(w.is_held_by(cpu + (1u << gate_word::cpu_bits)));
    EXPECT_FALSE(w.is_held_by(cpu + (1u << (gate_word::cpu_bits + gate_word::phase_bits))));
  }
}

TEST(gate_word, trial_of_a_cpu_is_its_own_trial_with_nothing_pending) {
  for (const cpu_id cpu : {cpu_id{0}, cpu_id{1}, last_cpu}) {
    const gate_word trial = gate_word{}.released().taken_by(cpu, phase::trial);
    EXPECT_TRUE(trial.is_trial_of(cpu));
    EXPECT_TRUE(trial.with_step(last_step).is_trial_of(cpu));
    EXPECT_FALSE(trial.with_pending(true).is_trial_of(cpu));
    EXPECT_FALSE(trial.with_phase(phase::panicking).is_trial_of(cpu));
    EXPECT_FALSE(trial.released().is_trial_of(cpu));
    for (const cpu_id other : {cpu + 1, cpu - 1, cpu + (1u << gate_word::cpu_bits), no_cpu})
      EXPECT_FALSE(trial.is_trial_of(other)) << other;
  }
}

TEST(gate_word, open_gate_is_held_by_nobody) {
  for (const cpu_id cpu : {cpu_id{0}, cpu_id{1}, last_cpu, no_cpu}) {
    EXPECT_FALSE(gate_word{}.is_held_by(cpu)) << cpu;
    EXPECT_FALSE(gate_word{}.taken_by(2, phase::trial).released().is_held_by(cpu)) << cpu;
  }
}

TEST(gate_word, fields_do_not_touch_each_other) {
  const gate_word full = gate_word{~uintptr_t{0}};
  const gate_word w = full.with_owner(0).with_phase(phase::jumping).with_pending(false).with_step(5);
  EXPECT_EQ(w.owner(), 0u);
  EXPECT_EQ(w.phase(), phase::jumping);
  EXPECT_FALSE(w.pending());
  EXPECT_EQ(w.step(), 5u);
  EXPECT_EQ(w.epoch(), last_epoch);
  EXPECT_EQ(w.offered(), last_cpu);

  const gate_word v = gate_word{}.with_owner(last_cpu).with_step(last_step).with_pending(true);
  EXPECT_EQ(v.owner(), last_cpu);
  EXPECT_EQ(v.step(), last_step);
  EXPECT_TRUE(v.pending());
  EXPECT_EQ(v.phase(), phase::open);
  EXPECT_EQ(v.epoch(), 0u);
  EXPECT_EQ(v.offered(), no_cpu);
}

TEST(gate_word, open_word_that_is_taken_keeps_its_epoch) {
  const gate_word open = gate_word{}.released().released();
  const gate_word w = open.taken_by(last_cpu, phase::panicking);
  EXPECT_EQ(w.bits(), open.with_owner(last_cpu).with_phase(phase::panicking).bits());
  EXPECT_EQ(w.epoch(), 2u);
  EXPECT_TRUE(w.is_held_by(last_cpu));
}

TEST(gate_word, release_keeps_nothing_but_the_epoch_one_on) {
  const gate_word w = gate_word{}.with_owner(3).with_phase(phase::trial).with_pending(true).with_step(9).released();
  EXPECT_TRUE(w.is_open());
  EXPECT_EQ(w.owner(), no_cpu);
  EXPECT_FALSE(w.pending());
  EXPECT_EQ(w.step(), 0u);
  EXPECT_EQ(w.epoch(), 1u);
  EXPECT_EQ(w.released().epoch(), 2u);
}

TEST(gate_word, epoch_wraps_into_nothing_else) {
  EXPECT_EQ(gate_word{~uintptr_t{0}}.released().bits(), gate_word{}.with_wanted().bits());
}

TEST(gate_word, epoch_that_wraps_offers_the_gate_to_nobody) {
  const gate_word w{gate_word{}.released().bits() * last_epoch};
  ASSERT_EQ(w.epoch(), last_epoch);
  ASSERT_EQ(w.offered(), no_cpu);
  for (const gate_word held : {w, w.taken_by(last_cpu, phase::trial), w.taken_by(0, phase::trial).with_step(last_step)})
    EXPECT_EQ(held.released().bits(), 0u);
}

TEST(gate_word, lies_in_memory_as_it_is_described) {
  const auto bit = [](unsigned at) { return uintptr_t{1} << at; };
  const auto layout = [&](unsigned cpu_bits, unsigned epoch_bits) {
    const unsigned pending_at = cpu_bits + 4;
    EXPECT_EQ(gate_word{}.with_owner(0).bits(), bit(0));
    EXPECT_EQ(gate_word{}.with_wanted().bits(), bit(cpu_bits));
    EXPECT_EQ(gate_word{}.with_phase(phase::trial).bits(), bit(cpu_bits + 1));
    EXPECT_EQ(gate_word{}.with_pending(true).bits(), bit(pending_at));
    EXPECT_EQ(gate_word{}.with_step(1).bits(), bit(pending_at + 1));
    EXPECT_EQ(gate_word{}.released().bits(), bit(pending_at + 7));
    EXPECT_EQ(gate_word{bit(pending_at + 7 + epoch_bits)}.offered(), 0u);
    EXPECT_EQ(gate_word::cpu_capacity, bit(cpu_bits) - 1);
    EXPECT_EQ(gate_word::epoch_bits, epoch_bits);
  };
  sizeof(uintptr_t) == 8 ? layout(16, 21) : layout(8, 5);
}

TEST(gate_word, fields_take_no_more_than_fits) {
  const gate_word w = gate_word{}.with_step(last_step + 2);
  EXPECT_EQ(w.step(), 1u);
  EXPECT_EQ(w.epoch(), 0u);
  EXPECT_EQ(gate_word{}.with_pending(true).with_pending(true).bits(), gate_word{}.with_pending(true).bits());
  EXPECT_EQ(gate_word{}.with_owner(7).with_owner(1).bits(), gate_word{}.with_owner(1).bits());
}

TEST(gate_word, panic_that_a_trial_becomes_keeps_all_but_phase_and_pending) {
  const gate_word trial = gate_word{}.released().taken_by(3, phase::trial).with_step(2);
  for (const bool pending : {false, true})
    EXPECT_EQ(trial.with_pending(pending).made_final().bits(), trial.with_phase(phase::panicking).bits());
}

TEST(gate_word, committed_means_dumping_or_later) {
  for (const phase p : {phase::open, phase::trial, phase::panicking, phase::offered})
    EXPECT_FALSE(gate_word{}.with_phase(p).is_committed());
  for (const phase p : {phase::dumping, phase::jumping}) EXPECT_TRUE(gate_word{}.with_phase(p).is_committed());
}

TEST(gate_word, each_transition_changes_the_half_that_a_futex_can_see) {
  const gate_word trial = gate_word{}.with_owner(1).with_phase(phase::trial);
  const std::array<gate_word, 8> words{gate_word{},
                                       trial,
                                       trial.with_pending(true),
                                       trial.with_phase(phase::panicking),
                                       trial.with_phase(phase::dumping),
                                       trial.with_phase(phase::dumping).with_step(1),
                                       trial.released(),
                                       trial.released().with_owner(1).with_phase(phase::trial)};
  for (size_t i = 0; i < words.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      EXPECT_NE(static_cast<uint32_t>(words[i].bits()), static_cast<uint32_t>(words[j].bits())) << i << " " << j;
}

TEST(gate_word, that_is_wanted_is_open_to_panics_only_when_it_is_released) {
  const gate_word trial = gate_word{}.taken_by(2, phase::trial);
  EXPECT_FALSE(trial.wanted());
  const gate_word wanted = trial.with_wanted();
  EXPECT_TRUE(wanted.wanted() && wanted.is_trial_of(2) && wanted.is_held_by(2));
  const gate_word open = wanted.released();
  EXPECT_TRUE(open.is_open() && open.wanted());
  EXPECT_FALSE(open.is_open_to_trials());
  EXPECT_TRUE(trial.released().is_open_to_trials());
  EXPECT_FALSE(trial.is_open_to_trials());
  EXPECT_EQ(open.epoch(), trial.released().epoch());
  EXPECT_EQ(open.taken_by(1, phase::panicking).owner(), 1u);
  EXPECT_FALSE(trial.with_pending(true).with_wanted().is_trial_of(2));
}

TEST(gate_word, phases_have_names_of_their_own) {
  const char* names[] = {"open", "trial", "panicking", "offered", "dumping", "jumping"};
  for (uint32_t i = 0; i < 6; ++i) EXPECT_STREQ(to_string(static_cast<phase>(i)), names[i]);
  EXPECT_STREQ(to_string(static_cast<phase>(6)), "?");
}

TEST(gate_word, says_what_a_cpu_that_panics_does_next) {
  const gate_word trial = gate_word{}.with_owner(2).with_phase(phase::trial);
  EXPECT_EQ(decide(gate_word{}, 1), gate_move::take);
  EXPECT_EQ(decide(gate_word{}.with_wanted(), 1), gate_move::take);
  EXPECT_EQ(decide(trial, 2), gate_move::mine);
  EXPECT_EQ(decide(trial, 1), gate_move::want);
  EXPECT_EQ(decide(trial.with_wanted(), 1), gate_move::wait);
  for (const phase p : {phase::panicking, phase::offered}) EXPECT_EQ(decide(trial.with_phase(p), 1), gate_move::wait);
  for (const phase p : {phase::dumping, phase::jumping}) {
    EXPECT_EQ(decide(trial.with_phase(p), 1), gate_move::park);
    EXPECT_EQ(decide(trial.with_phase(p), 2), gate_move::mine);
  }
}

}  // namespace
}  // namespace gate_word_test
