// SPDX-License-Identifier: BSL-1.0
// Every interleaving of threads that become CPUs and cease to be (platform/posix/cpu_table.hpp).

#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/platform/posix/cpu_table.hpp>

#include "race/model/expect.hpp"

namespace cpu_table_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::note;
using model::require;

struct entry {
  model::atomic<uint32_t> tid;
  uint64_t kept;  // plain, as the record of a fault is

  void forget() noexcept { kept = 0; }
};

/// `Numbers` CPU numbers for `Threads` threads.
template <cpu_id Threads, cpu_id Numbers>
struct table : model::scenario {
  static constexpr cpu_id cpus = Threads;
  entry entries[Numbers];
  model::atomic<uint32_t> limit;

  bool take(cpu_id number, cpu_id me) { return posix_detail::take_entry(entries, limit, number, me + 1); }
  cpu_id take_any(cpu_id me) { return posix_detail::take_any_entry(entries, Numbers, limit, me + 1); }
  void leave(cpu_id number) { posix_detail::leave_entry(entries[number]); }
  void use(cpu_id number, cpu_id me) {
    require(model::uses(entries[number].kept) == 0, "the number comes with what another thread has kept there");
    entries[number].kept = me + 1;
    require(entries[number].tid.load(order::relaxed) == me + 1, "another thread has the number, too");
  }
};

template <cpu_id Threads>
struct one_number : table<Threads, 1> {
  void run(cpu_id me) override {
    if (!this->take(0, me)) return;
    note(0)++;
    this->use(0, me);
  }
  void finish(ending, cpu_id) override { require(note(0) == 1, "of those that want one number, one gets it"); }
};
TEST(cpu_table, of_threads_that_want_one_number_one_gets_it) {
  expect_complete<one_number<2>>("2 threads");
  expect_complete<one_number<3>>("3 threads");
}

template <cpu_id Threads, cpu_id Numbers>
struct any_number : table<Threads, Numbers> {
  void run(cpu_id me) override {
    const cpu_id mine = this->take_any(me);
    note(1)++;
    if (mine == Numbers) {
      note(0)++;
      return;
    }
    this->use(mine, me);
    require(this->limit.load(order::relaxed) > mine, "its own number is not below the limit");
  }
  void finish(ending, cpu_id) override {
    require(note(1) == Threads, "a thread does not come back");
    require(note(0) == (Threads > Numbers ? Threads - Numbers : 0), "a number is left over, or one too many refused");
    for (cpu_id n = 0; n < Numbers; ++n)
      require((this->entries[n].tid.load(order::relaxed) != 0) == (n < Threads), "not the lowest numbers");
    require(this->limit.load(order::relaxed) == (Threads < Numbers ? Threads : Numbers), "not the highest and one");
  }
};
TEST(cpu_table, threads_without_a_wish_get_the_lowest_numbers_and_each_its_own) {
  expect_complete<any_number<2, 2>>("2 threads, 2 numbers");
  expect_complete<any_number<2, 3>>("2 threads, 3 numbers");
  expect_complete<any_number<3, 3>>("3 threads, 3 numbers");
}
TEST(cpu_table, as_many_threads_are_refused_as_there_are_numbers_too_few) {
  expect_complete<any_number<2, 1>>("2 threads, 1 number");
  expect_complete<any_number<3, 2>>("3 threads, 2 numbers");
}

// A number that is left while others look for one.
template <cpu_id Threads>
struct reused_number : table<Threads, 1> {
  void run(cpu_id me) override {
    if (this->take_any(me) != 0) return;
    this->use(0, me);
    note(0)++;
    this->leave(0);
    if (this->take(0, me)) {
      this->use(0, me);
      this->leave(0);
    }
  }
  void finish(ending, cpu_id) override {
    require(note(0) >= 1, "nobody got the number");
    require(this->entries[0].tid.load(order::relaxed) == 0, "the number is not free again");
  }
};
TEST(cpu_table, number_that_is_used_again_comes_as_new) {
  expect_complete<reused_number<2>>("2 threads");
  expect_complete<reused_number<3>>("3 threads");
}

// Who stops the others looks at the numbers below the limit only.
struct looker : table<3, 3> {
  void run(cpu_id me) override {
    if (me != 0) return void(take(me, me));
    for (const cpu_id number : {2u, 1u})
      if (posix_detail::is_taken(entries[number]))
        require(limit.load(order::relaxed) > number, "promise 5: an online CPU is not below the limit");
  }
};
TEST(cpu_table, who_is_seen_online_is_below_the_limit) {
  expect_complete<looker>("2 threads, 1 that looks");
}

// A thread that becomes a CPU while another one commits.
struct late_arrival : table<2, 2> {
  using P = model::platform<2>;
  panic_cpu<P> gate;

  void run(cpu_id me) override {
    if (me == 0) return stop_the_others();
    require(take(1, me), "the number is free");
    note(0) = gate.read().is_committed();
  }
  void stop_the_others() {
    require(gate.claim(hold::final).won() && gate.commit(), "nobody else wants it");
    const uint32_t end = posix_detail::limit_of(limit);
    for (cpu_id n = 0; n < end; ++n) note(1) |= n == 1 && posix_detail::is_taken(entries[n]);
  }
  void finish(ending, cpu_id) override {
    require(note(0) == 1 || note(1) == 1, "promise 5: a CPU that arrives is neither asked to stop nor stops by itself");
  }
};
TEST(cpu_table, thread_that_arrives_at_the_commit_is_asked_or_sees_it) {
  expect_complete<late_arrival>("1 arrives, 1 commits");
}

}  // namespace
}  // namespace cpu_table_model
