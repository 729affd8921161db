// SPDX-License-Identifier: BSL-1.0
// When an interrupt or an NMI may come and when it may not: each test has the exact set of what a run can look like.

#include "race/model/outcomes.hpp"

namespace interrupts_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::interrupt;
using model::note;
using model::options;

template <cpu_id N>
void send(cpu_id to, stop_how how) {
  cpu_set<N> targets;
  targets.add(to);
  model::platform<N>::send_stop(targets, how);
}

// A run reads as a number: an irq handler begins with 1 and ends with 2, a stop NMI's with 3 and 4, an injected one's
// with 5 and 6.
void wrote(uint64_t digit) {
  note(0) = note(0) * 10 + digit;
}
template <cpu_id N>
struct handlers : litmus<1> {
  static constexpr cpu_id cpus = N;
  static void handler(uint64_t begin) {
    wrote(begin);
    moment();
    wrote(begin + 1);
  }
  void irq(cpu_id) override { handler(1); }
  void nmi(cpu_id, interrupt which) override { handler(which == interrupt::stop_nmi ? 3 : 5); }
};

// CPU 0 sends to CPU 1 what the letters say.
template <char... Letters>
struct sends : handlers<2> {
  void run(cpu_id me) override {
    if (me == 0) (send<2>(1, Letters == 'n' ? stop_how::nmi : stop_how::irq), ...);
  }
};
TEST(interrupts, nmi_comes_before_inside_and_after_an_irq_handler) {
  expect_exactly<sends<'i', 'n'>>({1234, 1342, 3412});
  expect_exactly<sends<'n', 'i'>>({1234, 1342, 3412});
}
TEST(interrupts, irq_waits_for_the_end_of_an_irq_handler) {
  expect_exactly<sends<'i', 'i'>>({12, 1212});
}
TEST(interrupts, nmi_waits_for_the_end_of_an_nmi_handler) {
  expect_exactly<sends<'n', 'n'>>({34, 3434});
}
TEST(interrupts, irq_waits_for_the_irq_handler_that_an_nmi_has_interrupted) {
  expect_exactly<sends<'i', 'n', 'i'>>({1234, 1342, 3412, 121234, 123412, 341212, 134212, 121342});
}
TEST(interrupts, injected_nmi_comes_inside_an_irq_handler_or_never) {
  expect_exactly<sends<'i'>>({12, 1256, 1562, 5612}, {.nmis = 1, .nmi_cpus = 2});
}
TEST(interrupts, injected_nmi_does_not_come_inside_an_nmi_handler) {
  expect_exactly<sends<'n'>>({34, 3456, 5634}, {.nmis = 1, .nmi_cpus = 2});
}
TEST(interrupts, injected_nmis_do_not_nest) {
  expect_exactly<sends<>>({0, 56, 5656}, {.nmis = 2, .nmi_cpus = 2});
}

// Where the CPU stands when something comes: 1 before, 2 inside, 3 behind.
template <stop_how How>
struct section : litmus<1> {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  void run(cpu_id me) override {
    if (me == 1) return send<cpus>(0, How);
    note(1) = 1;
    moment();
    const auto outer = P::irq_save();
    note(1) = 2;
    const auto inner = P::irq_save();
    moment();
    P::irq_restore(inner);
    moment();
    note(1) = 3;
    P::irq_restore(outer);
  }
  void irq(cpu_id) override { saw(0, note(1)); }
  void nmi(cpu_id, interrupt) override { saw(0, note(1)); }
};
TEST(interrupts, irq_is_kept_out_until_interrupts_are_on_again) {
  expect_exactly<section<stop_how::irq>>({1, 3});
}
TEST(interrupts, nmi_is_not_kept_out_by_interrupts_that_are_off) {
  expect_exactly<section<stop_how::nmi>>({1, 2, 3});
}

// A CPU sends to itself what is still on its way when it leaves: 1 before it leaves, 2 while it is away, 3 behind.
template <stop_how How, bool Comes_back>
struct departure : litmus<1> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    if (me == 1) return;
    note(1) = 1;
    send<cpus>(0, How);
    model::set_online(false);
    note(1) = 2;
    moment();
    if (Comes_back) model::set_online(true);
    note(1) = 3;
    moment();
  }
  void irq(cpu_id) override { saw(0, note(1)); }
  void nmi(cpu_id, interrupt) override { saw(0, note(1)); }
};
TEST(interrupts, cpu_that_leaves_loses_what_is_on_its_way) {
  expect_exactly<departure<stop_how::nmi, true>>({0, 1});
  expect_exactly<departure<stop_how::irq, true>>({0, 1});
  expect_exactly<departure<stop_how::nmi, false>>({0, 1});
  expect_exactly<departure<stop_how::irq, false>>({0, 1});
}

// The same sent by another CPU at any time, and by itself when it is back.
template <stop_how How, bool Again>
struct absence : departure<How, true> {
  void run(cpu_id me) override {
    if (me == 1) return send<2>(0, How);
    note(1) = 1;
    moment();
    model::set_online(false);
    note(1) = 2;
    moment();
    model::set_online(true);
    note(1) = 3;
    if (Again) send<2>(0, How);
    moment();
  }
};
TEST(interrupts, cpu_that_is_away_takes_nothing_and_finds_nothing_when_it_is_back) {
  expect_exactly<absence<stop_how::nmi, false>>({0, 1, 3});
  expect_exactly<absence<stop_how::irq, false>>({0, 1, 3});
}
TEST(interrupts, cpu_that_is_back_takes_what_is_sent_to_it) {
  expect_exactly<absence<stop_how::nmi, true>>({3});
  expect_exactly<absence<stop_how::irq, true>>({3});
}

// An injected NMI does not come to a CPU that is away either.
struct away_from_injected : departure<stop_how::nmi, true> {
  void run(cpu_id me) override {
    if (me == 0) departure::run(me);
  }
  void nmi(cpu_id, interrupt which) override {
    if (which == interrupt::injected_nmi) saw(0, note(1));
  }
};
TEST(interrupts, cpu_that_is_away_takes_no_injected_nmi) {
  expect_exactly<away_from_injected>({0, 1, 3}, {.nmis = 1, .nmi_cpus = 1});
}

// What was stored before a request that got lost need not be seen by the handler of a later one.
template <stop_how How>
struct lost_request : litmus<3> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 1) {
      x.store(1, order::relaxed);
      send<cpus>(0, How);
      note(3) = 1;
      return;
    }
    model::set_online(false);
    saw(0, note(3));
    model::set_online(true);
    if (note(0) == 1) send<cpus>(0, How);
    saw(1, 1);
    moment();
  }
  void handler() {
    if (note(1) == 1) saw(2, 1 + x.load(order::relaxed));
  }
  void irq(cpu_id) override { handler(); }
  void nmi(cpu_id, interrupt) override { handler(); }
};
TEST(interrupts, lost_request_orders_nothing) {
  expect_exactly<lost_request<stop_how::nmi>>({10, 12, 111, 112});
  expect_exactly<lost_request<stop_how::irq>>({10, 12, 111, 112});
}

// Who asks for a CPU that leaves gets an old answer, unless something has ordered the question behind.
struct departing : litmus<3> {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  word flag;
  void run(cpu_id me) override {
    if (me == 0) {
      model::set_online(false);
      flag.store(1, order::release);
    } else {
      saw(0, flag.load(order::acquire));
      saw(1, P::is_online(0));
      saw(2, P::is_online(1));
    }
  }
  void finish(model::ending end, cpu_id by) override {
    litmus::finish(end, by);
    outcome(P::is_online(0) ? 2 : 3);
    outcome(P::is_online(1) ? 4 : 5);
  }
};
TEST(interrupts, absence_is_a_word_that_may_be_stale) {
  expect_exactly<departing>({1, 11, 101, 3, 4});
}

// A CPU that answers nobody any more, and one that has only ended.
template <bool Wedged>
struct dead : litmus<1> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    if (me == 0 && Wedged) model::wedge();
    if (me == 0) return;
    send<cpus>(0, stop_how::irq);
    send<cpus>(0, stop_how::nmi);
  }
  void irq(cpu_id) override { note(0) += 1; }
  void nmi(cpu_id, interrupt) override { note(0) += 2; }
};
TEST(interrupts, wedged_cpu_takes_nothing) {
  expect_exactly<dead<true>>({0});
}
TEST(interrupts, cpu_that_has_ended_takes_both) {
  expect_exactly<dead<false>>({3});
}

// A CPU that parks in a handler stays in it.
template <stop_how First>
struct parked_in_a_handler : litmus<2> {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  void run(cpu_id me) override {
    if (me == 0) return;
    send<cpus>(0, First);
    while (note(2) == 0) moment();
    send<cpus>(0, stop_how::irq);
    send<cpus>(0, stop_how::nmi);
  }
  void handler(uint32_t which) {
    note(which)++;
    note(2) = 1;
    P::park();
  }
  void irq(cpu_id) override { handler(0); }
  void nmi(cpu_id, interrupt) override { handler(1); }
};
TEST(interrupts, cpu_parked_in_an_irq_handler_takes_an_nmi_only) {
  EXPECT_EQ(outcomes_of<parked_in_a_handler<stop_how::irq>>({}), outcomes{11});
}
TEST(interrupts, cpu_parked_in_an_nmi_handler_takes_nothing) {
  EXPECT_EQ(outcomes_of<parked_in_a_handler<stop_how::nmi>>({}), outcomes{1});
}

// A request goes to its targets, and what was stored before it is seen by the handler; 8 CPUs, the last one too.
struct targets : litmus<3> {
  static constexpr cpu_id cpus = 3;
  word front, back;
  void run(cpu_id me) override {
    if (me != 0) return;
    front.store(1, order::relaxed);
    back.store(1, order::relaxed);
    send<cpus>(2, stop_how::nmi);
    back.store(2, order::relaxed);
  }
  void nmi(cpu_id me, interrupt) override {
    saw(0, me);
    saw(1, front.load(order::relaxed));
    saw(2, back.load(order::relaxed));
  }
};
TEST(interrupts, request_is_taken_by_its_target_with_what_was_stored_before) {
  expect_exactly<targets>({211, 212});
}

// Handlers without an operation: what comes to a CPU that has ended leaves the others as they are.
struct idle_target : litmus<2> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    if (me == 0) return;
    note(2) = 1;
    moment();
    note(2) = 2;
  }
  void nmi(cpu_id, interrupt) override { saw(static_cast<uint32_t>(note(3)++), note(2)); }
};
TEST(interrupts, injected_nmi_does_not_hurry_the_next_one) {
  expect_exactly<idle_target>({0, 10, 20, 11, 12, 22}, {.nmis = 2, .nmi_cpus = 1});
}

// What the handler of an injected NMI reads is ordered by nothing.
struct injected : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me != 0) return;
    x.store(1, order::relaxed);
    send<cpus>(0, stop_how::irq);
    note(2) = 1;
  }
  void nmi(cpu_id, interrupt) override {
    saw(0, note(2));
    saw(1, 1 + x.load(order::relaxed));
  }
};
TEST(interrupts, injected_nmi_orders_nothing) {
  expect_exactly<injected>({0, 1, 2, 11, 12}, {.nmis = 1, .nmi_cpus = 2});
}

// Decisions inside an NMI handler are explored, and what it does last is done.
struct decisions_in_an_nmi : litmus<1> {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  void run(cpu_id me) override {
    if (me == 0) send<cpus>(1, stop_how::nmi);
  }
  void nmi(cpu_id, interrupt) override {
    saw(0, 1 + model::choose(3));
    if (note(0) == 1) return;
    note(0) == 2 ? P::halt() : send<cpus>(0, stop_how::irq);
    if (note(0) == 2) saw(0, 9);
  }
  void irq(cpu_id) override { saw(0, 7); }
};
TEST(interrupts, nmi_handler_chooses_sends_and_ends) {
  expect_exactly<decisions_in_an_nmi>({1, 2, 7});
}

// A choice that an NMI comes upon is made behind it, whatever the handler has read.
struct interrupted_choice : litmus<2> {
  static constexpr cpu_id cpus = 1;
  word x{7};
  void run(cpu_id) override { saw(0, 1 + model::choose(3)); }
  void nmi(cpu_id, interrupt) override {
    (void)x.load(order::relaxed);
    saw(1, note(0) == 0 ? 1 : 2);
  }
};
TEST(interrupts, choice_that_an_nmi_comes_upon_is_made_behind_it) {
  expect_exactly<interrupted_choice>({10, 20, 30, 11, 21, 31, 12, 22, 32}, {.nmis = 1});
}

// An NMI handler that waits by looking again and again lets others go on.
struct polling_nmi : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 1) {
      x.store(1, order::release);
      saw(1, 1);
    }
  }
  void nmi(cpu_id, interrupt) override {
    saw(0, 1 + note(1));
    while (x.load(order::acquire) == 0) {
    }
  }
};
TEST(interrupts, nmi_handler_that_polls_lets_others_go_on) {
  EXPECT_EQ((outcomes_of<polling_nmi>({.nmis = 1, .nmi_cpus = 1})), (outcomes{1, 11, 21}));
}

// Who asks whether a CPU is there goes on at once, and may get an old answer.
struct asks_who_is_there : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 1) {
      model::set_online(false);
      saw(1, x.load(order::relaxed));
      return;
    }
    saw(0, model::platform<cpus>::is_online(1));
    x.store(1, order::relaxed);
  }
};
TEST(interrupts, asking_whether_a_cpu_is_there_waits_for_nothing) {
  expect_exactly<asks_who_is_there>({0, 1, 10, 11});
}

}  // namespace
}  // namespace interrupts_model
