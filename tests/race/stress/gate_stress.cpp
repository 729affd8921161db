// SPDX-License-Identifier: BSL-1.0
// The gate under many threads: mutual exclusion, and that the holder sees what the holder before it did. What it
// guards is plain data, so that ThreadSanitizer sees an order that is too weak.
#include "crew.hpp"

namespace gate_stress {
namespace {

using namespace stress;

struct guarded {
  uint64_t count = 0, mirror = ~uint64_t{0};
  void step() {
    must(mirror == ~count, "two words that belong together do");
    ++count;
    mirror = ~count;
  }
};

// Holds the gate on trial once, however long it takes to get it.
void hold_once(panic_cpu<posix>& gate, guarded& data) {
  for (;;) {
    const claim_result mine = gate.claim(hold::trial);
    if (mine.won()) break;
    must(mine.outcome == claim_outcome::other, "another CPU has it");
    (void)gate.wait_while(mine.word);
  }
  data.step();
  must(gate.release() == release_outcome::released, "the hold is given back");
}

void hammer(cpu_id cpus, unsigned each) {
  static panic_cpu<posix> gate;
  static guarded data;
  on_cpus(cpus, [each](cpu_id) {
    for (unsigned i = 0; i < each; ++i) hold_once(gate, data);
  });
  must(data.count == uint64_t{cpus} * each, "every hold counts once");
  must(gate.read().is_open(), "the gate is open in the end");
  must(gate.read().epoch() == (uint64_t{cpus} * each) % (1u << gate_word::epoch_bits), "one epoch for each release");
  must(posix_detail::all_sleepers() == 0, "nobody sleeps in the end");
}

TEST(gate_stress, trial_holds_exclude_each_other_on_as_many_threads_as_processors) {
  expect_success([] { hammer(2, rounds(150'000)); });
}

TEST(gate_stress, trial_holds_exclude_each_other_on_many_more_threads_than_processors) {
  expect_success([] { hammer(16, rounds(10'000)); });
}

TEST(gate_stress, of_many_final_claims_one_wins_and_all_others_see_the_same_holder) {
  expect_success([] {
    constexpr cpu_id cpus = 6;
    static panic_cpu<posix> gate;
    static claim_outcome outcomes[cpus];
    static cpu_id holders[cpus];
    in_rounds(
        cpus, rounds(1'500), [](unsigned) { std::construct_at(&gate); },
        [](cpu_id me, unsigned) {
          const claim_result r = gate.claim(hold::final);
          outcomes[me] = r.outcome;
          holders[me] = r.holder();
        },
        [](unsigned) {
          unsigned won = 0;
          for (cpu_id c = 0; c < cpus; ++c) {
            must(holders[c] == holders[0], "one holder for all");
            must((outcomes[c] == claim_outcome::won) == (holders[0] == c), "who won is the holder");
            if (outcomes[c] == claim_outcome::won) ++won;
          }
          must(won == 1, "exactly one winner");
        });
  });
}

// Panics break in on trial holds: the winner sees all that was done under them, and nobody holds the gate after it.
TEST(gate_stress, a_final_claim_among_trial_holds_ends_them_and_sees_their_work) {
  expect_success([] {
    constexpr cpu_id cpus = 4;
    static panic_cpu<posix> gate;
    static guarded data;
    static std::atomic<uint64_t> done{};
    in_rounds(
        cpus, rounds(1'000), [](unsigned) { std::construct_at(&gate); },
        [](cpu_id me, unsigned round) {
          for (unsigned i = 0; i < round % 50; ++i) {
            if (!gate.claim(hold::trial).won()) continue;
            data.step();
            done.fetch_add(1, std::memory_order_relaxed);
            must(gate.release() == release_outcome::released, "given back");
          }
          for (claim_result r = gate.claim(hold::final);; r = gate.claim(hold::final)) {
            if (r.won()) {
              data.step();
              done.fetch_add(1, std::memory_order_relaxed);
              must(gate.release() == release_outcome::not_on_trial, "a final hold stays");
              break;
            }
            if (r.phase() == phase::panicking) break;
            (void)gate.wait_while(r.word);
          }
          must(gate.claim(hold::trial).outcome != claim_outcome::won, "the end is the end");
          (void)me;
        },
        [](unsigned) { must(data.count == done.load(std::memory_order_relaxed), "every hold counts once"); });
  });
}

// A panic steals nothing from under a trial hold: it waits its turn.
TEST(gate_stress, a_waiter_takes_the_gate_that_is_given_back) {
  expect_success([] {
    static panic_cpu<posix> gate;
    static uint64_t plain = 0;
    in_rounds(
        2, rounds(5'000), [](unsigned) { std::construct_at(&gate); },
        [](cpu_id me, unsigned round) {
          if (me == 0) {
            if (gate.claim(hold::trial).won()) {
              plain = round;
              must(gate.release() == release_outcome::released, "given back");
            }
            return;
          }
          for (;;) {
            const claim_result r = gate.claim(hold::final);
            if (r.won()) break;
            (void)gate.wait_while(r.word);
          }
          plain = round;
        },
        [](unsigned round) { must(plain == round && gate.read().owner() == 1, "the panic has it"); });
  });
}

}  // namespace
}  // namespace gate_stress
