// SPDX-License-Identifier: BSL-1.0
// The checker of promises that all machines of the tests share: each promise broken by one sequence of events, beside
// the sequence next to it that breaks none.
#include "support/trace_promises.hpp"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "support/fake_platform.hpp"

namespace trace_promises_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using enum trace_kind;

constexpr cpu_id cpus = 3;
constexpr uint32_t on_trial = static_cast<uint32_t>(phase::trial);
constexpr uint32_t for_good = static_cast<uint32_t>(phase::panicking);
constexpr uint32_t as_loser = static_cast<uint32_t>(stop_state::parked);
constexpr uint32_t by_nmi = static_cast<uint32_t>(stop_state::by_nmi);

constexpr trace_event begins(cpu_id cpu, step s) {
  return {step_begun, cpu, static_cast<uint32_t>(s)};
}

struct seen {
  trace_promises<cpus> promises;
  std::string broken;  // at first

  explicit seen(std::initializer_list<trace_event> all, events told = events::all_told) : promises(told) {
    for (const trace_event& e : all)
      if (const char* sentence = promises.see(e); sentence != nullptr && broken.empty()) broken = sentence;
  }
};

std::string of(std::initializer_list<trace_event> all) {
  return seen(all).broken;
}
std::string text(const char* sentence) {
  return sentence == nullptr ? "" : sentence;
}
std::string ended(cpu_id by, std::initializer_list<trace_event> all, events told = events::all_told) {
  const seen s(all, told);
  return s.broken.empty() ? text(s.promises.end_by(by)) : s.broken;
}
std::string at_rest(std::initializer_list<trace_event> all) {
  const seen s(all);
  return s.broken.empty() ? text(s.promises.end_at_rest()) : s.broken;
}

TEST(trace_promises, are_kept_by_a_panic_that_stops_a_loser_and_a_bystander) {
  EXPECT_EQ(ended(0, {{claim_won, 0, for_good},
                      {claim_lost, 1, 0},
                      {acknowledged, 1, as_loser},
                      begins(0, step::report),
                      {committed, 0, 0},
                      begins(0, step::commit),
                      {parked, 1, 0},
                      begins(0, step::rung_0),
                      {stop_sent, 0, 2},
                      {parked, 2, 0},
                      {acknowledged, 2, by_nmi},
                      begins(0, step::collect),
                      begins(0, step::jump)}),
            "");
}

TEST(trace_promises, are_kept_by_a_panic_that_takes_the_gate_an_oops_gives_back) {
  EXPECT_EQ(ended(1, {{claim_won, 0, on_trial},
                      {claim_lost, 1, 0},
                      {acknowledged, 1, as_loser},
                      {released, 0, 0},
                      {claim_won, 1, for_good},
                      {withdrawn, 1, 0},
                      begins(1, step::report),
                      {committed, 1, 0},
                      begins(1, step::restart)}),
            "");
}

TEST(trace_promises, are_kept_where_the_release_is_told_behind_the_next_claim_or_never) {
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_won, 1, on_trial}, {released, 0, 0}, {released, 1, 0}}), "");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_won, 1, for_good}, {parked, 0, 0}, {acknowledged, 0, by_nmi}}), "");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_lost, 0, 1}, {claim_won, 1, for_good}}), "");
}

TEST(trace_promises, one_the_gate_is_won_for_good_by_one_cpu_once) {
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_won, 0, for_good}}), "");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {claim_won, 1, for_good}}),
            "promise 1: a CPU wins the gate that another one holds for good");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {claim_won, 1, on_trial}}),
            "promise 1: a CPU wins the gate that another one holds for good");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {claim_won, 0, for_good}}),
            "promise 1: a CPU wins the gate that it holds for good");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_won, 0, on_trial}}),
            "promise 1: a CPU wins on trial the gate that it holds on trial");
  EXPECT_EQ(of({{claim_won, 0, 0}}), "promise 1: a claim brings the gate to a phase of no claim");
}

TEST(trace_promises, one_a_trial_that_was_given_back_is_no_hold) {
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {released, 0, 0}, {committed, 0, 0}}),
            "promise 1: a CPU commits, and does not hold the gate");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_won, 1, on_trial}, {committed, 0, 0}}),
            "promise 1: a CPU commits, and does not hold the gate");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_won, 1, on_trial}, {committed, 1, 0}}), "");
}

TEST(trace_promises, one_the_holder_commits_once_and_runs_the_steps) {
  EXPECT_EQ(of({{claim_won, 0, on_trial}, begins(0, step::expect), {committed, 0, 0}, begins(0, step::commit)}), "");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {committed, 0, 0}, {committed, 0, 0}}), "promise 1: a second commit");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {committed, 1, 0}}), "promise 1: a CPU commits, and does not hold the gate");
  EXPECT_EQ(of({{claim_won, 0, for_good}, begins(1, step::report)}),
            "promise 1: a CPU that does not hold the gate begins a step");
  EXPECT_EQ(of({begins(0, step::report)}), "promise 1: a CPU that does not hold the gate begins a step");
}

TEST(trace_promises, one_a_gate_that_is_held_for_good_is_not_given_back) {
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_won, 0, for_good}, {released, 0, 0}}),
            "promise 1: a gate that is held for good is given back");
}

TEST(trace_promises, one_the_machine_is_ended_by_the_cpu_that_has_committed) {
  EXPECT_EQ(ended(0, {{claim_won, 0, for_good}, {committed, 0, 0}}), "");
  EXPECT_EQ(ended(1, {{claim_won, 0, for_good}, {committed, 0, 0}}),
            "promise 1: the machine is ended by a CPU that does not hold the gate");
  EXPECT_EQ(ended(0, {{claim_won, 0, for_good}}), "promise 1: the machine is ended, and nobody has committed");
}

TEST(trace_promises, one_nobody_loses_to_a_cpu_that_never_held_the_gate) {
  EXPECT_EQ(ended(0, {{claim_lost, 1, 0}, {claim_won, 0, for_good}, {committed, 0, 0}}), "");
  EXPECT_EQ(ended(0, {{claim_won, 0, for_good}, {claim_lost, 1, no_cpu}, {committed, 0, 0}}), "");
  EXPECT_EQ(ended(0, {{claim_won, 0, for_good}, {claim_lost, 1, 2}, {committed, 0, 0}}),
            "promise 1: a CPU has lost to one that never held the gate");
}

TEST(trace_promises, two_the_cpu_that_holds_the_gate_does_not_park) {
  EXPECT_EQ(of({{claim_won, 0, for_good}, {parked, 0, 0}}), "promise 2: the CPU that holds the gate parks for good");
}

TEST(trace_promises, two_the_panic_that_an_nmi_left_pending_is_not_lost) {
  constexpr const char* lost = "promise 2: the panic that an NMI left pending is lost";
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {pending_set, 0, 0}, {pending_taken, 0, 0}, begins(0, step::report)}), "");
  EXPECT_EQ(of({{pending_set, 0, 0}, {claim_won, 0, on_trial}, {pending_taken, 0, 0}}), "");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {pending_set, 0, 0}, {committed, 0, 0}}), "");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {pending_set, 0, 0}, {released, 0, 0}}), lost);
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {pending_set, 0, 0}, {claim_won, 1, for_good}}), lost);
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {pending_set, 0, 0}, {parked, 0, 0}}), lost);
  EXPECT_EQ(at_rest({{claim_won, 0, on_trial}, {pending_set, 0, 0}}), lost);
}

TEST(trace_promises, two_a_panic_that_holds_the_gate_ends_the_machine) {
  EXPECT_EQ(at_rest({{claim_won, 0, for_good}}), "promise 2: a panic holds the gate, and nobody ends the machine");
  EXPECT_EQ(at_rest({{claim_won, 0, on_trial}, {committed, 0, 0}}),
            "promise 2: a CPU has committed, and nobody ends the machine");
}

TEST(trace_promises, three_only_the_cpu_that_has_committed_sends_stops_and_to_others) {
  constexpr const char* early = "promise 3: a CPU that has not committed sends a stop";
  EXPECT_EQ(of({{claim_won, 0, for_good}, {committed, 0, 0}, {stop_sent, 0, 1}}), "");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {stop_sent, 0, 1}}), early);
  EXPECT_EQ(of({{claim_won, 0, for_good}, {committed, 0, 0}, {stop_sent, 1, 2}}), early);
  EXPECT_EQ(of({{claim_won, 0, for_good}, {committed, 0, 0}, {stop_sent, 0, 0}}),
            "promise 3: a CPU sends a stop to itself");
}

TEST(trace_promises, three_a_loser_frees_no_gate) {
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {claim_lost, 1, 0}, {released, 1, 0}}),
            "promise 3: a CPU gives back a gate that it does not hold");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {released, 0, 0}, {released, 0, 0}}),
            "promise 3: a CPU gives back a gate that it does not hold");
}

TEST(trace_promises, three_who_holds_the_gate_does_not_count_as_stopped) {
  EXPECT_EQ(of({{claim_won, 0, for_good}, {acknowledged, 0, as_loser}}),
            "promise 3: the CPU that holds the gate counts as stopped");
  EXPECT_EQ(of({{acknowledged, 0, as_loser}, {withdrawn, 0, 0}}),
            "promise 3: a CPU that has not won takes its answer back");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {withdrawn, 0, 0}}),
            "promise 3: a CPU takes back an answer that it has not given");
}

TEST(trace_promises, three_who_has_parked_for_good_does_nothing_more) {
  EXPECT_EQ(of({{parked, 1, 0}, {acknowledged, 1, by_nmi}, {parked, 1, 0}}), "");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {parked, 1, 0}, {claim_lost, 1, 0}}), "")
      << "an NMI panics before the commit";
  EXPECT_EQ(of({{claim_won, 0, for_good}, {committed, 0, 0}, {parked, 1, 0}, {claim_lost, 1, 0}}),
            "promise 3: a CPU that has parked for good goes on");
  for (const trace_kind k :
       {claim_won, pending_set, released, pending_taken, committed, step_begun, stop_sent, withdrawn})
    EXPECT_EQ(of({{parked, 1, 0}, {k, 1, 2}}), "promise 3: a CPU that has parked for good goes on") << to_string(k);
}

// A loser that had answered and parked before the rung began.
constexpr trace_event loser_parks_first[] = {{claim_won, 0, for_good}, {claim_lost, 1, 0}, {acknowledged, 1, as_loser},
                                             {committed, 0, 0},        {parked, 1, 0},     begins(0, step::rung_0)};

TEST(trace_promises, three_a_loser_that_has_parked_gets_no_stop) {
  trace_promises<cpus> p;
  for (const trace_event& e : loser_parks_first) EXPECT_EQ(text(p.see(e)), "");
  EXPECT_EQ(text(p.see({stop_sent, 0, 1})), "");
  EXPECT_EQ(text(p.end_by(0)), "promise 3: a stop was sent to a CPU that had parked before the rung began");
}

TEST(trace_promises, three_a_loser_that_parks_while_the_rung_runs_may_get_one) {
  EXPECT_EQ(ended(0, {{claim_won, 0, for_good},
                      {claim_lost, 1, 0},
                      {acknowledged, 1, as_loser},
                      {committed, 0, 0},
                      begins(0, step::rung_0),
                      {parked, 1, 0},
                      {stop_sent, 0, 1}}),
            "");
}

TEST(trace_promises, three_an_answer_that_an_nmi_has_repeated_was_not_known_before) {
  trace_promises<cpus> p;
  for (const trace_event& e : loser_parks_first) EXPECT_EQ(text(p.see(e)), "");
  EXPECT_EQ(text(p.see({stop_sent, 0, 1})), "");
  EXPECT_EQ(text(p.see({acknowledged, 1, by_nmi})), "");
  EXPECT_EQ(text(p.end_by(0)), "");
}

TEST(trace_promises, four_an_nmi_panic_on_the_holder_changes_a_trial_only) {
  EXPECT_EQ(of({{claim_won, 0, for_good}, {pending_set, 0, 0}}),
            "promise 4: an NMI's panic is pending on a gate that is held for good");
  EXPECT_EQ(of({{claim_won, 0, on_trial}, {pending_taken, 0, 0}}),
            "promise 4: a CPU goes on as the pending panic, and none is pending");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {claim_lost, 0, 1}}),
            "promise 4: the CPU that holds the gate is told that it has lost");
  EXPECT_EQ(of({{claim_lost, 0, 0}}), "promise 4: the CPU that holds the gate is told that it has lost");
  EXPECT_EQ(of({{pending_set, 0, 0}, {pending_taken, 0, 0}}),
            "promise 1: a CPU goes on as the pending panic, and does not hold the gate");
}

TEST(trace_promises, five_a_cpu_answers_in_a_way_in_which_it_can) {
  EXPECT_EQ(of({{acknowledged, 1, static_cast<uint32_t>(stop_state::by_irq)}}), "");
  for (const stop_state s : {stop_state::absent, stop_state::running, stop_state::forced, stop_state::silent})
    EXPECT_EQ(of({{acknowledged, 1, static_cast<uint32_t>(s)}}),
              "promise 5: a CPU answers that it was stopped in a way in which none is");
}

TEST(trace_promises, seven_each_step_begins_once_and_in_order) {
  EXPECT_EQ(of({{claim_won, 0, for_good}, begins(0, step::report), begins(0, step::expect)}), "");
  constexpr const char* twice = "promise 7: a step begins twice, or in the wrong order";
  EXPECT_EQ(of({{claim_won, 0, for_good}, begins(0, step::report), begins(0, step::report)}), twice);
  EXPECT_EQ(of({{claim_won, 0, for_good}, begins(0, step::expect), begins(0, step::image)}), twice);
}

TEST(trace_promises, nine_each_rung_asks_once_and_nobody_behind_the_collection) {
  EXPECT_EQ(of({{claim_won, 0, for_good},
                {committed, 0, 0},
                begins(0, step::rung_0),
                {stop_sent, 0, 1},
                begins(0, step::rung_1),
                {stop_sent, 0, 1}}),
            "");
  EXPECT_EQ(
      of({{claim_won, 0, for_good}, {committed, 0, 0}, begins(0, step::rung_0), {stop_sent, 0, 1}, {stop_sent, 0, 1}}),
      "promise 9: a CPU is asked twice on one rung");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {committed, 0, 0}, begins(0, step::check), {stop_sent, 0, 1}}),
            "promise 9: a stop is sent behind the collection");
}

TEST(trace_promises, thirteen_there_are_no_events_of_other_cpus_and_kinds) {
  EXPECT_EQ(of({{claim_won, cpus, for_good}, {committed, cpus, 0}, {stop_sent, cpus, 0}}), "") << "without a number";
  EXPECT_EQ(of({{claim_won, cpus, for_good}, {parked, cpus, 0}}), "") << "another one without a number";
  EXPECT_EQ(of({{parked, no_cpu, 0}}), "");
  EXPECT_EQ(of({{claim_won, cpus + 1, for_good}}), "promise 13: an event of a CPU that there is not");
  EXPECT_EQ(of({{claim_lost, 0, cpus + 1}}), "promise 13: a CPU has lost to one that there is not");
  EXPECT_EQ(of({{claim_won, 0, for_good}, {committed, 0, 0}, {stop_sent, 0, cpus}}),
            "promise 13: a stop is sent to a CPU that there is not");
  EXPECT_EQ(of({{static_cast<trace_kind>(11), 0, 0}}), "promise 13: an event of no known kind");
}

TEST(trace_promises, fourteen_where_nobody_commits_everything_is_as_before) {
  EXPECT_EQ(at_rest({{claim_won, 0, on_trial}, {claim_lost, 1, 0}, {released, 0, 0}}), "");
  EXPECT_EQ(at_rest({{claim_won, 0, on_trial}}), "promise 14: the gate is not given back");
  EXPECT_EQ(at_rest({{parked, 1, 0}}), "promise 14: nobody has committed, and a CPU has parked for good");
  EXPECT_EQ(at_rest({{acknowledged, 1, as_loser}}), "promise 14: nobody has committed, and a CPU counts as stopped");
  EXPECT_EQ(at_rest({{claim_lost, 1, 0}}), "promise 1: a CPU has lost to one that never held the gate");
}

TEST(scripted_machine, fails_the_test_that_breaks_a_promise) {
  EXPECT_NONFATAL_FAILURE(fake_machine{}.trace({stop_sent, 0, 1}),
                          "CPU 0: promise 3: a CPU that has not committed sends a");
}
TEST(scripted_machine, fails_the_test_that_does_not_break_the_promise_that_it_says) {
  constexpr const char* said = "promise 3: a CPU that has not committed sends a stop";
  const auto breaks = [](const trace_event& e) {
    fake_machine m;
    m.breaks(said);
    m.trace(e);
  };
  breaks({stop_sent, 0, 1});
  EXPECT_NONFATAL_FAILURE(breaks({claim_won, 0, for_good}), "and breaks ''");
  EXPECT_NONFATAL_FAILURE(breaks({committed, 0, 0}), "promise 1: a CPU commits, and does not hold the gate");
}
TEST(scripted_machine, is_judged_at_its_end) {
  const auto dies = [](trace_kind last) {
    fake_machine m;
    fake_platform::trace({claim_won, 0, for_good});
    (void)m.as(0, [last] {
      fake_platform::trace({last, 0, 1});
      fake_platform::emergency_restart();
    });
  };
  dies(committed);
  EXPECT_NONFATAL_FAILURE_ON_ALL_THREADS(dies(step_begun), "promise 1: the machine is ended, and nobody has committed");
}
TEST(scripted_machine, is_judged_where_every_piece_of_work_has_come_back) {
  const auto oops = [](bool gives_back) {
    fake_machine m;
    m.is_whole_machine();
    (void)m.as(0, [gives_back] {
      fake_platform::trace({claim_won, 0, on_trial});
      if (gives_back) fake_platform::trace({released, 0, 0});
    });
  };
  oops(true);
  EXPECT_NONFATAL_FAILURE(oops(false), "promise 14: the gate is not given back");
}

TEST(trace_promises, may_be_kept_although_a_fault_came_before_an_event) {
  EXPECT_EQ(ended(0, {begins(0, step::report), begins(0, step::registers), {stop_sent, 0, 1}}, events::some_missing),
            "");
  EXPECT_EQ(ended(0, {{claim_lost, 1, 0}, {parked, 1, 0}, {claim_lost, 1, 0}, begins(0, step::registers)},
                  events::some_missing),
            "");
  EXPECT_EQ(ended(0, {begins(0, step::report), begins(1, step::expect)}, events::some_missing),
            "promise 1: a CPU that does not hold the gate begins a step");
  EXPECT_EQ(ended(0, {begins(0, step::report)}, events::some_missing),
            "promise 1: the machine is ended, and nobody has committed");
}

}  // namespace
}  // namespace trace_promises_test
