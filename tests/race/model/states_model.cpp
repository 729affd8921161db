// SPDX-License-Identifier: BSL-1.0
// What makes two states different. In each test a choice, or the order of two CPUs, is forgotten but for one trace that
// it has left; the state that is met first can't show all the outcomes, so a state that is known without that trace
// loses one.

#include "race/model/outcomes.hpp"

namespace states_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::choose;
using model::interrupt;
using model::note;

template <cpu_id N>
void send(cpu_id to, stop_how how) {
  cpu_set<N> targets;
  targets.add(to);
  model::platform<N>::send_stop(targets, how);
}
template <cpu_id N>
bool wait(const word& w, uint32_t value, uint64_t at = no_deadline) {
  return model::platform<N>::wait_while(w, value, at);
}

/// What calls that are over have left on the stack is not the trace that a test is about.
[[gnu::noinline]] void clear_stack() {
  volatile unsigned char below[512];
  for (volatile unsigned char& byte : below) byte = 0;
}

// --- The CPU

enum class trace { level, deaf, irqs_off, parked };

// CPU 0 ends in one of two ways; then CPU 1 sends it something. Where the choice comes later it does not count.
template <trace What>
struct two_ends : sleepy_litmus<2> {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  void run(cpu_id me) override {
    if (me == 1) {
      moment();
      moment();
      moment();
      note(2) = 1;
      send<cpus>(0, stop_how::irq);
      return moment();  // also behind it something can happen
    }
    const bool first = choose(2) == 0;
    note(3) = note(2) == 0;
    if (What == trace::level) {
      if (!first) P::park();
      send<cpus>(0, stop_how::nmi);
      moment();
      note(3) = 0;  // the NMI is late: that does not count
    }
    if (What == trace::deaf && first) model::wedge();
    if (What == trace::irqs_off && first) (void)P::irq_save();
    if (What == trace::parked && first) P::park();
  }
  void nmi(cpu_id, interrupt) override { P::park(); }
  void irq(cpu_id) override {
    note(0) = 1 + note(2);
    if (What == trace::level && !model::state_of(0).parked) note(3) = 0;  // the NMI is late again
  }
  void finish(model::ending end, cpu_id by) override {
    note(1) = What == trace::parked && model::state_of(0).parked;
    if (note(3) == 1) litmus::finish(end, by);
  }
};
TEST(states, differ_by_the_level_of_a_cpu) {
  expect_exactly<two_ends<trace::level>>({0, 20});
}
TEST(states, differ_by_whether_a_cpu_is_deaf) {
  expect_exactly<two_ends<trace::deaf>>({0, 20});
}
TEST(states, differ_by_whether_interrupts_are_on) {
  expect_exactly<two_ends<trace::irqs_off>>({0, 20});
}
TEST(states, differ_by_whether_a_cpu_is_parked) {
  expect_exactly<two_ends<trace::parked>>({20, 21});
}

struct told_by_the_clock : sleepy_litmus<1> {
  static constexpr cpu_id cpus = 1;
  word x;
  [[gnu::noinline]] void waits(uint64_t at) { (void)wait<1>(x, 0, at); }
  void run(cpu_id) override {
    waits(choose(2) == 0 ? 10 : 20);
    clear_stack();
    moment();
    saw(0, model::platform<1>::now() / 10);
  }
};
TEST(states, differ_by_the_clock) {
  expect_exactly<told_by_the_clock>({1, 2});
}

// CPU 1 wakes the sleeper or another word; the sleeper may also not have begun.
template <bool First>
struct woken_or_not : sleepy_litmus<1> {
  static constexpr cpu_id cpus = 2;
  word x, y;
  [[gnu::noinline]] void wakes() {
    const bool this_one = choose(2) == (First ? 0 : 1);
    if (this_one) model::platform<cpus>::wake(x);
    if (!this_one) model::platform<cpus>::wake(y);
  }
  void run(cpu_id me) override {
    if (me == 0) {
      (void)wait<cpus>(x, 0);
      saw(0, 1);
    } else {
      wakes();
      clear_stack();
      moment();
      moment();
    }
  }
};
TEST(states, differ_by_whether_a_sleeper_is_woken) {
  expect_exactly<woken_or_not<true>>({0, 1});
  expect_exactly<woken_or_not<false>>({0, 1});
}

// What was chosen is on the stack of a CPU that sleeps, and of one that does not.
template <bool Sleeps>
struct stack_remembers : sleepy_litmus<1> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 0) {
      const uint32_t chosen = choose(3);
      moment();
      if (Sleeps) (void)wait<cpus>(x, 0);
      moment();
      saw(0, chosen + 1);
    } else if (Sleeps) {
      moment();
      model::platform<cpus>::wake(x);  // without a store: who is woken has slept
    }
  }
};
TEST(states, differ_by_the_stack_of_a_cpu) {
  expect_exactly<stack_remembers<false>>({1, 2, 3});
}
TEST(states, differ_by_the_stack_of_a_sleeper) {
  expect_exactly<stack_remembers<true>>({0, 1, 2, 3});
}

// --- What is on its way

enum class way { none, nmi, irq };
template <way First, way Second>
struct latched : litmus<1> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    if (me == 1) {
      const way what = choose(2) == 0 ? First : Second;
      if (what == way::nmi) send<cpus>(0, stop_how::nmi);
      if (what == way::irq) send<cpus>(0, stop_how::irq);
      moment();
      note(1) = 1;
    } else {
      for (uint32_t i = 0; i < 3; ++i) moment();
    }
  }
  void irq(cpu_id) override { note(0) |= 1 + note(1); }
  void nmi(cpu_id, interrupt) override { note(0) |= 4 + note(1); }
};
TEST(states, differ_by_what_is_latched) {
  expect_exactly<latched<way::none, way::nmi>>({0, 4, 5});
  expect_exactly<latched<way::none, way::irq>>({0, 1, 2});
  expect_exactly<latched<way::irq, way::nmi>>({1, 2, 4, 5});
  expect_exactly<latched<way::nmi, way::irq>>({1, 2, 4, 5});
}

// A handler that comes late reads x and y: what it must see was stored before the request.
template <stop_how How, uint32_t First, uint32_t Second>
struct must_see : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x, y;
  // 0: the request comes first; 1: behind x; 2: behind y, which comes first then; 3: behind a second store to x
  void stores(uint32_t kind) {
    if (kind == 0) send<cpus>(0, How);
    if (kind == 2) {
      y.store(1, order::relaxed);
      send<cpus>(0, How);
    }
    x.store(1, order::relaxed);
    if (kind == 1) send<cpus>(0, How);
    x.store(2, order::relaxed);
    if (kind == 3) send<cpus>(0, How);
    if (kind != 2) y.store(1, order::relaxed);
  }
  void run(cpu_id me) override {
    if (me == 0) return;
    stores(choose(2) == 0 ? First : Second);
    moment();
    note(2) = 1;
  }
  void handler() {
    if (note(2) == 0) {
      saw(0, 9);
      return;
    }
    saw(0, x.load(order::relaxed));
    saw(1, y.load(order::relaxed));
  }
  void irq(cpu_id) override { handler(); }
  void nmi(cpu_id, interrupt) override { handler(); }
};
template <stop_how How>
void expect_what_must_be_seen() {
  const outcomes all{0, 1, 10, 11, 20, 21, 90}, since_x{10, 11, 20, 21, 90};
  expect_exactly<must_see<How, 1, 0>>(all);
  expect_exactly<must_see<How, 0, 1>>(all);
  expect_exactly<must_see<How, 1, 2>>({1, 10, 11, 20, 21, 90});
  expect_exactly<must_see<How, 2, 1>>({1, 10, 11, 20, 21, 90});
  expect_exactly<must_see<How, 3, 1>>(since_x);
  expect_exactly<must_see<How, 1, 3>>(since_x);
}
TEST(states, differ_by_what_the_handler_of_a_latched_nmi_must_see) {
  expect_what_must_be_seen<stop_how::nmi>();
}
TEST(states, differ_by_what_the_handler_of_a_latched_irq_must_see) {
  expect_what_must_be_seen<stop_how::irq>();
}

// Both are latched; x was stored before one of them.
template <stop_how First, stop_how Second>
struct one_must_see : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 0) return;
    const bool first = choose(2) == 0;
    send<cpus>(0, first ? First : Second);
    x.store(1, order::relaxed);
    send<cpus>(0, first ? Second : First);
    moment();
    note(2) = 1;
  }
  void irq(cpu_id) override { saw(0, note(2) == 0 ? 9 : x.load(order::relaxed)); }
  void nmi(cpu_id, interrupt) override { saw(1, note(2) == 0 ? 9 : x.load(order::relaxed)); }
};
TEST(states, differ_by_which_request_must_see_what) {
  const outcomes all{1, 10, 11, 19, 91, 99};
  expect_exactly<one_must_see<stop_how::irq, stop_how::nmi>>(all);
  expect_exactly<one_must_see<stop_how::nmi, stop_how::irq>>(all);
}

// --- What the search keeps

// An NMI handler that looks again and again is where it was when it came, but for that the others may go on now.
struct looks_in_vain : litmus<1> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 0) return;
    moment();
    note(1) = 1;
    x.store(1, order::relaxed);
  }
  void nmi(cpu_id, interrupt) override {
    note(0) = 1 + note(1);
    while (x.load(order::relaxed) == 0) {
    }
  }
};
TEST(states, differ_by_whether_an_interrupt_has_just_come) {
  EXPECT_EQ((outcomes_of<looks_in_vain>({.nmis = 1, .nmi_cpus = 1})), (outcomes{0, 1, 2}));
}

// What an early NMI has left is taken back: that it came is all that is left.
struct early_and_late_nmi : litmus<1> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    if (me == 0) return;
    moment();
    note(1) = 0;
    note(2) = 1;
    moment();
  }
  void nmi(cpu_id, interrupt) override {
    note(1) = 1;
    if (note(2) == 1) saw(0, 1);
  }
};
TEST(states, differ_by_how_many_nmis_may_still_come) {
  expect_exactly<early_and_late_nmi>({0, 1}, {.nmis = 1, .nmi_cpus = 1});
}

struct early_and_late_wakeup : sleepy_litmus<1> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 1) {
      moment();
      note(1) = 0;
      note(2) = 1;
      moment();
      return;
    }
    for (;;) {
      (void)wait<cpus>(x, 0);
      note(1) = 1;
      if (note(2) == 1) saw(0, 1);
    }
  }
};
TEST(states, differ_by_how_many_waits_may_still_end_for_no_reason) {
  EXPECT_EQ(outcomes_of<early_and_late_wakeup>({.spurious = 1}), (outcomes{0, 1}));
}

// Who ends first, and how far the other has come then.
struct race_to_the_end : litmus<2> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    for (uint32_t i = 0; i < 4; ++i) {
      moment();
      note(3 + me) += 1;
    }
    if (note(2) != 0) return;
    note(2) = 1;
    saw(0, me);
    saw(1, note(4 - me));
  }
};
TEST(states, differ_by_who_went_on_last_where_switches_are_bounded) {
  expect_exactly_within<race_to_the_end>({.switches = 0}, {0, 10});
  expect_exactly_within<race_to_the_end>({.switches = 1}, {0, 1, 2, 3, 10, 11, 12, 13});
}

// How far CPU 1 was at the second move of CPU 0, who ends first, and how far the other has come then: 112 takes the
// order 1, 0, 0, 1, 1, with a switch less behind the third move than the order 0, 1, 0 has used up.
struct comes_back : litmus<3> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    for (uint32_t i = 0; i < 3; ++i) {
      moment();
      note(4 + me) += 1;
      if (me == 0 && i == 1) saw(0, note(5));
    }
    if (note(3)++ != 0) return;
    saw(1, me);
    saw(2, note(5 - me));
  }
};
TEST(states, differ_by_how_many_switches_are_left) {
  expect_exactly_within<comes_back>({.switches = 1}, {0, 12, 101, 202, 310, 311});
  expect_exactly_within<comes_back>({.switches = 2}, {0, 1, 2, 12, 101, 112, 202, 212, 310, 311});
}

// --- Memory

// CPU Reader acquires what it is told or an old value, and forgets which; CPU Writer has told it all before.
template <cpu_id Reader, cpu_id Writer>
struct has_seen : litmus<2> {
  static constexpr cpu_id cpus = 3;
  word flag, data;
  void run(cpu_id me) override {
    if (me == Writer) {
      data.store(1, order::relaxed);
      flag.store(1, order::release);
      note(2) = 1;
    } else if (me == Reader) {
      moment();
      const uint64_t told = note(2);
      (void)flag.load(order::acquire);
      saw(0, told);
      moment();
      saw(1, data.load(order::relaxed));
    }
  }
};
TEST(states, differ_by_what_each_cpu_has_seen) {
  const outcomes all{0, 1, 10, 11};
  expect_exactly<has_seen<0, 1>>(all);
  expect_exactly<has_seen<1, 0>>(all);
  expect_exactly<has_seen<2, 0>>(all);
}

// The oldest store that somebody may still read is all that is left of a choice.
struct old_value : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 0) {
      x.store(1 + choose(2), order::relaxed);
      moment();
      const uint64_t gone = note(2);
      const uint32_t value = x.load(order::relaxed);
      saw(0, gone);
      saw(1, value);
    } else if (x.load(order::relaxed) != 0) {
      x.store(5, order::relaxed);
      note(2) = 1;
    }
  }
};
TEST(states, differ_by_the_oldest_store_that_may_be_read) {
  expect_exactly<old_value>({1, 2, 5, 11, 12, 15});
}

// A wake before the store or behind it: who begins to wait then may find the old value, or may not.
template <uint32_t Behind>
struct wake_and_store : sleepy_litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  [[gnu::noinline]] void wakes_and_stores() {
    const bool behind = choose(2) == Behind;
    if (!behind) model::platform<cpus>::wake(x);
    x.store(1, order::relaxed);
    if (behind) model::platform<cpus>::wake(x);
  }
  void run(cpu_id me) override {
    if (me == 1) {
      wakes_and_stores();
      clear_stack();
      moment();
      note(2) = 1;
    } else {
      moment();
      saw(1, note(2));
      saw(0, 1);
      (void)wait<cpus>(x, 0);
      saw(0, 3);
    }
  }
};
TEST(states, differ_by_what_a_wait_must_have_seen) {
  expect_exactly<wake_and_store<0>>({10, 11, 30, 31});
  expect_exactly<wake_and_store<1>>({10, 11, 30, 31});
}

// What nobody can read any more tells no states apart.
struct unreadable : litmus<0> {
  static constexpr cpu_id cpus = 2;
  word x, y;
  void run(cpu_id me) override {
    if (me == 0) {
      (void)x.load(order::relaxed);
      x.store(1 + choose(3), order::relaxed);
      x.store(7, order::relaxed);
      y.store(1, order::release);
    } else {
      x.store(9, order::relaxed);
      while (y.load(order::acquire) != 1) {
      }
      for (uint32_t i = 0; i < 5; ++i) moment();
    }
  }
};
TEST(states, are_the_same_where_nobody_can_tell) {
  EXPECT_EQ(model::explore<unreadable>().states, 49U);
}

// An NMI that does nothing, to a CPU that has ended: three places before it, two behind.
struct idle_nmi : litmus<0> {
  static constexpr cpu_id cpus = 2;
  void run(cpu_id me) override {
    for (uint32_t i = 0; me == 1 && i < 2; ++i) {
      moment();
      note(0) += 1;
    }
  }
};
TEST(states, are_the_same_when_an_interrupt_is_over) {
  EXPECT_EQ(model::explore<idle_nmi>({.nmis = 1, .nmi_cpus = 1}).states, 5U);
}

// A handler that is alone with its words takes no decisions, however often it comes.
struct busy_nmi : litmus<0> {
  static constexpr cpu_id cpus = 2;
  word mine;
  void run(cpu_id) override {}
  void nmi(cpu_id, interrupt) override {
    for (uint32_t i = 0; i < 600; ++i) mine.fetch_add(1, order::relaxed);
    model::platform<cpus>::wake(mine);
  }
  void finish(model::ending, cpu_id) override { outcome(mine.load(order::relaxed)); }
};
TEST(states, are_none_inside_a_handler_that_is_alone_with_its_words) {
  const model::result r = model::explore<busy_nmi>({.nmis = 3, .nmi_cpus = 1});
  EXPECT_EQ(r.moves, 3U);
  EXPECT_EQ(found, (outcomes{0, 600, 1200, 1800}));
}

// --- The scenario

template <uint32_t Which>
struct remembers : litmus<0> {
  static constexpr cpu_id cpus = 1;
  uint64_t first[4];
  word x;
  uint64_t last;
  [[gnu::noinline]] void keep(uint64_t value) {
    if (Which == 0) note(0) = value;
    if (Which == 1) note(15) = value;
    if (Which == 2) first[0] = value;
    if (Which == 3) last = value;
    if (Which == 4) x.store(static_cast<uint32_t>(value), order::relaxed);
  }
  [[gnu::noinline]] uint64_t kept() {
    const uint64_t values[] = {note(0), note(15), first[0], last, 0};
    return Which == 4 ? x.load(order::relaxed) : values[Which];
  }
  void run(cpu_id) override {
    keep(choose(3));
    clear_stack();
    moment();
    outcome(kept());
  }
  void finish(model::ending, cpu_id) override {}
};
TEST(states, differ_by_the_notes_the_data_and_the_words_of_the_scenario) {
  const outcomes all{0, 1, 2};
  expect_exactly<remembers<0>>(all);
  expect_exactly<remembers<1>>(all);
  expect_exactly<remembers<2>>(all);
  expect_exactly<remembers<3>>(all);
  expect_exactly<remembers<4>>(all);
}

}  // namespace
}  // namespace states_model
