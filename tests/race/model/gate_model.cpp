// SPDX-License-Identifier: BSL-1.0
// Every interleaving of the gate (panic_cpu.hpp): claims, releases, NMIs, and who waits for it.

#include <lastcpu/panic_cpu.hpp>

#include "race/model/expect.hpp"

namespace gate_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::require;

template <cpu_id N>
struct gate_machine : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = model::platform<N>;
  panic_cpu<P> gate;
  uint64_t guarded;  // only who holds the gate touches it

  void use_it() {
    guarded = model::uses(guarded) + 1;  // before another look at the gate: the claim alone has to order it
    require(gate.on_this_cpu(), "promise 1: the holder does not see that it holds the gate");
  }
};

template <cpu_id N>
struct final_claims : gate_machine<N> {
  void run(cpu_id me) override {
    const claim_result mine = this->gate.claim(hold::final);
    if (mine.won()) {
      require(model::note(0)++ == 0, "promise 1: two winners");
      model::note(1) = me;
      this->use_it();
    } else {
      require(mine.outcome == claim_outcome::other, "promise 1: neither won nor lost");
      require(mine.holder() != me && mine.holder() < N, "promise 1: a loser does not know the holder");
      model::note(2) |= 1u << mine.holder();
    }
  }
  void finish(ending, cpu_id) override {
    require(model::note(0) == 1, "promise 1: nobody won");
    require((model::note(2) & ~(1u << model::note(1))) == 0, "promise 1: a loser sees another holder");
  }
};
TEST(gate, of_final_claims_one_wins_and_all_see_the_same_holder) {
  expect_complete<final_claims<2>>("2 CPUs");
  expect_complete<final_claims<3>>("3 CPUs");
  expect_complete<final_claims<4>>("4 CPUs");
}

// What the holder of a trial does is seen by the next one, and it never overlaps.
template <cpu_id N, uint32_t Rounds>
struct trial_holds : gate_machine<N> {
  void run(cpu_id me) override {
    for (uint32_t i = 0; i < Rounds; ++i) {
      const claim_result mine = this->gate.claim(hold::trial);
      if (!mine.won()) continue;
      this->use_it();
      require(this->gate.release() == release_outcome::released, "promise 14: a trial hold is not given back");
      require(this->gate.release() != release_outcome::released || !this->gate.on_this_cpu(), "released twice");
      model::note(me)++;
    }
  }
  void finish(ending, cpu_id) override {
    require(this->gate.read().is_open(), "promise 14: the gate stays shut");
    uint64_t all = 0;
    for (cpu_id cpu = 0; cpu < N; ++cpu) all += model::note(cpu);
    require(this->guarded == all, "promise 1: two holders at once");
  }
};
TEST(gate, trial_hold_guards_data) {
  expect_complete<trial_holds<2, 2>>("2 CPUs, twice each");
  expect_complete<trial_holds<3, 2>>("3 CPUs, twice each");
  expect_complete<trial_holds<4, 1>>("4 CPUs, once each");
}

// The gate is given back under a panic that lost it: the panic takes it.
template <cpu_id N>
struct released_under_waiter : gate_machine<N> {
  void run(cpu_id me) override {
    if (me == 0) {
      if (!this->gate.claim(hold::trial).won()) return;
      this->use_it();
      (void)this->gate.release();
      return;
    }
    for (;;) {
      const claim_result mine = this->gate.claim(hold::final);
      if (mine.won()) break;
      if (mine.phase() != phase::trial) return;  // another panic has it for good
      (void)this->gate.wait_while(mine.word);
    }
    this->use_it();
    model::note(0)++;
  }
  void finish(ending, cpu_id) override {
    require(model::note(0) == 1, "promise 2: no panic, or two, came to hold the gate");
  }
};
TEST(gate, released_gate_is_taken_by_a_waiter) {
  expect_complete<released_under_waiter<2>>("2 CPUs");
  expect_complete<released_under_waiter<3>>("3 CPUs");
  expect_complete<released_under_waiter<4>>("4 CPUs");
  expect_complete<released_under_waiter<3>>("3 CPUs, 1 spurious wake-up", {.spurious = 1});
}

// NMIs panic at any moment, on the holder and elsewhere.
template <cpu_id N>
struct nmi_panics : gate_machine<N> {
  void run(cpu_id me) override {
    if (!this->gate.claim(hold::trial).won()) return;
    this->use_it();
    const release_outcome out = this->gate.release();
    if (out == release_outcome::panic_pending) {
      const gate_word mine = this->gate.read();
      require(mine.phase() == phase::panicking && !mine.pending(),
              "promise 2: a pending panic holds the gate on trial");
      take_over();
    }
    require(out != release_outcome::not_mine || me >= N, "promise 1: the holder is told that it is not");
  }
  void nmi(cpu_id me, model::interrupt) override {
    const claim_result mine = this->gate.claim_from_nmi();
    if (mine.won()) return take_over();
    if (mine.outcome == claim_outcome::mine_already) {
      require(mine.holder() == me, "promise 4: mine, and another CPU holds it");
      model::note(1) = 1;
    } else if (mine.phase() == phase::trial) {
      model::note(2) = 1;  // it would wait: released_under_waiter
    }
  }
  void take_over() {
    require(model::note(0)++ == 0, "promise 1: two panics hold the gate");
    this->use_it();
  }
  void finish(ending, cpu_id) override {
    require(model::note(1) == 0 || model::note(0) == 1, "promise 2: a pending panic was lost");
  }
};
TEST(gate, nmi_panic_on_the_holder_is_pending_or_wins) {
  expect_complete<nmi_panics<1>>("1 CPU, 1 NMI", {.nmis = 1});
  expect_complete<nmi_panics<2>>("2 CPUs, 2 NMIs", {.nmis = 2});
  expect_complete<nmi_panics<2>>("2 CPUs, 3 NMIs", {.nmis = 3});
  expect_complete<nmi_panics<3>>("3 CPUs, 2 NMIs", {.nmis = 2});
  expect_complete<nmi_panics<3>>("3 CPUs, 3 NMIs", {.nmis = 3});
  expect_complete<nmi_panics<4>>("4 CPUs, 1 NMI", {.nmis = 1});
}

// A loser may learn of the commit by the exchange that fails, without another look at the gate.
template <bool FromNmi>
struct loser_of_a_commit : gate_machine<3> {
  uint64_t prepared;
  void run(cpu_id me) override {
    const claim_result mine = me != 0 && FromNmi ? gate.claim_from_nmi() : gate.claim(hold::final);
    if (me != 0) {
      if (!mine.won() && mine.word.is_committed() && mine.holder() == 0)
        require(model::uses(prepared) == 1, "promise 5: a loser sees the commit, and not what was prepared before it");
      return;
    }
    if (!mine.won()) return;
    prepared = 1;
    (void)gate.commit();
  }
};
TEST(gate, loser_that_learns_of_the_commit_by_its_claim_sees_what_was_prepared) {
  expect_complete<loser_of_a_commit<false>>("3 CPUs");
  expect_complete<loser_of_a_commit<true>>("3 CPUs, claims of an NMI handler");
}

// The next holder may learn that the gate is open by an exchange that fails: between its look and that exchange the gate
// was taken and given back.
struct reopened : gate_machine<2> {
  void run(cpu_id me) override {
    for (uint32_t i = 0; i < 2; ++i) {
      const claim_result mine = me == 0 ? gate.claim(hold::trial) : gate.claim_from_nmi();
      if (!mine.won()) continue;
      use_it();
      if (me != 0) return;
      (void)gate.release();
    }
  }
};
TEST(gate, claim_that_fails_and_then_wins_sees_what_the_last_holder_did) {
  expect_complete<reopened>("2 CPUs");
}

// Each step once, in order, whoever asks; and what a committed owner prepared is seen by those it stops.
struct steps_and_commit : gate_machine<2> {
  uint64_t prepared;
  void run(cpu_id me) override {
    if (me == 1) {
      if (gate.read().is_committed()) require(model::uses(prepared) == 1, "promise 5: stopped before it was prepared");
      require(!gate.commit() && gate.begin_step(1) == step_outcome::not_mine,
              "promise 3: a CPU that does not hold the gate commits");
      return;
    }
    require(gate.claim(hold::final).won(), "nobody else claims");
    (void)gate.begin_step(1);
    prepared = 1;
    (void)gate.begin_step(2, phase::dumping);
    require(gate.begin_step(1) == step_outcome::begun_before && gate.begin_step(2) == step_outcome::begun_before,
            "promise 7: a step runs twice");
    require(gate.commit(), "the holder commits again");
  }
  void nmi(cpu_id me, model::interrupt) override {
    if (me == 0) (void)gate.begin_step(1);
  }
};
TEST(gate, steps_run_once_and_the_commit_publishes) {
  expect_complete<steps_and_commit>("2 CPUs");
  expect_complete<steps_and_commit>("2 CPUs, 2 NMIs on the owner", {.nmis = 2, .nmi_cpus = 1});
}

}  // namespace
}  // namespace gate_model
