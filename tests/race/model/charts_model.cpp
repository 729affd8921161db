// SPDX-License-Identifier: BSL-1.0
// What a run looks like when it is shown, what leads there again, and what the model has no room for.

#include "race/model/outcomes.hpp"

namespace charts_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::interrupt;
using model::note;
using model::result;
using P = model::platform<2>;

// A bit of everything.
struct story : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x, gate;
  uint64_t data, more;
  void send(cpu_id to, stop_how how) {
    cpu_set<2> targets;
    targets.add(to);
    P::send_stop(targets, how);
  }
  void run(cpu_id me) override {
    if (me == 1) {
      (void)P::wait_while(gate, 0u, no_deadline);
      while (gate.load(order::acquire) == 0) (void)P::wait_while(gate, 0u, 10);
      (void)model::uses(data);
      (void)x.load(order::relaxed);
      model::set_online(false);
      P::park();
    }
    data = 5;
    x.store(3, order::relaxed);
    uint32_t three = 3;
    (void)x.compare_exchange(three, 4, order::relaxed, order::relaxed);
    (void)x.compare_exchange(three, 5, order::relaxed, order::relaxed);
    x.fetch_add(1, order::relaxed);
    send(1, stop_how::irq);
    send(1, stop_how::nmi);
    gate.store(1, order::release);
    P::wake(gate);
    P::trace({trace_kind::step_begun, 0, 7});
    P::trace({trace_kind::stop_sent, 0, 1});
    P::trace({trace_kind::committed, 0, 7});
    (void)model::choose(2);
    P::jump({1});
  }
  void irq(cpu_id) override { (void)gate.load(order::relaxed); }
  void nmi(cpu_id, interrupt) override { more = 1; }
  void finish(ending how, cpu_id by) override {
    model::require(false, how == ending::jumped && by == 0 ? "jumped" : "quiet");
  }
  std::string name(const void* address) const override { return address == &x ? "x" : ""; }
  std::string value(const void* address, uint64_t v) const override { return address == &x && v == 4 ? "four" : ""; }
};

// The chart below its first line, which names the CPUs.
std::string lanes(const result& r) {
  const std::string first = "      CPU 0" + std::string(41, ' ') + "CPU 1" + std::string(41, ' ') + "\n";
  EXPECT_EQ(r.chart.substr(0, first.size()), first);
  return r.chart.substr(first.size());
}

const model::options of_the_story{
    .nmis = 1, .nmi_cpus = 2, .spurious = 1, .time = model::deadlines::any_time, .random_runs = 1, .shorten = false};
const std::string choices_of_the_story = "3*3.9*1.:1.1.1.0.0.2.1.0.1.0.1.1.1.1.0.0.2.1.2.1.1.0.2.1.1.1.0.1.0.";

TEST(charts, tell_a_run) {
  const result r = model::replay<story>(choices_of_the_story, of_the_story);
  EXPECT_EQ(r.choices, choices_of_the_story);
  EXPECT_EQ(r.failure, "jumped");
  EXPECT_EQ(lanes(r), R"(   1  writes word 16
   2                                                word 12 is 0: sleeps
   3                                                wakes up for no reason
   4                                                word 12 is 0
   5  x := 3
   6  x is 3, := four
   7                                                takes an NMI
   8                                                ! writes word 24
   9                                                ! returns from it
  10                                                word 12 is 0: sleeps
  11  x is four
  12                                                waits no longer: the deadline passes
  13  x is four, := 5
  14                                                word 12 is 0
  15                                                word 12 is 0
  16                                                word 12 is 0
  17                                                word 12 is 0
  18  sends interrupts
  19  sends NMIs
  20                                                takes a stop NMI
  21                                                ! returns from it
  22                                                word 12 is 0
  23                                                takes an interrupt
  24                                                ~ word 12 is 0
  25                                                ~ returns from it
  26                                                word 12 is 0
  27  word 12 := 1
  28                                                word 12 is 0, stale
  29                                                word 12 is 1 (27)
  30                                                reads word 16
  31                                                x is 5
  32                                                absence of CPU 1 := 1
  33                                                parks for good
  34  wakes who sleeps on word 12
  35  step_begun 7
  36  stop_sent 1
  37  committed
  38  chooses 1
  39  JUMPS
=> jumped
)");
}

enum class way_out { halts, restarts, fails };
template <way_out How>
struct woken : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 1) {
      x.store(1, order::relaxed);
      P::wake(x);
      return;
    }
    (void)P::wait_while(x, 0u, no_deadline);
    if (How == way_out::halts) P::halt();
    if (How == way_out::restarts) P::emergency_restart();
    if (How == way_out::fails) model::require(false, "why not");
  }
};
TEST(charts, tell_how_a_run_ends) {
  const std::string begins = R"(   1  word 8 is 0: sleeps
   2                                                word 8 := 1
   3                                                wakes who sleeps on word 8
   4  is woken
)";
  const std::string way = "2*3.:0.0.0.0.";
  EXPECT_EQ(lanes(model::replay<woken<way_out::halts>>(way + "0.")), begins + "   5  HALTS\n");
  EXPECT_EQ(lanes(model::replay<woken<way_out::restarts>>(way + "0.")), begins + "   5  RESTARTS\n");
  EXPECT_EQ(lanes(model::replay<woken<way_out::fails>>(way)), begins + "   5  FAILS: why not\n=> why not\n");
}

struct broken_in_its_trace : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me != 0) return;
    P::trace({trace_kind::parked, me, 0});
    x.store(1, order::relaxed);
  }
  void on_trace(const trace_event&) override { model::require(false, "why not"); }
};
TEST(charts, end_where_an_event_breaks_a_promise) {
  const result r = model::explore<broken_in_its_trace>({});
  EXPECT_EQ(r.failure, "why not");
  EXPECT_EQ(lanes(model::replay<broken_in_its_trace>(r.choices)), "   1  parked\n   2  FAILS: why not\n=> why not\n");
}

TEST(charts, show_a_run_as_far_as_its_choices_lead) {
  const result r = model::replay<story>(choices_of_the_story.substr(0, 13), of_the_story);
  EXPECT_EQ(r.failure, "");
  EXPECT_EQ(lanes(r),
            "   1  writes word 16\n"
            "   2                                                word 12 is 0: sleeps\n"
            "   3                                                wakes up for no reason\n");
}

TEST(choices, of_another_scenario_are_refused) {
  const auto failure = [](const char* choices) { return model::replay<story>(choices, of_the_story).failure; };
  for (const char* wrong : {"3", "3*", "*1.:0.", "3-1.:0.", "3*x.:0.", "24*1.:0.", ""})
    EXPECT_EQ(failure(wrong), "choices that are not of this scenario") << wrong;
  for (const char* wrong : {"3*3.9*1.:2.0.9.", "3*3.9*1.:3.", "3*3.9*1.:0", "3*3.9*1.:0,", "3*3.9*1.:x."})
    EXPECT_EQ(failure(wrong), "choices that do not fit this scenario") << wrong;
  for (const char* right : {"23*1.:0.", ":", "3*3.9*1.:2.", "3*3:0."}) EXPECT_EQ(failure(right), "") << right;
}

// --- Room

template <uint32_t Words>
struct many_words : model::scenario {
  static constexpr cpu_id cpus = 1;
  word words[Words];
  void run(cpu_id) override { words[Words - 1].store(1, order::relaxed); }
  void finish(ending, cpu_id) override { model::require(words[Words - 1].load(order::relaxed) == 1, "lost"); }
};
TEST(room, is_there_for_96_words) {
  expect_complete<many_words<96>>("96 words");
  expect_complete<many_words<96>>("96 words, every order", {.reduce = false});
  EXPECT_EQ(model::explore<many_words<97>>().failure, "the scenario has more words than the model can hold");
}

// CPU 0 sleeps, and has seen none of the stores of CPU 1.
template <uint32_t Stores>
struct unseen_stores : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x, bed;
  [[nodiscard]] bool may_sleep() const override { return true; }
  void run(cpu_id me) override {
    if (me == 0) return (void)P::wait_while(bed, 0u, no_deadline);
    for (uint32_t i = 0; i < Stores; ++i) x.store(i, order::relaxed);
    moment();
  }
};
TEST(room, is_there_for_so_many_stores_that_somebody_has_not_seen) {
  const model::options o{.stale = 0, .switches = 0, .reduce = false};
  EXPECT_EQ(model::explore<unseen_stores<925>>(o).failure, "");
  EXPECT_EQ(model::explore<unseen_stores<926>>(o).failure,
            "more stores that may still be read than the model can hold");
}

// What everybody has seen takes no room, nor what only who is away or dead has not seen.
template <bool Wedged>
struct seen_stores : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 1) {
      (void)x.load(order::relaxed);  // so that x has more than one value
      if (!Wedged) model::set_online(false);
      note(0) = 1;
      if (Wedged) model::wedge();
      return;
    }
    while (note(0) == 0) moment();
    for (uint32_t i = 0; i < 3000; ++i) x.store(i, order::release);
  }
};
TEST(room, is_not_needed_for_who_is_away) {
  EXPECT_EQ(model::explore<seen_stores<false>>({.stale = 0, .switches = 1}).failure, "");
  EXPECT_EQ(model::explore<seen_stores<true>>({.stale = 0}).failure, "");
}

// What both have seen takes none either.
struct common_stores : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x, y;
  void run(cpu_id me) override {
    if (me == 1) {
      (void)x.load(order::relaxed);
      while (y.load(order::acquire) == 0) (void)P::wait_while(y, 0u, no_deadline);
      for (uint32_t i = 0; i < 600; ++i) x.store(i, order::relaxed);
    } else {
      for (uint32_t i = 0; i < 600; ++i) x.store(i, order::relaxed);
      y.store(1, order::release);
      P::wake(y);
    }
  }
};
TEST(room, is_not_needed_for_what_has_been_seen) {
  EXPECT_EQ(model::explore<common_stores>({.stale = 0, .switches = 1}).failure, "");
}

// A word that is not the scenario's.
struct foreign_word : model::scenario {
  static constexpr cpu_id cpus = 1;
  word mine;
  void run(cpu_id) override {
    word local;
    local.store(1, order::relaxed);
  }
};
TEST(room, is_not_there_for_a_word_of_something_else) {
  const word outside{3};  // harmless as long as nobody uses it
  (void)outside;
  EXPECT_EQ(model::explore<foreign_word>().failure, "a shared word that is not a member of the scenario");
}

}  // namespace
}  // namespace charts_model
