// SPDX-License-Identifier: BSL-1.0
// What ends a wait and what does not: each test has the exact set of what a run can look like.

#include "race/model/outcomes.hpp"

namespace waits_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::deadlines;
using model::interrupt;
using model::note;
using model::state_of;

template <cpu_id N>
bool wait(const word& w, uint32_t value, uint64_t at = no_deadline) {
  return model::platform<N>::wait_while(w, value, at);
}
template <cpu_id N>
void wake(const word& w) {
  model::platform<N>::wake(w);
}

// CPU 0 waits while `x` is 0 and says how that ended: 1 it did not, 2 by its deadline, 3 otherwise.
template <cpu_id N, uint32_t Digits = 1>
struct one_waits : sleepy_litmus<Digits> {
  static constexpr cpu_id cpus = N;
  word y, x;
  void waits(uint64_t at = no_deadline) {
    saw(0, 1);
    saw(0, wait<N>(x, 0, at) ? 3 : 2);
  }
};

struct nobody_wakes : one_waits<2> {
  void run(cpu_id me) override {
    if (me == 0) return waits();
    x.store(1, order::relaxed);
  }
};
TEST(waits, store_without_a_wake_ends_no_wait) {
  expect_exactly<nobody_wakes>({1, 3});
}

// A wake without a store ends a wait that has begun, and no later one.
template <bool This>
struct wakes_only : one_waits<2> {
  void run(cpu_id me) override {
    if (me == 0) return waits();
    wake<2>(This ? x : y);
  }
};
TEST(waits, wake_ends_a_wait_that_has_begun_and_no_later_one) {
  expect_exactly<wakes_only<true>>({1, 3});
}
TEST(waits, wake_of_another_word_ends_no_wait) {
  expect_exactly<wakes_only<false>>({1});
}

struct stores_and_wakes : one_waits<3, 3> {
  void run(cpu_id me) override {
    if (me == 0) {
      moment();
      saw(1, note(3));
      return waits();
    }
    if (me == 1) {
      x.store(1, order::relaxed);
      wake<3>(x);
      note(3) = 1;
    } else {
      wake<3>(x);  // by a CPU that need not have seen the store: that takes nothing back
      saw(2, note(3));
    }
  }
};
TEST(waits, wait_behind_a_wake_sees_what_was_stored_before_it) {
  expect_exactly<stores_and_wakes>({300, 301, 310, 311});
}

// The wake of a CPU that has not seen the store promises nothing of it.
struct wakes_blindly : one_waits<3, 2> {
  void run(cpu_id me) override {
    if (me == 0) {
      moment();
      const uint64_t woken = note(1);
      waits();
      note(1) = woken;
    } else if (me == 1) {
      x.store(1, order::relaxed);
      note(2) = 1;
    } else {
      moment();
      wake<3>(x);
      note(1) = note(2) == 1 ? 1 : 0;
    }
  }
  void finish(model::ending, cpu_id) override {
    if (note(1) == 1) outcome(note(0));
  }
};
TEST(waits, wake_by_a_cpu_that_has_not_seen_the_store_promises_nothing) {
  expect_exactly<wakes_blindly>({1, 3});
}

// Who has seen a store does not wait for an older one to change.
struct has_seen_it : one_waits<2, 2> {
  void run(cpu_id me) override {
    if (me == 0) {
      saw(1, x.load(order::relaxed));
      return waits();
    }
    x.store(1, order::relaxed);
  }
};
TEST(waits, wait_compares_no_store_older_than_what_its_cpu_has_seen) {
  expect_exactly<has_seen_it>({10, 30, 31});
}

// Of several stores a wait compares those that the last wake was about and later ones.
struct woken_for_the_second : sleepy_litmus<1> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 0) {
      moment();
      if (note(1) == 0) return;
      saw(0, 1);
      (void)wait<2>(x, 1);
      saw(0, 2 + x.load(order::relaxed));
    } else {
      x.store(1, order::relaxed);
      x.store(2, order::relaxed);
      wake<2>(x);
      x.store(3, order::relaxed);
      note(1) = 1;
    }
  }
};
TEST(waits, wait_compares_no_store_older_than_what_it_was_woken_for) {
  expect_exactly<woken_for_the_second>({0, 4, 5});
}

// A woken CPU has to look itself: a wake is no acquire, and the old value may still be read.
struct looks_again : sleepy_litmus<2> {
  static constexpr cpu_id cpus = 2;
  word data, x;
  void run(cpu_id me) override {
    if (me == 0) {
      (void)wait<2>(x, 0);
      saw(0, 1 + x.load(order::acquire));
      saw(1, 1 + data.load(order::relaxed));
    } else {
      data.store(1, order::relaxed);
      x.store(1, order::release);
      wake<2>(x);
    }
  }
};
TEST(waits, wake_orders_nothing) {
  expect_exactly<looks_again>({11, 12, 22});
}

// --- Deadlines

template <bool Answers>
struct answered : one_waits<2, 3> {
  void run(cpu_id me) override {
    if (me == 0) {
      waits(10);
      saw(1, model::platform<2>::now() / 10);
      saw(2, x.load(order::relaxed));
    } else if (Answers) {
      x.store(1, order::relaxed);
      wake<2>(x);
    }
  }
};
TEST(waits, deadline_passes_only_where_nobody_can_go_on) {
  expect_exactly<answered<true>>({300, 301});
  expect_exactly<answered<false>>({210});
}
TEST(waits, deadline_at_any_time_may_pass_early_and_nothing_need_be_seen_then) {
  expect_exactly<answered<true>>({210, 211, 300, 301}, {.time = deadlines::any_time});
}

struct not_woken : one_waits<2, 2> {
  void run(cpu_id me) override {
    if (me == 0) {
      waits(10);
      saw(1, x.load(order::relaxed));
    } else {
      x.store(1, order::relaxed);
    }
  }
};
TEST(waits, when_a_deadline_has_passed_no_store_is_too_young_to_be_seen) {
  expect_exactly<not_woken>({21, 31});
}

struct without_deadline : one_waits<2> {
  void run(cpu_id me) override {
    if (me == 0) waits();
  }
};
TEST(waits, wait_without_a_deadline_has_none_at_any_time) {
  expect_exactly<without_deadline>({1}, {.time = deadlines::any_time});
}

// Two deadlines that nobody can do without: either passes first. Who waits without one stays asleep.
struct two_deadlines : sleepy_litmus<3> {
  static constexpr cpu_id cpus = 4;
  word x;
  void run(cpu_id me) override {
    const bool early = wait<cpus>(x, 0, me == 1 ? no_deadline : 10 + me);
    saw(static_cast<uint32_t>(note(3)++), 1 + me + (early ? 5 : 0));
  }
};
TEST(waits, of_several_deadlines_any_passes_first) {
  expect_exactly<two_deadlines>({134, 143, 314, 341, 413, 431});
}

// What is past is past.
struct late_waits : one_waits<1, 4> {
  void run(cpu_id) override {
    waits(10);
    saw(1, wait<1>(x, 0, 10));
    saw(2, wait<1>(x, 0, 9));
    saw(3, wait<1>(x, 0, 30) ? 9 : model::platform<1>::now() / 10);
  }
};
TEST(waits, deadline_that_has_passed_ends_a_wait_at_once) {
  const model::result r = model::explore<late_waits>({.reduce = false});
  EXPECT_EQ(found, outcomes{2003});
  EXPECT_EQ(r.moves, 4U);  // the waits in the middle are none
}

// --- Interrupts

// An NMI that comes inside a wait makes it compare again.
struct interrupted : one_waits<1, 2> {
  void run(cpu_id) override { waits(); }
  void nmi(cpu_id, interrupt) override {
    saw(1, 1);
    x.store(1, order::relaxed);
  }
};
TEST(waits, nmi_makes_a_wait_compare_again) {
  expect_exactly<interrupted>({10, 31}, {.nmis = 1});
}

// A deadline that passes while an NMI handler runs ends the wait behind it, and time does not go back.
struct outlasted : one_waits<1, 2> {
  void run(cpu_id) override {
    waits(10);
    saw(1, model::platform<1>::now() / 10);
  }
  void nmi(cpu_id, interrupt) override { (void)wait<1>(y, 0, 20); }
};
TEST(waits, deadline_that_passes_in_an_nmi_ends_the_wait_behind_it) {
  expect_exactly<outlasted>({21, 22}, {.nmis = 1});
}

// The same from outside: 1 at the end: the NMI was sent to a CPU that slept.
struct interrupted_asleep : one_waits<2, 3> {
  void run(cpu_id me) override {
    if (me == 0) return waits();
    moment();
    saw(2, state_of(0).asleep);
    cpu_set<2> sleeper;
    sleeper.add(0);
    model::platform<2>::send_stop(sleeper, stop_how::nmi);
  }
  void nmi(cpu_id, interrupt) override {
    saw(1, 1);
    x.store(1, order::relaxed);
  }
};
TEST(waits, nmi_wakes_who_sleeps) {
  expect_exactly<interrupted_asleep>({310, 311});
}

// A handler may wait, too.
struct waits_in_an_nmi : one_waits<2, 2> {
  void run(cpu_id me) override {
    if (me == 0) return;
    x.store(1, order::relaxed);
    wake<2>(x);
  }
  void nmi(cpu_id, interrupt) override {
    waits();
    saw(1, 1 + x.load(order::relaxed));
  }
};
TEST(waits, nmi_handler_waits_as_everybody_does) {
  expect_exactly<waits_in_an_nmi>({0, 31, 32}, {.nmis = 1, .nmi_cpus = 1});
}

// A wake that an NMI comes upon is over: who still finds what it waits for to change sleeps on.
struct interrupted_when_woken : one_waits<2, 3> {
  void run(cpu_id me) override {
    if (me == 0) return waits();
    wake<2>(x);
    note(3) = 1 + state_of(0).woken;
  }
  void nmi(cpu_id, interrupt) override {
    saw(1, 1);
    saw(2, note(3));
  }
};
TEST(waits, nmi_upon_a_wake_makes_the_wait_compare_again) {
  expect_exactly<interrupted_when_woken>({100, 110, 111, 112, 300, 310, 312}, {.nmis = 1, .nmi_cpus = 1});
}

// Sleeps with interrupts off: the wake is what ends it. 30 is an interrupt that comes before they are off.
struct sleeps_with_interrupts_off : one_waits<2, 2> {
  using P = model::platform<2>;
  void run(cpu_id me) override {
    if (me == 0) {
      const auto on = P::irq_save();
      waits();
      P::irq_restore(on);
      return;
    }
    cpu_set<2> receiver;
    receiver.add(0);
    P::send_stop(receiver, stop_how::irq);
    wake<2>(x);
  }
  void irq(cpu_id) override { saw(1, note(0)); }
};
TEST(waits, irq_does_not_end_a_wait_with_interrupts_off) {
  expect_exactly<sleeps_with_interrupts_off>({10, 30, 33});
}

// --- For no reason

struct waits_twice : sleepy_litmus<2> {
  static constexpr cpu_id cpus = 1;
  word x;
  void run(cpu_id) override {
    saw(0, wait<1>(x, 0) ? 3 : 2);
    saw(1, wait<1>(x, 0) ? 3 : 2);
  }
};
TEST(waits, at_most_so_many_waits_end_for_no_reason) {
  expect_exactly<waits_twice>({0});
  expect_exactly<waits_twice>({0, 30}, {.spurious = 1});
  expect_exactly<waits_twice>({0, 30, 33}, {.spurious = 2});
}

// In finish(): what became of a CPU.
struct three_fates : sleepy_litmus<0> {
  static constexpr cpu_id cpus = 3;
  word x;
  void run(cpu_id me) override {
    if (me == 0) model::platform<cpus>::park();
    if (me == 1) (void)wait<cpus>(x, 0);
  }
  void finish(model::ending, cpu_id) override {
    for (cpu_id cpu = 0; cpu < cpus; ++cpu) outcome(cpu * 10 + state_of(cpu).parked * 2 + state_of(cpu).asleep);
  }
};
TEST(waits, fate_of_each_cpu_is_known_in_the_end) {
  expect_exactly<three_fates>({2, 11, 20});
}

}  // namespace
}  // namespace waits_model
