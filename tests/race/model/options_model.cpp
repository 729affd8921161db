// SPDX-License-Identifier: BSL-1.0
// What each option of an exploration does, to the number, and what the result says of it.

#include "race/model/outcomes.hpp"

namespace options_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::choose;
using model::interrupt;
using model::note;
using model::options;
using model::result;

// One CPU, `Moves` moves, so many states.
template <uint32_t Moves>
struct chain : model::scenario {
  static constexpr cpu_id cpus = 1;
  void run(cpu_id) override {
    for (uint32_t i = 0; i < Moves; ++i) {
      moment();
      note(0) += 1;
    }
  }
};
void expect_bound(const options& enough, const options& too_few) {
  const result all = model::explore<chain<5>>(enough), some = model::explore<chain<5>>(too_few);
  EXPECT_EQ(all.failure + some.failure, "");
  EXPECT_TRUE(all.complete);
  EXPECT_FALSE(some.complete);
  EXPECT_EQ(all.runs, 1U);
  EXPECT_EQ(some.runs, 0U);
}
TEST(options, max_depth_is_the_longest_run) {
  expect_bound({.max_depth = 5}, {.max_depth = 4});
  expect_bound({.max_depth = 5, .reduce = false}, {.max_depth = 4, .reduce = false});
}
TEST(options, max_states_are_fewer_than_that) {
  expect_bound({.max_states = 6}, {.max_states = 5});
}
TEST(options, bounds_are_those_of_the_documentation_where_none_are_asked_for) {
  EXPECT_EQ(options{}.max_states, 30'000'000U);
  EXPECT_EQ(options{}.max_depth, 5'000U);
}
TEST(options, result_counts_states_runs_and_moves) {
  const result r = model::explore<chain<5>>();
  EXPECT_EQ(r.states, 5U);
  EXPECT_EQ(r.runs, 1U);
  EXPECT_EQ(r.moves, 5U);
  EXPECT_GT(r.seconds, 0);
  EXPECT_LT(r.seconds, 10);
  EXPECT_FALSE(r.shortest);
  EXPECT_EQ(r.choices, "");
  EXPECT_EQ(r.chart, "");
}

// Two CPUs with two moves each: six orders, and 3 x 3 places less the last one.
struct grid : litmus<0> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    for (uint32_t i = 0; i < 2; ++i) {
      moment();
      note(me) += 1;
    }
  }
};
TEST(options, reduce_leaves_out_what_is_known) {
  const result every = model::explore<grid>({.reduce = false}), reduced = model::explore<grid>();
  EXPECT_TRUE(every.complete && reduced.complete);
  EXPECT_EQ(every.runs, 6U);
  EXPECT_EQ(every.states, 0U);
  EXPECT_EQ(every.moves, 18U);
  EXPECT_EQ(reduced.runs, 2U);  // the end is no state
  EXPECT_EQ(reduced.states, 8U);
  EXPECT_EQ(reduced.moves, 12U);
}
TEST(options, switches_are_counted_where_a_cpu_could_go_on) {
  const auto runs = [](uint32_t switches) {
    const result r = model::explore<grid>({.switches = switches, .reduce = false});
    EXPECT_EQ(r.complete, switches >= 2);
    return r.runs;
  };
  EXPECT_EQ(runs(0), 2U);
  EXPECT_EQ(runs(1), 4U);
  EXPECT_EQ(runs(2), 6U);
  EXPECT_EQ(runs(4), 6U);
  EXPECT_TRUE(model::explore<chain<3>>({.switches = 0}).complete);  // there is nobody to switch to
}

// Two pairs of unordered moves on words that nobody else uses: no order matters.
struct strangers : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x[2];
  void run(cpu_id me) override {
    x[me].store(1, order::relaxed);
    x[me].store(2, order::relaxed);
  }
};
TEST(options, interrupt_is_followed_by_the_first_operation_of_its_handler) {
  struct one_nmi : strangers {
    void nmi(cpu_id, interrupt) override { (void)choose(2); }
  };
  const result r = model::explore<one_nmi>({.nmis = 1, .nmi_cpus = 1, .reduce = false});
  EXPECT_EQ(r.failure, "");
  EXPECT_EQ(r.runs, 66U);  // 6 orders, without an NMI or with one in 5 places that chooses in 2 ways
}

// NMIs can come where everybody has ended.
struct idle_nmis : litmus<1> {
  static constexpr cpu_id cpus = 1;
  void run(cpu_id) override {}
  void nmi(cpu_id, interrupt) override { ++note(0); }
  void finish(model::ending, cpu_id) override { outcome(std::exchange(note(0), 5)); }  // of this run only
};

struct counted_nmis : litmus<2> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id) override { moment(); }
  void nmi(cpu_id me, interrupt which) override { note(me) += which == interrupt::injected_nmi; }
};
TEST(options, nmis_are_a_budget_for_all_cpus) {
  expect_exactly<counted_nmis>({0});
  expect_exactly<counted_nmis>({0, 1, 10}, {.nmis = 1});
  expect_exactly<counted_nmis>({0, 1, 10, 2, 11, 20}, {.nmis = 2});
  expect_exactly<idle_nmis>({0, 1, 2}, {.nmis = 2});
}
TEST(options, nmi_cpus_are_the_ones_to_which_nmis_come) {
  expect_exactly<counted_nmis>({0, 10, 20}, {.nmis = 2, .nmi_cpus = 1});
  expect_exactly<counted_nmis>({0, 1, 2}, {.nmis = 2, .nmi_cpus = 2});
  expect_exactly<counted_nmis>({0}, {.nmis = 2, .nmi_cpus = 4});
}

struct three_stores : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 0) {
      for (uint32_t i = 1; i <= 3; ++i) x.store(i, order::relaxed);
      note(2) = 1;
    } else {
      moment();
      const uint64_t all_are_there = note(2);
      const uint32_t seen = x.load(order::relaxed);
      if (all_are_there == 1) saw(0, 1);
      if (all_are_there == 1) saw(1, seen);
    }
  }
};
TEST(options, stale_is_how_many_stores_back_a_load_sees) {
  expect_exactly_within<three_stores>({.stale = 0}, {0, 13});
  expect_exactly_within<three_stores>({.stale = 1}, {0, 12, 13});
  expect_exactly_within<three_stores>({.stale = 2}, {0, 11, 12, 13});
  expect_exactly<three_stores>({0, 10, 11, 12, 13});
}

template <cpu_id N>
struct three_of_them : grid {
  static constexpr cpu_id cpus = N;
};
TEST(options, switch_away_from_a_cpu_that_has_ended_is_free) {
  const options one{.switches = 1, .reduce = false};
  EXPECT_EQ(model::explore<three_of_them<3>>(one).runs, 24U);  // 6 without a switch, and 6 for each CPU to leave
}

// --- At random

struct three_dice : litmus<3> {
  static constexpr cpu_id cpus = 1;
  void run(cpu_id) override {
    for (uint32_t i = 0; i < 3; ++i) saw(i, choose(10));
  }
};
outcomes at_random(uint64_t runs, uint64_t seed) {
  result r;
  const outcomes met = outcomes_of<three_dice>({.random_runs = runs, .seed = seed}, &r);
  EXPECT_EQ(r.runs, runs);
  EXPECT_EQ(r.moves, 3 * runs);
  EXPECT_EQ(r.states, 0U);
  EXPECT_FALSE(r.complete);
  return met;
}
TEST(options, random_runs_are_so_many_and_go_by_their_seed) {
  EXPECT_EQ(at_random(1, 7).size(), 1U);
  EXPECT_EQ(at_random(20, 7), at_random(20, 7));
  EXPECT_NE(at_random(20, 7), at_random(20, 8));
  EXPECT_GT(at_random(20, 7).size(), 15U);
}
TEST(options, random_run_that_does_not_end_is_a_livelock) {
  EXPECT_EQ(model::explore<chain<5>>({.random_runs = 3, .max_depth = 6}).failure, "");
  EXPECT_EQ(model::explore<chain<5>>({.random_runs = 3, .max_depth = 5}).failure,
            "livelock: a run does not come to an end");
}

// Where an NMI may rescue a sleeper, at random too it may as well not come.
struct rescued : model::scenario {
  static constexpr cpu_id cpus = 1;
  word x;
  void run(cpu_id) override { (void)model::platform<1>::wait_while(x, 0u, no_deadline); }
  void nmi(cpu_id, interrupt) override { x.store(1, order::relaxed); }
};
TEST(options, nmi_that_would_rescue_a_sleeper_hides_no_deadlock) {
  expect_caught<rescued>("all runs", "deadlock: CPU 0 waits for ever", {.nmis = 1});
  expect_caught<rescued>("every order", "deadlock: CPU 0 waits for ever", {.nmis = 1, .reduce = false});
  expect_caught<rescued>("at random", "deadlock: CPU 0 waits for ever", {.nmis = 1, .random_runs = 50});
  expect_caught<rescued>("spurious", "deadlock: CPU 0 waits for ever", {.spurious = 3});
}

TEST(options, nmi_at_random_may_come_late_or_never) {
  EXPECT_EQ((outcomes_of<counted_nmis>({.nmis = 1, .nmi_cpus = 1, .random_runs = 50})), (outcomes{0, 10}));
  EXPECT_EQ((outcomes_of<idle_nmis>({.nmis = 1, .random_runs = 50})), (outcomes{0, 1}));
}

// --- Livelocks, and the way to a failure

struct spins_or_ends : model::scenario {
  static constexpr cpu_id cpus = 1;
  void run(cpu_id) override {
    if (choose(2) == 1)
      for (;;) moment();
  }
};
TEST(options, livelock_is_found_where_it_is_asked_for_and_nothing_is_cut) {
  expect_complete<spins_or_ends>("not asked for");
  EXPECT_EQ(model::explore<spins_or_ends>({.livelock = true}).failure, "livelock: from here nobody can come to an end");
  EXPECT_EQ(model::explore<chain<5>>({.max_depth = 4, .livelock = true}).failure, "");
  EXPECT_EQ(model::explore<chain<5>>({.reduce = false, .livelock = true}).failure,
            "model::options: livelock needs reduce");
  expect_complete<chain<5>>("a chain", {.livelock = true});
  expect_complete<counted_nmis>("ends before its NMIs have come", {.nmis = 2, .livelock = true});
}

// Fails by a long way first.
struct detour : model::scenario {
  static constexpr cpu_id cpus = 1;
  void run(cpu_id) override {
    for (note(0) = choose(3); note(0) < 3; ++note(0)) moment();
    model::require(false, "fails");
  }
  void nmi(cpu_id, interrupt) override { model::require(note(0) != 2, "fails sooner"); }
};
TEST(options, shorten_finds_the_shortest_way_to_a_failure) {
  const result long_one = model::explore<detour>({.shorten = false}), short_one = model::explore<detour>();
  EXPECT_EQ(long_one.choices, ":0.0.0.0.");
  EXPECT_EQ(short_one.choices, ":2.0.");
  EXPECT_FALSE(long_one.shortest);
  EXPECT_TRUE(short_one.shortest);
  EXPECT_EQ(long_one.failure, "fails");
  EXPECT_EQ(short_one.failure, "fails");
  const result other = model::explore<detour>({.nmis = 1});
  EXPECT_EQ(other.choices, ":2.0.");
  EXPECT_EQ(other.failure, "fails");
  EXPECT_EQ(model::explore<detour>({.reduce = false}).choices, ":0.0.0.0.");
  EXPECT_EQ(model::explore<detour>({.livelock = true}).choices, ":0.0.0.0.");
}

}  // namespace
}  // namespace options_model
