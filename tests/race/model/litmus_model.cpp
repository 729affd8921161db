// SPDX-License-Identifier: BSL-1.0
// What the model's memory may and may not show: each test has the exact set of outcomes of the C++20 memory model.

#include "race/model/outcomes.hpp"

namespace litmus_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

outcomes every_outcome_of_four() {
  outcomes all;
  for (uint64_t i = 0; i < 16; ++i) all.insert((i >> 3 & 1) * 1000 + (i >> 2 & 1) * 100 + (i >> 1 & 1) * 10 + (i & 1));
  return all;
}

template <order Store, order Load>
struct store_buffering : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x, y;
  void run(cpu_id me) override {
    (me == 0 ? x : y).store(1, Store);
    saw(me, (me == 0 ? y : x).load(Load));
  }
};

TEST(litmus, store_buffering_may_miss_both_stores) {
  expect_exactly<store_buffering<order::release, order::acquire>>({0, 1, 10, 11});
}

template <order Store, order Load>
struct message_passing : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word data, flag;
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      flag.store(1, Store);
    } else {
      saw(0, flag.load(Load));
      saw(1, data.load(order::relaxed));
    }
  }
};

TEST(litmus, message_passing_with_release_and_acquire_passes_the_message) {
  expect_exactly<message_passing<order::release, order::acquire>>({0, 1, 11});
}
TEST(litmus, message_passing_with_a_relaxed_store_may_lose_it) {
  expect_exactly<message_passing<order::relaxed, order::acquire>>({0, 1, 10, 11});
}
TEST(litmus, message_passing_with_a_relaxed_load_may_lose_it) {
  expect_exactly<message_passing<order::release, order::relaxed>>({0, 1, 10, 11});
}

struct independent_reads : litmus<4> {
  static constexpr cpu_id cpus = 4;
  word x, y;
  void run(cpu_id me) override {
    if (me < 2) return (me == 0 ? x : y).store(1, order::release);
    saw(2 * me - 4, (me == 2 ? x : y).load(order::acquire));
    saw(2 * me - 3, (me == 2 ? y : x).load(order::acquire));
  }
};

TEST(litmus, independent_reads_of_independent_writes_may_disagree) {
  expect_exactly<independent_reads>(every_outcome_of_four());
}

struct coherence : litmus<2> {
  static constexpr cpu_id cpus = 3;
  word x;
  void run(cpu_id me) override {
    if (me < 2) return x.store(me + 1, order::relaxed);
    saw(0, x.load(order::relaxed));
    saw(1, x.load(order::relaxed));
  }
};

TEST(litmus, coherence_never_reads_backwards) {
  expect_exactly<coherence>({0, 1, 2, 11, 12, 21, 22});  // 10 and 20 are not there
}

template <order Store>
struct read_own_store : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    x.store(me + 1, Store);
    saw(me, x.load(order::relaxed));
  }
};

TEST(litmus, coherence_reads_its_own_store_or_a_later_one) {
  expect_exactly<read_own_store<order::relaxed>>({12, 11, 22});
}

struct counting : litmus<0> {
  static constexpr cpu_id cpus = 3;
  word x;
  void run(cpu_id me) override { saw(me, x.fetch_add(1, order::relaxed)); }
  void finish(model::ending, cpu_id) override { outcome(seen(3) * 10 + x.load(order::relaxed)); }
};

TEST(litmus, read_modify_writes_are_atomic) {
  expect_exactly<counting>({123, 213, 1023, 1203, 2013, 2103});
}

struct exchanging : litmus<3> {
  static constexpr cpu_id cpus = 3;
  word x;
  void run(cpu_id me) override {
    uint32_t free = 0;
    saw(me, x.compare_exchange(free, me + 1, order::relaxed, order::relaxed) ? 9 : free);
  }
};

TEST(litmus, of_three_exchanges_one_wins_and_the_others_see_it) {
  expect_exactly<exchanging>({911, 292, 339});
}

// A release store, then another CPU's relaxed read-modify-write: who acquires that sees what the first released.
template <bool Exchange>
struct release_sequence : litmus<2> {
  static constexpr cpu_id cpus = 3;
  word data, flag;
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      flag.store(1, order::release);
    } else if (me == 1) {
      uint32_t one = 1;
      if (Exchange)
        (void)flag.compare_exchange(one, 2, order::relaxed, order::relaxed);
      else if (flag.load(order::relaxed) == 1)
        flag.store(2, order::relaxed);
    } else {
      saw(0, flag.load(order::acquire));
      saw(1, data.load(order::relaxed));
    }
  }
};

TEST(litmus, release_sequence_goes_through_a_relaxed_read_modify_write) {
  expect_exactly<release_sequence<true>>({0, 1, 11, 21});
}
TEST(litmus, release_sequence_ends_at_a_relaxed_store) {
  expect_exactly<release_sequence<false>>({0, 1, 11, 20, 21});
}

// What a load of acquire order carries on: CPU 1 has it from CPU 0, CPU 2 from CPU 1.
struct cumulative : litmus<2> {
  static constexpr cpu_id cpus = 3;
  word data, first, second;
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      first.store(1, order::release);
    } else if (me == 1) {
      if (first.load(order::acquire) == 1) second.store(1, order::release);
    } else {
      saw(0, second.load(order::acquire));
      saw(1, data.load(order::relaxed));
    }
  }
};

TEST(litmus, what_was_acquired_is_passed_on) {
  expect_exactly<cumulative>({0, 1, 11});
}

// What a CPU has acquired is part of a state, also where it forgets the value that it read, and another lags behind.
struct forgotten_read : litmus<4> {
  static constexpr cpu_id cpus = 3;
  word data, flag, late;
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      flag.store(1, order::release);
      late.store(1, order::relaxed);
    } else if (me == 1) {
      (void)flag.load(order::acquire);
      saw(0, late.load(order::relaxed));
      saw(1, data.load(order::relaxed));
    } else {
      saw(2, late.load(order::relaxed));
      saw(3, data.load(order::relaxed));
    }
  }
};

TEST(litmus, view_of_a_forgotten_read_is_kept) {
  expect_exactly<forgotten_read>(every_outcome_of_four());
}

// So is what a store has published, also where its CPU has acquired more since: 1101 is not 1111.
struct published_before : litmus<4> {
  static constexpr cpu_id cpus = 3;
  word data, first, second, late;
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      first.store(1, order::release);
    } else if (me == 1) {
      (void)first.load(order::acquire);
      second.store(1, order::release);
      saw(3, first.fetch_add(0, order::acquire));
      late.store(1, order::relaxed);
    } else {
      saw(0, late.load(order::relaxed));
      saw(1, second.load(order::acquire));
      saw(2, data.load(order::relaxed));
    }
  }
};

TEST(litmus, view_that_a_store_has_published_is_kept) {
  expect_exactly<published_before>(every_outcome_of_four());
}

// A stop request orders what was stored before it, for the handler that takes it alone: 10 is an interrupt that comes
// while an NMI is latched.
struct two_requests : litmus<2> {
  static constexpr cpu_id cpus = 3;
  word x, y;
  void run(cpu_id me) override {
    cpu_set<cpus> receiver;
    receiver.add(2);
    if (me == 0) model::platform<cpus>::send_stop(receiver, stop_how::irq);
    if (me != 1) return;
    x.store(1, order::relaxed);
    model::platform<cpus>::send_stop(receiver, stop_how::nmi);
    y.store(1, order::relaxed);
  }
  void irq(cpu_id) override {
    saw(0, y.load(order::relaxed));
    saw(1, x.load(order::relaxed));
  }
};

TEST(litmus, stop_request_orders_nothing_for_the_handler_of_another_one) {
  expect_exactly<two_requests>({0, 1, 10, 11});
}

// An interrupt comes where interrupts are on, also where a CPU does nothing else before it turns them off.
struct masked_at_once : litmus<1> {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  word x;
  void run(cpu_id me) override {
    cpu_set<cpus> receiver;
    receiver.add(1);
    if (me == 0) return P::send_stop(receiver, stop_how::irq);
    for (uint32_t i = 1; i <= 2; ++i) {
      const P::irq_state on = P::irq_save();
      x.store(i, order::relaxed);
      P::irq_restore(on);
    }
  }
  void irq(cpu_id) override { saw(0, x.load(order::relaxed)); }
};

TEST(litmus, interrupt_may_come_just_before_interrupts_are_off) {
  expect_exactly<masked_at_once>({0, 1, 2});
}

// Time passes where nobody can go on, whatever may still come from outside: the NMI comes before the deadline or after
// it.
struct nmi_and_deadline : litmus<1> {
  static constexpr cpu_id cpus = 1;
  using P = model::platform<cpus>;
  word x;
  void run(cpu_id) override {
    (void)P::wait_while(x, 0u, 1);
    x.store(1, order::relaxed);
  }
  void nmi(cpu_id, model::interrupt) override { saw(0, 2 * x.load(order::relaxed) + P::now()); }
};

TEST(litmus, nmi_may_come_after_a_deadline) {
  expect_exactly<nmi_and_deadline>({0, 1, 3}, {.nmis = 1});
}

// A request is taken before its handler does anything: what is sent in between comes again, and 11 are two handlers that
// both see what was stored after both requests.
struct request_while_taken : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    cpu_set<cpus> receiver;
    receiver.add(1);
    if (me != 0) return;
    model::platform<cpus>::send_stop(receiver, stop_how::nmi);
    model::platform<cpus>::send_stop(receiver, stop_how::nmi);
    x.store(1, order::relaxed);
  }
  void nmi(cpu_id, model::interrupt) override {
    const uint32_t value = x.load(order::relaxed);
    saw(static_cast<uint32_t>(model::note(2)++), value);
  }
  void finish(model::ending, cpu_id) override { outcome(model::note(2) * 100 + seen(2)); }
};

TEST(litmus, request_that_comes_before_the_handler_acts_comes_again) {
  expect_exactly<request_while_taken>({100, 110, 200, 201, 211});
}

// Nothing has to happen between two NMIs, also where the handler is alone with its words.
struct two_nmis : litmus<1> {
  static constexpr cpu_id cpus = 1;
  word x;
  void run(cpu_id) override { saw(0, x.load(order::relaxed)); }
  void nmi(cpu_id, model::interrupt) override { x.fetch_add(1, order::relaxed); }
};

TEST(litmus, nmi_may_come_directly_behind_another_one) {
  expect_exactly<two_nmis>({0, 1, 2}, {.nmis = 2});
}

// What its sender had seen is part of a request that is not taken yet, also where the sender has seen more since: 1101 is
// not 1111. The NMI from outside keeps the request waiting.
struct waiting_request : litmus<4> {
  static constexpr cpu_id cpus = 3;
  word x, flag;
  void run(cpu_id me) override {
    cpu_set<cpus> receiver;
    receiver.add(2);
    if (me == 0) x.store(1, order::relaxed);
    if (me != 1) return;
    (void)x.load(order::relaxed);
    model::platform<cpus>::send_stop(receiver, stop_how::nmi);
    saw(0, x.load(order::relaxed));
    flag.store(1, order::relaxed);
  }
  void nmi(cpu_id, model::interrupt which) override {
    if (which == model::interrupt::injected_nmi) {
      saw(1, flag.load(order::relaxed));
      model::note(4) = 1;
    } else {
      saw(2, x.load(order::relaxed));
      saw(3, model::note(4));
    }
  }
};

TEST(litmus, view_of_a_request_that_waits_is_kept) {
  expect_exactly<waiting_request>(every_outcome_of_four(), {.nmis = 1, .nmi_cpus = 4});
}

// A wake may come after all that is seen of the NMI handler that it is in: 12 falls asleep behind the store and is woken.
struct wake_in_nmi : litmus<2> {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  word x, y;
  void run(cpu_id me) override {
    if (me == 0) return;
    saw(0, y.load(order::relaxed));
    saw(1, P::wait_while(x, 0u, no_deadline) ? 2 : 1);
  }
  void nmi(cpu_id, model::interrupt) override {
    y.store(1, order::relaxed);
    P::wake(x);
  }
  bool may_sleep() const override { return true; }
};

TEST(litmus, wake_in_an_nmi_may_come_after_what_its_handler_did) {
  expect_exactly<wake_in_nmi>({0, 2, 10, 12}, {.nmis = 1, .nmi_cpus = 1});
}

// What a waker had seen binds who begins to wait later, and what it has seen since does not: 110 sleeps for ever.
struct waiting_behind_a_wake : litmus<3> {
  static constexpr cpu_id cpus = 3;
  using P = model::platform<cpus>;
  word x, flag;
  void run(cpu_id me) override {
    if (me == 0) return x.store(1, order::relaxed);
    if (me == 1) {
      (void)x.load(order::relaxed);
      P::wake(x);
      saw(0, x.load(order::relaxed));
      return flag.store(1, order::relaxed);
    }
    saw(1, flag.load(order::relaxed));
    saw(2, P::wait_while(x, 0u, no_deadline));
  }
  bool may_sleep() const override { return true; }
};

TEST(litmus, wait_behind_a_wake_sees_what_its_waker_had_seen) {
  expect_exactly<waiting_behind_a_wake>({0, 1, 10, 11, 100, 101, 110, 111});
}

// A CPU that has nothing more to do still takes NMIs, and their handler may read what is old.
struct idle_reader : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x, y;
  void run(cpu_id me) override {
    if (me != 0) return;
    x.store(1, order::relaxed);
    y.store(1, order::relaxed);
  }
  void nmi(cpu_id, model::interrupt) override {
    saw(0, y.load(order::relaxed));
    saw(1, x.load(order::relaxed));
  }
};

TEST(litmus, handler_of_an_idle_cpu_may_read_old_stores) {
  expect_exactly<idle_reader>({0, 1, 10, 11}, {.nmis = 1, .nmi_cpus = 2});
}

// A long time shows a CPU every store, and orders nothing.
struct long_after : observed {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  word never, done;
  uint64_t data;
  void run(cpu_id me) override {
    if (me == 0) {
      data = 1;
      return done.store(1, order::release);
    }
    (void)P::wait_while(never, 0u, 1);
    if (done.load(order::relaxed) == 1) (void)model::uses(data);
  }
};

TEST(litmus, deadline_that_passes_orders_no_plain_data) {
  for (const bool reduce : {true, false})
    EXPECT_NE((model::explore<long_after>({.reduce = reduce}).failure.find("data race")), std::string::npos);
}

// The limits, stated: hardware may show these outcomes, the model does not.
struct load_buffering : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x, y;
  void run(cpu_id me) override {
    saw(me, (me == 0 ? x : y).load(order::relaxed));
    (me == 0 ? y : x).store(1, order::relaxed);
  }
};

TEST(litmus, load_buffering_is_not_modelled) {
  expect_exactly<load_buffering>({0, 1, 10});
}

struct two_plus_two_writes : litmus<0> {
  static constexpr cpu_id cpus = 2;
  word x, y;
  void run(cpu_id me) override {
    (me == 0 ? x : y).store(1, order::relaxed);
    (me == 0 ? y : x).store(2, order::relaxed);
  }
  void finish(model::ending, cpu_id) override { outcome(x.load(order::relaxed) * 10 + y.load(order::relaxed)); }
};

TEST(litmus, two_plus_two_writes_end_as_in_one_order) {
  expect_exactly<two_plus_two_writes>({12, 21, 22});
}

}  // namespace
}  // namespace litmus_model
