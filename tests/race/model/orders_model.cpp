// SPDX-License-Identifier: BSL-1.0
// What each memory order of a read-modify-write gives, and what it does not.

#include "race/model/outcomes.hpp"

namespace orders_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

const outcomes message_passed{0, 1, 11}, message_may_be_lost{0, 1, 10, 11};

template <order Success>
struct publishing_exchange : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word flag, data;  // the last word is the one that the acquire is about
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      uint32_t zero = 0;
      (void)flag.compare_exchange(zero, 1, Success, order::relaxed);
    } else {
      saw(0, flag.load(order::acquire));
      saw(1, data.load(order::relaxed));
    }
  }
};
TEST(orders, exchange_publishes_with_release_and_with_acq_rel_only) {
  expect_exactly<publishing_exchange<order::release>>(message_passed);
  expect_exactly<publishing_exchange<order::acq_rel>>(message_passed);
  expect_exactly<publishing_exchange<order::acquire>>(message_may_be_lost);
  expect_exactly<publishing_exchange<order::relaxed>>(message_may_be_lost);
}

// `Wanted` is 1: the exchange succeeds on the message, 7: it fails and has the order of a failure.
template <uint32_t Wanted, order Success, order Failure>
struct reading_exchange : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word flag, data;
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      flag.store(1, order::release);
    } else {
      uint32_t wanted = Wanted;
      const bool stored = flag.compare_exchange(wanted, 2, Success, Failure);
      saw(0, stored ? 1 : wanted);
      saw(1, data.load(order::relaxed));
    }
  }
};
TEST(orders, exchange_that_succeeds_acquires_by_its_success_order) {
  using enum order;
  expect_exactly<reading_exchange<1, acquire, relaxed>>(message_passed);
  expect_exactly<reading_exchange<1, acq_rel, relaxed>>(message_passed);
  expect_exactly<reading_exchange<1, relaxed, acquire>>(message_may_be_lost);
  expect_exactly<reading_exchange<1, release, acquire>>(message_may_be_lost);
}
TEST(orders, exchange_that_fails_acquires_by_its_failure_order) {
  using enum order;
  expect_exactly<reading_exchange<7, relaxed, acquire>>(message_passed);
  expect_exactly<reading_exchange<7, release, acquire>>(message_passed);
  expect_exactly<reading_exchange<7, acquire, relaxed>>(message_may_be_lost);
  expect_exactly<reading_exchange<7, acq_rel, relaxed>>(message_may_be_lost);
}

template <order Add, order Look>
struct adding : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word flag, data;
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      flag.fetch_add(1, Add);
    } else {
      saw(0, flag.fetch_add(0, Look));
      saw(1, data.load(order::relaxed));
    }
  }
};
TEST(orders, fetch_add_publishes_and_acquires_by_its_order) {
  using enum order;
  expect_exactly<adding<release, acquire>>(message_passed);
  expect_exactly<adding<acq_rel, acq_rel>>(message_passed);
  expect_exactly<adding<acquire, acquire>>(message_may_be_lost);
  expect_exactly<adding<release, release>>(message_may_be_lost);
}

// An exchange that fails is a load: it may read an old store, but none on which it would have succeeded.
template <uint32_t Wanted>
struct failing_exchange : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    if (me == 0) {
      x.store(1, order::relaxed);
      x.store(2, order::relaxed);
      saw(0, 1);
    } else {
      moment();
      const uint64_t both_are_there = model::note(0);
      uint32_t wanted = Wanted;
      const bool stored = x.compare_exchange(wanted, 5, order::relaxed, order::relaxed);
      saw(1, both_are_there != 0 ? (stored ? 9 : wanted) : 8);
    }
  }
};
TEST(orders, exchange_that_fails_reads_any_store_but_what_it_wants) {
  expect_exactly<failing_exchange<7>>({10, 11, 12, 18});
  expect_exactly<failing_exchange<1>>({10, 12, 18});
  expect_exactly<failing_exchange<2>>({10, 11, 19, 18});
}

// A relaxed read acquires nothing, whatever its CPU does later.
struct late_acquire : litmus<3> {
  static constexpr cpu_id cpus = 2;
  word data, flag, other;
  void run(cpu_id me) override {
    if (me == 0) {
      data.store(1, order::relaxed);
      flag.store(1, order::release);
    } else {
      saw(0, flag.load(order::relaxed));
      saw(1, other.load(order::acquire));
      saw(2, data.load(order::relaxed));
    }
  }
};
TEST(orders, acquire_of_another_word_does_not_help_a_relaxed_read) {
  expect_exactly<late_acquire>({0, 1, 100, 101});
}

// A release publishes all that its CPU has read and stored, in words that come before and behind it.
template <bool Behind>
struct wide_release : litmus<2> {
  static constexpr cpu_id cpus = 2;
  word front, flag, back;
  word& data() { return Behind ? back : front; }
  void run(cpu_id me) override {
    if (me == 0) {
      data().store(1, order::relaxed);
      flag.store(1, order::release);
      data().store(2, order::relaxed);
    } else {
      saw(0, flag.load(order::acquire));
      saw(1, data().load(order::relaxed));
    }
  }
};
TEST(orders, release_publishes_what_stands_before_it) {
  expect_exactly<wide_release<false>>({0, 1, 2, 11, 12});
  expect_exactly<wide_release<true>>({0, 1, 2, 11, 12});
}

// A load may be as old as there are stores that its CPU has not seen.
struct long_history : litmus<0> {
  static constexpr cpu_id cpus = 2;
  static constexpr uint32_t stores = 300;
  word x;
  void run(cpu_id me) override {
    if (me == 0) {
      for (uint32_t i = 1; i <= stores; ++i) x.store(i, order::relaxed);
      model::note(0) = 1;
    } else {
      moment();
      model::note(2) = model::note(0);
      model::note(1) = x.load(order::relaxed);
    }
  }
  void finish(model::ending, cpu_id) override {
    if (model::note(2) != 0) outcome(model::note(1));
  }
};
TEST(orders, load_may_read_any_of_many_old_stores) {
  const model::result r = model::explore<long_history>({});
  EXPECT_EQ(r.failure, "");
  EXPECT_EQ(found.size(), long_history::stores + 1);
}

template <class T>
struct arithmetic : litmus<0> {
  static constexpr cpu_id cpus = 1;
  model::atomic<T> x{static_cast<T>(~T{0})};
  void run(cpu_id) override {
    outcome(static_cast<uint64_t>(x.fetch_add(1, order::relaxed)) == ~T{0});
    T zero = 0;
    outcome(x.compare_exchange(zero, 5, order::relaxed, order::relaxed) ? 2 : 3);
  }
  void finish(model::ending, cpu_id) override { outcome(10 + static_cast<uint64_t>(x.load(order::relaxed))); }
};
TEST(orders, word_wraps_at_its_own_width) {
  expect_exactly<arithmetic<uint32_t>>({1, 2, 15});
  expect_exactly<arithmetic<uint64_t>>({1, 2, 15});
}

// Before the CPUs start and after they have ended a word is a variable.
struct at_rest : litmus<0> {
  static constexpr cpu_id cpus = 1;
  model::atomic<uint64_t> x{uint64_t{1} << 40};
  at_rest() { x.fetch_add(2, order::relaxed); }
  void run(cpu_id) override {
    if (x.load(order::relaxed) == (uint64_t{1} << 40) + 2) x.store(3, order::relaxed);
  }
  void finish(model::ending, cpu_id) override {
    outcome(x.fetch_add(4, order::relaxed));
    uint64_t wanted = 1;
    outcome(x.compare_exchange(wanted, 9, order::relaxed, order::relaxed) ? 1 : wanted);
    outcome(x.compare_exchange(wanted, 9, order::relaxed, order::relaxed) ? 2 : wanted);
    outcome(x.load(order::relaxed));
    x.store(20, order::relaxed);
    outcome(x.load(order::relaxed));
  }
};
TEST(orders, word_at_rest_is_a_variable) {
  expect_exactly<at_rest>({3, 7, 2, 9, 20});
}

}  // namespace
}  // namespace orders_model
