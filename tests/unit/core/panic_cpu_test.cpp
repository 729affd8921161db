// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/panic_cpu.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace panic_cpu_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using gate_type = panic_cpu<fake_platform>;

struct panic_cpu : testing::Test {
  fake_machine m;
  gate_type gate;

  claim_result claim_on(cpu_id cpu, hold wanted) {
    m.cpu = cpu;
    return gate.claim(wanted);
  }
  claim_result nmi_claim_on(cpu_id cpu) {
    m.cpu = cpu;
    return gate.claim_from_nmi();
  }
  release_outcome release_on(cpu_id cpu) {
    m.cpu = cpu;
    return gate.release();
  }
  // Does `attempt` and expects that the gate is afterwards what it was before.
  template <class F>
  auto unchanged_by(F attempt) {
    const uintptr_t before = gate.read().bits();
    const auto answer = attempt();
    EXPECT_EQ(gate.read().bits(), before);
    return answer;
  }
  [[nodiscard]] bool exchanged_with(order how) const {
    for (const word_access& a : m.accesses)
      if (a.what == word_access::exchange && a.how == how) return true;
    return false;
  }
};

TEST_F(panic_cpu, open_gate_goes_to_the_first_claim) {
  EXPECT_FALSE(gate.in_progress());
  const claim_result mine = claim_on(2, hold::final);
  EXPECT_TRUE(mine.won());
  EXPECT_EQ(mine.holder(), 2u);
  EXPECT_EQ(mine.phase(), phase::panicking);
  EXPECT_EQ(mine.epoch(), 0u);
  EXPECT_EQ(mine.word.bits(), gate.read().bits());
  EXPECT_TRUE(gate.in_progress());
  EXPECT_TRUE(gate.on_this_cpu());
  EXPECT_FALSE(gate.on_other_cpu());
  m.cpu = 1;
  EXPECT_FALSE(gate.on_this_cpu());
  EXPECT_TRUE(gate.on_other_cpu());
}

TEST_F(panic_cpu, open_gate_is_on_no_cpu) {
  EXPECT_FALSE(gate.on_this_cpu());
  EXPECT_FALSE(gate.on_other_cpu());
}

TEST_F(panic_cpu, trial_claim_wins_a_trial) {
  EXPECT_EQ(claim_on(0, hold::trial).phase(), phase::trial);
  EXPECT_EQ(gate.read().phase(), phase::trial);
}

TEST_F(panic_cpu, claim_of_another_cpu_loses_and_changes_nothing) {
  for (const hold first : {hold::trial, hold::final}) {
    gate_type g;
    m.cpu = 0;
    ASSERT_TRUE(g.claim(first).won());
    const uintptr_t before = g.read().bits();
    m.cpu = 1;
    for (const claim_result loser : {g.claim(hold::trial), g.claim(hold::final), g.claim_from_nmi()}) {
      EXPECT_EQ(loser.outcome, claim_outcome::other);
      EXPECT_EQ(loser.holder(), 0u);
      EXPECT_EQ(loser.word.bits(), before);
    }
    EXPECT_EQ(g.read().bits(), before);
  }
}

TEST_F(panic_cpu, loser_only_reads) {
  ASSERT_TRUE(claim_on(0, hold::final).won());
  m.accesses.clear();
  EXPECT_FALSE(claim_on(1, hold::final).won());
  ASSERT_EQ(m.accesses.size(), 1u);
  EXPECT_EQ(m.accesses[0].what, word_access::load);
  EXPECT_EQ(m.accesses[0].how, order::acquire);
}

TEST_F(panic_cpu, nested_claim_on_owner_is_reported_as_mine) {
  ASSERT_TRUE(claim_on(0, hold::final).won());
  for (const hold again : {hold::trial, hold::final})
    EXPECT_EQ(unchanged_by([&] { return claim_on(0, again); }).outcome, claim_outcome::mine_already);
}

TEST_F(panic_cpu, trial_claim_inside_a_trial_is_reported_as_mine) {
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  EXPECT_EQ(unchanged_by([&] { return claim_on(0, hold::trial); }).outcome, claim_outcome::mine_already);
}

TEST_F(panic_cpu, panic_inside_a_trial_makes_it_final) {
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  const claim_result mine = claim_on(0, hold::final);
  EXPECT_TRUE(mine.won());
  EXPECT_EQ(mine.phase(), phase::panicking);
  EXPECT_EQ(release_on(0), release_outcome::not_on_trial);
}

TEST_F(panic_cpu, panic_inside_a_trial_takes_a_pending_one_along) {
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  ASSERT_TRUE(nmi_claim_on(0).word.pending());
  EXPECT_TRUE(claim_on(0, hold::final).won());
  EXPECT_FALSE(gate.read().pending());
}

TEST_F(panic_cpu, claim_of_an_unknown_cpu_is_refused_and_changes_nothing) {
  for (const cpu_id cpu : {fake_platform::max_cpus, no_cpu}) {
    EXPECT_EQ(unchanged_by([&] { return claim_on(cpu, hold::trial); }).outcome, claim_outcome::refused);
    EXPECT_EQ(unchanged_by([&] { return claim_on(cpu, hold::final); }).outcome, claim_outcome::refused);
    EXPECT_EQ(unchanged_by([&] { return nmi_claim_on(cpu); }).outcome, claim_outcome::refused);
    EXPECT_EQ(release_on(cpu), release_outcome::not_mine);
    EXPECT_FALSE(gate.on_this_cpu());
  }
  ASSERT_TRUE(claim_on(0, hold::final).won());
  EXPECT_EQ(unchanged_by([&] { return claim_on(no_cpu, hold::final); }).outcome, claim_outcome::refused);
  EXPECT_TRUE(gate.on_other_cpu());
}

TEST_F(panic_cpu, release_by_an_unknown_cpu_opens_no_gate_whatever_its_number_is) {
  ASSERT_TRUE(claim_on(0, hold::final).won());
  for (const bool committed : {false, true}) {
    if (committed) {
      m.cpu = 0;
      ASSERT_TRUE(gate.commit());
    }
    for (const cpu_id high : {1u, 2u, 3u, 4u, 5u, 6u})
      for (const unsigned owner_bits : {8u, 16u})
        EXPECT_EQ(unchanged_by([&] { return release_on(high << owner_bits); }), release_outcome::not_mine) << high;
  }
}

TEST_F(panic_cpu, two_claims_have_one_winner_wherever_the_second_one_comes_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    gate_type g;
    claim_outcome first{}, second{};
    machine.inject(0, n, [&] { machine.as(1, [&] { second = g.claim(hold::final).outcome; }); });
    machine.as(0, [&] { first = g.claim(hold::final).outcome; });
    if (!machine.injected()) return;
    EXPECT_EQ(first == claim_outcome::won, second == claim_outcome::other) << n;
    EXPECT_EQ(second == claim_outcome::won, first == claim_outcome::other) << n;
    EXPECT_EQ(g.read().owner(), first == claim_outcome::won ? 0u : 1u) << n;
  });
}

TEST_F(panic_cpu, losing_claim_says_what_its_exchange_saw_not_what_came_later) {
  // CPU 1 wins between CPU 0's read and its exchange, and gives the gate back after it.
  at_every_moment([](fake_machine& machine, uint32_t n) {
    gate_type g;
    claim_result first{};
    machine.cpu = 1;
    (void)g.claim(hold::trial);
    machine.cpu = 0;
    machine.inject(0, n, [&] { machine.as(1, [&] { EXPECT_EQ(g.release(), release_outcome::released); }); });
    machine.as(0, [&] { first = g.claim(hold::final); });
    if (first.won()) {
      EXPECT_TRUE(g.read().is_held_by(0)) << n;
    } else {
      EXPECT_EQ(first.outcome, claim_outcome::other) << n;
      EXPECT_EQ(first.holder(), 1u) << n;
    }
  });
}

TEST_F(panic_cpu, nmi_claim_takes_an_open_gate) {
  const claim_result mine = nmi_claim_on(3);
  EXPECT_TRUE(mine.won());
  EXPECT_EQ(mine.phase(), phase::panicking);
  EXPECT_TRUE(gate.on_this_cpu());
}

TEST_F(panic_cpu, nmi_claim_on_a_trial_leaves_a_panic_pending) {
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  const claim_result nested = nmi_claim_on(0);
  EXPECT_EQ(nested.outcome, claim_outcome::mine_already);
  EXPECT_TRUE(nested.word.pending());
  EXPECT_EQ(nested.phase(), phase::trial);
  EXPECT_TRUE(gate.read().pending());
  EXPECT_EQ(m.count("0 leaves a panic pending"), 1);
}

TEST_F(panic_cpu, second_nmi_claim_on_a_trial_changes_nothing) {
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  (void)nmi_claim_on(0);
  const claim_result again = unchanged_by([&] { return nmi_claim_on(0); });
  EXPECT_EQ(again.outcome, claim_outcome::mine_already);
  EXPECT_TRUE(again.word.pending());
  EXPECT_EQ(m.count("0 leaves a panic pending"), 1);
}

TEST_F(panic_cpu, nmi_claim_on_a_final_hold_changes_nothing) {
  ASSERT_TRUE(claim_on(0, hold::final).won());
  const claim_result nested = unchanged_by([&] { return nmi_claim_on(0); });
  EXPECT_EQ(nested.outcome, claim_outcome::mine_already);
  EXPECT_FALSE(nested.word.pending());
}

TEST_F(panic_cpu, release_opens_the_gate_one_epoch_on_and_wakes_who_waits) {
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  m.woken.clear();
  EXPECT_EQ(release_on(0), release_outcome::released);
  EXPECT_FALSE(gate.in_progress());
  EXPECT_EQ(gate.read().epoch(), 1u);
  EXPECT_EQ(m.woken.size(), 1u);
  const claim_result next = claim_on(1, hold::final);
  EXPECT_TRUE(next.won());
  EXPECT_EQ(next.epoch(), 1u);
}

TEST_F(panic_cpu, release_with_a_pending_panic_becomes_that_panic) {
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  (void)nmi_claim_on(0);
  EXPECT_EQ(release_on(0), release_outcome::panic_pending);
  EXPECT_EQ(gate.read().phase(), phase::panicking);
  EXPECT_TRUE(gate.on_this_cpu());
  EXPECT_FALSE(gate.read().pending());
  EXPECT_EQ(claim_on(1, hold::final).outcome, claim_outcome::other);
}

TEST_F(panic_cpu, nmi_panic_during_a_release_is_never_lost) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.is_no_machine();  // an NMI that wins returns
    gate_type g;
    (void)g.claim(hold::trial);
    claim_result nmi{};
    machine.inject(0, n, [&] { nmi = g.claim_from_nmi(); });
    const release_outcome out = g.release();
    if (!machine.injected()) return;
    // Either the release turned into the panic, or the NMI found the gate open and has it.
    EXPECT_TRUE(out == release_outcome::panic_pending || nmi.won()) << n;
    EXPECT_EQ(g.read().phase(), phase::panicking) << n;
    EXPECT_TRUE(g.on_this_cpu()) << n;
  });
}

TEST_F(panic_cpu, release_of_a_final_hold_is_refused) {
  ASSERT_TRUE(claim_on(0, hold::final).won());
  EXPECT_EQ(unchanged_by([&] { return release_on(0); }), release_outcome::not_on_trial);
  ASSERT_TRUE(gate.commit());
  EXPECT_EQ(unchanged_by([&] { return release_on(0); }), release_outcome::not_on_trial);
}

TEST_F(panic_cpu, release_by_who_does_not_hold_it_is_refused) {
  EXPECT_EQ(unchanged_by([&] { return release_on(1); }), release_outcome::not_mine);
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  EXPECT_EQ(unchanged_by([&] { return release_on(1); }), release_outcome::not_mine);
  EXPECT_EQ(release_on(0), release_outcome::released);
  EXPECT_EQ(unchanged_by([&] { return release_on(0); }), release_outcome::not_mine);
}

TEST_F(panic_cpu, commit_is_the_stop_request_from_any_hold) {
  for (const hold held : {hold::trial, hold::final}) {
    m.is_new_machine();
    gate_type g;
    m.woken.clear();
    m.cpu = 0;
    ASSERT_TRUE(g.claim(held).won());
    EXPECT_TRUE(g.commit());
    EXPECT_EQ(g.read().phase(), phase::dumping);
    EXPECT_TRUE(g.read().is_committed());
    EXPECT_EQ(m.woken.size(), 1u) << "the parked losers must see it";
  }
}

TEST_F(panic_cpu, second_commit_changes_nothing) {
  ASSERT_TRUE(claim_on(0, hold::final).won());
  ASSERT_TRUE(gate.commit());
  EXPECT_TRUE(unchanged_by([&] { return gate.commit(); }));
  EXPECT_EQ(m.count("0 commits"), 1);
}

TEST_F(panic_cpu, commit_without_the_gate_is_refused) {
  EXPECT_FALSE(unchanged_by([&] { return gate.commit(); }));
  ASSERT_TRUE(claim_on(0, hold::final).won());
  m.cpu = 1;
  EXPECT_FALSE(unchanged_by([&] { return gate.commit(); }));
}

TEST_F(panic_cpu, wait_sleeps_on_the_word_that_was_seen) {
  ASSERT_TRUE(claim_on(0, hold::trial).won());
  const gate_word seen = gate.read();
  EXPECT_EQ(m.as(1, [&] { gate.wait_while(seen); }), ending::waiting);
  ASSERT_EQ(m.waits.size(), 1u);
  EXPECT_EQ(m.waits[0].value, seen.bits());
  ASSERT_EQ(release_on(0), release_outcome::released);
  ASSERT_EQ(m.woken.size(), 1u);
  EXPECT_EQ(m.woken[0], m.waits[0].word);
  EXPECT_EQ(m.resume(1), ending::returned);
}

TEST_F(panic_cpu, wait_on_an_outdated_word_does_not_sleep) {
  const gate_word open = gate.read();
  ASSERT_TRUE(claim_on(0, hold::final).won());
  EXPECT_TRUE(gate.wait_while(open));
  EXPECT_TRUE(m.waits.empty());
}

TEST_F(panic_cpu, wait_ends_at_its_deadline) {
  EXPECT_FALSE(gate.wait_while(gate.read(), m.clock + 10));
}

TEST_F(panic_cpu, transitions_have_the_orders_of_the_contract) {
  const auto orders_of = [&](auto transition) {
    m.accesses.clear();
    transition();
    return exchanged_with(order::acquire)   ? order::acquire
           : exchanged_with(order::release) ? order::release
           : exchanged_with(order::acq_rel) ? order::acq_rel
                                            : order::relaxed;
  };
  EXPECT_EQ(orders_of([&] { (void)claim_on(0, hold::trial); }), order::acquire);
  EXPECT_EQ(orders_of([&] { (void)nmi_claim_on(0); }), order::acq_rel);
  EXPECT_EQ(orders_of([&] { (void)gate.release(); }), order::release);
  EXPECT_EQ(orders_of([&] { (void)gate.commit(); }), order::acq_rel);
  m.accesses.clear();
  (void)gate.read();
  EXPECT_EQ(m.accesses.at(0).how, order::acquire);
}

TEST_F(panic_cpu, claims_are_traced) {
  (void)claim_on(0, hold::final);
  (void)claim_on(1, hold::final);
  EXPECT_EQ(m.log, (std::vector<std::string>{"0 wins 2", "1 loses to 0"}));
}

}  // namespace
}  // namespace panic_cpu_test
