// SPDX-License-Identifier: BSL-1.0
// The checker is checked: bugs that are known to be there must be found, and what is correct must not be reported.

#include "race/model/expect.hpp"

namespace checker_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::require;

enum class bug { none, relaxed_ack, split_claim, no_acquire, skipped_cpu };

// One claims, the others leave something behind, say so and park; who claimed waits for all of them and looks.
template <cpu_id N, bug Bug>
struct last_cpu_gate : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = model::platform<N>;
  typename P::template atomic<uint32_t> owner;
  typename P::template atomic<uint32_t> ack[N];
  uint64_t left_behind[N];

  bool claim(cpu_id me) {
    uint32_t nobody = 0;
    if (Bug != bug::split_claim) return owner.compare_exchange(nobody, me + 1, order::acq_rel, order::relaxed);
    if (owner.load(order::acquire) != 0) return false;
    owner.store(me + 1, order::release);
    return true;
  }
  void run(cpu_id me) override {
    if (!claim(me)) {
      left_behind[me] = 1;
      ack[me].store(1, Bug == bug::relaxed_ack ? order::relaxed : order::release);
      P::wake(ack[me]);
      P::park();
    }
    require(model::note(0)++ == 0, "two winners");
    for (cpu_id cpu = 0; cpu < N; ++cpu)
      if (cpu != me && !(Bug == bug::skipped_cpu && cpu == N - 1)) collect(cpu);
    for (cpu_id cpu = 0; cpu < N; ++cpu)
      if (cpu != me) require(model::uses(left_behind[cpu]) == 1, "a CPU is missing");
    P::jump({1});
  }
  void collect(cpu_id cpu) {
    while (ack[cpu].load(Bug == bug::no_acquire ? order::relaxed : order::acquire) == 0)
      (void)P::wait_while(ack[cpu], 0u, no_deadline);
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "nobody finished the job"); }
};

TEST(checker, gate_of_three_is_exhausted) {
  EXPECT_LT((expect_complete<last_cpu_gate<3, bug::none>>("3 CPUs").states), 1'000U);
  EXPECT_LT((expect_complete<last_cpu_gate<4, bug::none>>("4 CPUs").states), 100'000U);
}
TEST(checker, reduced_and_unreduced_agree) {
  expect_complete<last_cpu_gate<2, bug::none>>("2 CPUs, every order", {.reduce = false});
  for (const bool reduce : {true, false}) {
    expect_caught<last_cpu_gate<2, bug::relaxed_ack>>("relaxed ack", "data race", {.reduce = reduce});
    expect_caught<last_cpu_gate<2, bug::no_acquire>>("missing acquire", "data race", {.reduce = reduce});
    expect_caught<last_cpu_gate<2, bug::split_claim>>("split claim", "", {.reduce = reduce});
    expect_caught<last_cpu_gate<2, bug::skipped_cpu>>("skipped CPU", "", {.reduce = reduce});
  }
}

template <cpu_id N>
void seeded_bugs_are_caught(const model::options& o) {
  expect_caught<last_cpu_gate<N, bug::relaxed_ack>>("relaxed ack", "data race", o);
  expect_caught<last_cpu_gate<N, bug::split_claim>>("split claim", "two winners", o);
  expect_caught<last_cpu_gate<N, bug::no_acquire>>("missing acquire", "data race", o);
  expect_caught<last_cpu_gate<N, bug::skipped_cpu>>("skipped CPU", "a CPU is missing", o);
}
TEST(checker, seeded_bugs_of_three_cpus_are_caught) {
  seeded_bugs_are_caught<3>({});
}
TEST(checker, seeded_bugs_of_four_cpus_are_caught) {
  seeded_bugs_are_caught<4>({});
}
TEST(checker, seeded_bugs_are_caught_at_random) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const model::options o{.random_runs = 2000, .seed = seed, .shorten = false};
    EXPECT_NE((model::explore<last_cpu_gate<4, bug::relaxed_ack>>(o).failure), "") << seed;
    EXPECT_NE((model::explore<last_cpu_gate<4, bug::split_claim>>(o).failure), "") << seed;
    EXPECT_NE((model::explore<last_cpu_gate<4, bug::no_acquire>>(o).failure), "") << seed;
    EXPECT_NE((model::explore<last_cpu_gate<4, bug::skipped_cpu>>(o).failure), "") << seed;
    EXPECT_EQ((model::explore<last_cpu_gate<4, bug::none>>(o).failure), "") << seed;
  }
}
TEST(checker, seeded_bugs_are_caught_within_two_switches) {
  seeded_bugs_are_caught<4>({.switches = 2});
}

// Two words taken in opposite orders, each with a sleep.
struct crossed : model::scenario {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<2>;
  P::atomic<uint32_t> word[2];
  void take(P::atomic<uint32_t>& w) {
    for (uint32_t free = 0; !w.compare_exchange(free, 1, order::acquire, order::relaxed); free = 0)
      (void)P::wait_while(w, 1u, no_deadline);
  }
  void give(P::atomic<uint32_t>& w) {
    w.store(0, order::release);
    P::wake(w);
  }
  void run(cpu_id me) override {
    take(word[me]);
    take(word[1 - me]);
    give(word[1 - me]);
    give(word[me]);
  }
};
TEST(checker, deadlock_is_caught) {
  expect_caught<crossed>("crossed locks", "deadlock");
}

template <bool Wake>
struct sleeper : model::scenario {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<2>;
  P::atomic<uint32_t> word;
  void run(cpu_id me) override {
    if (me == 0) {
      word.store(1, order::release);
      if (Wake) P::wake(word);
    } else {
      while (word.load(order::acquire) == 0) (void)P::wait_while(word, 0u, no_deadline);
    }
  }
};
TEST(checker, lost_wake_up_is_caught) {
  expect_caught<sleeper<false>>("a store without a wake", "deadlock");
  expect_complete<sleeper<true>>("a store with a wake");
}

// Each waits for the other, and looks again and again.
template <bool Stuck>
struct pollers : model::scenario {
  static constexpr cpu_id cpus = 2;
  model::atomic<uint32_t> word[2];
  void run(cpu_id me) override {
    if (!Stuck) word[me].store(1, order::release);
    while (word[1 - me].load(order::acquire) == 0) {
    }
    word[me].store(1, order::release);
  }
};
TEST(checker, livelock_is_caught) {
  const model::result r = model::explore<pollers<true>>({.livelock = true});
  EXPECT_NE(r.failure.find("livelock"), std::string::npos);
  expect_complete<pollers<false>>("pollers", {.livelock = true});
}

// A loop that can be left, but not from everywhere at once.
struct loop_with_an_end : model::scenario {
  static constexpr cpu_id cpus = 1;
  void run(cpu_id) override {
    while (model::choose(2) == 0) (void)model::choose(1);
  }
};
TEST(checker, loop_with_an_end_is_no_livelock) {
  expect_complete<loop_with_an_end>("a loop with an end", {.livelock = true});
}
// A lock that nobody gives back, with a store for each look at it.
struct spin_by_exchange : model::scenario {
  static constexpr cpu_id cpus = 2;
  model::atomic<uint32_t> x;
  void run(cpu_id) override {
    while (x.fetch_add(1, order::acquire) != 0) {
    }
  }
};

TEST(checker, more_stores_than_there_is_room_for_are_an_error) {
  expect_caught<spin_by_exchange>("spin by fetch_add", "more stores");
}

TEST(checker, livelocks_are_not_looked_for_one_by_one) {
  EXPECT_NE((model::explore<loop_with_an_end>({.reduce = false, .livelock = true}).failure), "");
}

// Two exchanges are enough to fail; the rest of the run is not part of what is shown.
struct long_way : model::scenario {
  static constexpr cpu_id cpus = 2;
  model::atomic<uint32_t> word;
  void run(cpu_id me) override {
    for (uint32_t i = 0; i < 5; ++i)
      if (word.fetch_add(1, order::relaxed) == 1 && me == 1) require(false, "the second is CPU 1");
  }
};
TEST(checker, counterexample_is_the_shortest) {
  const model::result r = expect_caught<long_way>("the shortest way", "the second is CPU 1");
  EXPECT_TRUE(r.shortest);
  EXPECT_EQ(r.choices.substr(r.choices.find(':')), ":0.1.");
}

TEST(checker, chart_is_that_of_the_shortest_way) {
  using scenario = last_cpu_gate<3, bug::relaxed_ack>;
  const model::result first = model::explore<scenario>({.shorten = false}), shortest = model::explore<scenario>();
  ASSERT_LT(shortest.choices.size(), first.choices.size());
  EXPECT_EQ(shortest.chart, model::replay<scenario>(shortest.choices).chart);
}

TEST(checker, counterexample_is_a_chart) {
  const model::result r = model::explore<last_cpu_gate<2, bug::relaxed_ack>>();
  EXPECT_NE(r.chart.find("CPU 1"), std::string::npos);
  EXPECT_NE(r.chart.find("=> data race"), std::string::npos);
}

TEST(checker, choices_of_something_else_are_refused) {
  using scenario = last_cpu_gate<2, bug::none>;
  EXPECT_EQ((model::replay<scenario>("0*1:7").failure), "choices that do not fit this scenario");
  EXPECT_EQ((model::replay<scenario>("9999*1:0").failure), "choices that are not of this scenario");
}

// An NMI between two stores of the CPU that it comes to.
struct torn : model::scenario {
  static constexpr cpu_id cpus = 1;
  model::atomic<uint32_t> first, second;
  void run(cpu_id) override {
    first.store(1, order::relaxed);
    second.store(1, order::relaxed);
  }
  void nmi(cpu_id, model::interrupt) override {
    require(first.load(order::relaxed) == second.load(order::relaxed), "between two stores");
  }
};
TEST(checker, nmi_comes_between_two_operations) {
  expect_complete<torn>("no NMI");
  expect_caught<torn>("1 NMI", "between two stores", {.nmis = 1});
}

// Its NMI handler tells two moments apart between which its CPU has done nothing that another one takes part in.
struct flag_behind_a_wake : model::scenario {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  model::atomic<uint32_t> x;
  uint64_t flag;

  void run(cpu_id me) override {
    if (me == 1) {
      x.fetch_add(2, order::relaxed);
      return;
    }
    x.fetch_add(1, order::relaxed);
    P::wake(x);
    flag = 1;
    x.fetch_add(4, order::relaxed);
  }
  void nmi(cpu_id, model::interrupt) override {
    const uint32_t seen = x.load(order::relaxed);
    require((seen & 1) == 0 || model::uses(flag) == 1, "an NMI between x and flag");
  }
};

TEST(checker, nmi_comes_where_a_cpu_is_alone_with_its_words) {
  for (const bool reduce : {true, false})
    expect_caught<flag_behind_a_wake>("an NMI behind a quiet one", "between x and flag",
                                      {.nmis = 1, .nmi_cpus = 1, .reduce = reduce});
}

// It is there before any CPU is.
struct made_by_nobody : model::scenario {
  static constexpr cpu_id cpus = 2;
  uint64_t by = model::platform<cpus>::this_cpu();
  void run(cpu_id) override {}
  void finish(ending, cpu_id) override { require(by == no_cpu, "a CPU has made the scenario"); }
};
TEST(checker, scenario_is_made_by_no_cpu) {
  expect_complete<made_by_nobody>("2 CPUs");
}

}  // namespace
}  // namespace checker_model
