// SPDX-License-Identifier: BSL-1.0
// panic_cpu.hpp: the memory order of each of its operations, which its comments promise, and what comes after what when a
// transition is traced and who waits is woken. That the orders suffice is seen in tests/race/model/gate_model.cpp.
#include <lastcpu/panic_cpu.hpp>

#include <gtest/gtest.h>

#include <memory>

#include "support/fake_platform.hpp"

namespace gate_orders_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using orders = std::pair<order, order>;

struct gate_orders : testing::Test {
  fake_machine m;
  panic_cpu<fake_platform> gate;

  // Of the exchange that `transition` makes, on success and on failure; it makes one, and no store.
  template <class F>
  orders of(F transition) {
    m.accesses.clear();
    transition();
    std::vector<orders> made;
    for (const word_access& a : m.accesses) {
      EXPECT_NE(a.what, word_access::store);
      if (a.what == word_access::exchange) made.emplace_back(a.how, a.failure);
    }
    EXPECT_EQ(made.size(), 1u);
    return made.empty() ? orders{} : made[0];
  }
  template <class F>
  [[nodiscard]] order first_load_of(F transition) {
    m.accesses.clear();
    transition();
    EXPECT_EQ(m.accesses.at(0).what, word_access::load);
    return m.accesses.at(0).how;
  }
};

TEST_F(gate_orders, claims_acquire_whether_they_win_or_lose) {
  EXPECT_EQ(of([&] { (void)gate.claim(hold::trial); }), orders(order::acquire, order::acquire));
  EXPECT_EQ(of([&] { (void)gate.claim(hold::final); }), orders(order::acquire, order::acquire)) << "made final";
  std::construct_at(&gate);
  m.is_new_machine();
  EXPECT_EQ(of([&] { (void)gate.claim_from_nmi(); }), orders(order::acq_rel, order::acquire));
}

TEST_F(gate_orders, pending_panic_acquires_and_releases) {
  (void)gate.claim(hold::trial);
  EXPECT_EQ(of([&] { (void)gate.claim_from_nmi(); }), orders(order::acq_rel, order::acquire));
}

TEST_F(gate_orders, release_publishes_whether_it_opens_the_gate_or_not) {
  (void)gate.claim(hold::trial);
  EXPECT_EQ(of([&] { (void)gate.release(); }), orders(order::release, order::relaxed));
  (void)gate.claim(hold::trial);
  (void)gate.claim_from_nmi();
  EXPECT_EQ(of([&] { (void)gate.release(); }), orders(order::release, order::relaxed)) << "a panic was pending";
}

TEST_F(gate_orders, commit_and_steps_publish_and_see_the_step_before) {
  (void)gate.claim(hold::final);
  EXPECT_EQ(of([&] { (void)gate.begin_step(1); }), orders(order::acq_rel, order::relaxed));
  EXPECT_EQ(of([&] { (void)gate.commit(); }), orders(order::acq_rel, order::relaxed));
}

TEST_F(gate_orders, each_look_at_the_gate_acquires) {
  (void)gate.claim(hold::final);
  EXPECT_EQ(first_load_of([&] { (void)gate.read(); }), order::acquire);
  EXPECT_EQ(first_load_of([&] { (void)gate.claim(hold::final); }), order::acquire);
  EXPECT_EQ(first_load_of([&] { (void)gate.claim_from_nmi(); }), order::acquire);
  EXPECT_EQ(first_load_of([&] { (void)gate.on_this_cpu(); }), order::acquire);
  EXPECT_EQ(first_load_of([&] { (void)gate.on_other_cpu(); }), order::acquire);
}

// --- Who waits is woken when the word has changed, and before anything else.

TEST_F(gate_orders, release_is_traced_when_who_waited_has_been_woken) {
  (void)gate.claim(hold::trial);
  m.when("0 wakes", [&] { EXPECT_FALSE(gate.in_progress()); });
  ASSERT_EQ(gate.release(), release_outcome::released);
  EXPECT_LT(m.at("0 wakes"), m.at("0 releases"));
}

TEST_F(gate_orders, pending_panic_is_final_when_who_waits_is_woken) {
  (void)gate.claim(hold::trial);
  (void)gate.claim_from_nmi();
  m.when("0 wakes", [&] { EXPECT_EQ(gate.read().phase(), phase::panicking); });
  ASSERT_EQ(gate.release(), release_outcome::panic_pending);
  EXPECT_LT(m.at("0 wakes"), m.at("0 takes the pending panic"));
}

TEST_F(gate_orders, commit_is_traced_before_a_loser_does_something_about_it) {
  (void)gate.claim(hold::final);
  m.when("0 commits", [&] { EXPECT_TRUE(gate.read().is_committed()); });
  ASSERT_TRUE(gate.begin_step(4, phase::dumping) == step_outcome::begun);
  EXPECT_EQ(m.log, (std::vector<std::string>{"0 wins 2", "0 commits", "0 wakes", "0 begins commit"}));
}

TEST_F(gate_orders, what_is_traced_has_happened) {
  m.when("0 wins 1", [&] { EXPECT_EQ(gate.read().phase(), phase::trial); });
  (void)gate.claim(hold::trial);
  m.when("0 leaves a panic pending", [&] { EXPECT_TRUE(gate.read().pending()); });
  (void)gate.claim_from_nmi();
  m.when("0 wins 2", [&] { EXPECT_EQ(gate.read().phase(), phase::panicking); });
  (void)gate.claim(hold::final);
  m.when("0 begins report", [&] { EXPECT_EQ(gate.read().step(), 1u); });
  (void)gate.begin_step(1);
  EXPECT_EQ(m.log, (std::vector<std::string>{"0 wins 1", "0 leaves a panic pending", "0 wins 2", "0 begins report"}));
}

}  // namespace
}  // namespace gate_orders_test
