// SPDX-License-Identifier: BSL-1.0
// Every interleaving of stopping the others (stop_cpus.hpp, self_stop.hpp) on a gate.

#include <lastcpu/self_stop.hpp>

#include "race/model/expect.hpp"

namespace stop_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::interrupt;
using model::require;
using model::state_of;

template <cpu_id N>
struct stop_machine : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = model::platform<N>;
  using registers = typename P::registers;
  using report = typename stop_cpus<P>::report_type;
  static constexpr rung nmi_only[] = {{stop_how::nmi, 1000}};
  static constexpr rung both[] = {{stop_how::irq, 1000}, {stop_how::nmi, 1000}};

  panic_cpu<P> gate;
  stop_cpus<P> others;

  void nmi(cpu_id me, interrupt) override { stop_if_asked(me, stop_state::by_nmi); }
  void irq(cpu_id me) override { stop_if_asked(me, stop_state::by_irq); }
  void stop_if_asked(cpu_id me, stop_state how) {
    const gate_word seen = gate.read();
    if (!seen.is_committed() || seen.owner() == me) return;
    stop_for_good(others, registers{me + 10}, how);
  }
  bool claim_and_commit() {
    if (!gate.claim(hold::final).won()) return false;
    require(others.stop_others(gate, nmi_only).status() == stop_status::not_the_arbiter,
            "promise 9: stopped too early");
    require(gate.commit(), "the owner can't commit");
    return true;
  }
  /// What a report may say of a CPU that the owner has stopped.
  void check(const report& r, cpu_id me) {
    for (cpu_id cpu = 0; cpu < N; ++cpu) {
      const stop_state state = r.state(cpu);
      if (cpu == me || state == stop_state::silent || state == stop_state::gone || state == stop_state::absent)
        continue;
      require(others.acknowledged(cpu), "promise 5: named stopped, and has not said so");
      const registers* regs = others.registers_of(cpu);
      require(regs != nullptr && model::uses(*regs).pc % 10 == cpu, "promise 8: registers are missing");
    }
  }
};

// Idle CPUs answer an NMI, and an ordinary interrupt before that.
template <cpu_id N, bool Both>
struct idle_ones : stop_machine<N> {
  void run(cpu_id me) override {
    if (me != 0) return;
    (void)this->claim_and_commit();
    const auto r = Both ? this->others.stop_others(this->gate, stop_machine<N>::both)
                        : this->others.stop_others(this->gate, stop_machine<N>::nmi_only);
    require(r.status() == stop_status::stopped, "promise 5: a CPU that answers is named silent");
    require(model::state_of(0).clock == 0, "promise 6: everybody answers, and the owner waits until its deadline");
    this->check(r, me);
    const auto again = this->others.stop_others(this->gate, stop_machine<N>::nmi_only);
    for (cpu_id cpu = 0; cpu < N; ++cpu)
      require(again.state(cpu) == r.state(cpu), "promise 9: the second report differs");
    require(model::note(0) == 1, "promise 9: asked twice");
    P::jump({1});
  }
  using P = typename stop_machine<N>::P;
  void on_trace(const trace_event& e) override {
    if (e.kind == trace_kind::stop_sent && e.value == 1) ++model::note(0);
  }
};
TEST(stop, idle_cpus_answer) {
  expect_complete<idle_ones<2, false>>("2 CPUs, nmi");
  expect_complete<idle_ones<3, false>>("3 CPUs, nmi");
  expect_complete<idle_ones<4, false>>("4 CPUs, nmi");
  expect_complete<idle_ones<3, true>>("3 CPUs, irq then nmi");
  expect_complete<idle_ones<4, true>>("4 CPUs, irq then nmi");
  expect_complete<idle_ones<3, false>>("3 CPUs, nmi, 1 spurious wake-up", {.spurious = 1});
}

// One keeps interrupts off: the first way of asking does not reach it, the second one does.
struct masked : stop_machine<3> {
  P::atomic<uint32_t> off;
  void run(cpu_id me) override {
    if (me == 1) {
      (void)P::irq_save();
      off.store(1, order::release);
      P::wake(off);
    }
    if (me != 0) return;
    while (off.load(order::acquire) == 0) (void)P::wait_while(off, 0u, no_deadline);
    (void)claim_and_commit();
    const report r = others.stop_others(gate, both);
    require(r.status() == stop_status::stopped, "promise 5: a CPU that answers is named silent");
    require(r.state(1) == stop_state::by_nmi, "a CPU with interrupts off is not stopped by an NMI");
    require(r.state(2) == stop_state::by_irq, "a CPU that answers the first request gets another one");
    check(r, me);
    P::jump({1});
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 6: the owner waits for ever"); }
};
TEST(stop, cpu_with_interrupts_off_is_reached_by_the_next_rung) {
  expect_complete<masked>("3 CPUs, irq then nmi, 1 masked");
}

// The deadline may pass at any moment: late answers are silent or stopped, never half of both.
template <cpu_id N>
struct late : stop_machine<N> {
  void run(cpu_id me) override {
    if (me != 0) return;
    (void)this->claim_and_commit();
    const auto r = this->others.stop_others(this->gate, stop_machine<N>::both);
    this->check(r, me);
    const auto again = this->others.stop_others(this->gate, stop_machine<N>::both);
    for (cpu_id cpu = 0; cpu < N; ++cpu) require(again.state(cpu) == r.state(cpu), "promise 9: the report changes");
    stop_machine<N>::P::jump({1});
  }
};
TEST(late_ack, changes_no_report) {
  expect_complete<late<2>>("2 CPUs", {.time = model::deadlines::any_time});
  expect_complete<late<3>>("3 CPUs", {.time = model::deadlines::any_time});
}

// One answers nobody, ever.
struct wedged : stop_machine<3> {
  void run(cpu_id me) override {
    if (me == 1) model::wedge();
    if (me != 0) return;
    (void)claim_and_commit();
    const report r = others.stop_others(gate, both);
    require(r.status() == stop_status::some_silent && r.state(1) == stop_state::silent, "promise 5: it is not named");
    require(r.state(2) != stop_state::silent, "promise 5: a CPU that answers is named silent");
    P::jump({1});
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 6: the owner waits for ever"); }
};
TEST(stop, silent_cpu_is_named_and_costs_its_budget) {
  expect_complete<wedged>("3 CPUs, 1 wedged");
}

// One leaves the machine, at any moment: it is gone, or answers, or was never there.
template <cpu_id N>
struct leaving : stop_machine<N> {
  void run(cpu_id me) override {
    if (me == N - 1) model::set_online(false);
    if (me != 0) return;
    (void)this->claim_and_commit();
    const auto r = this->others.stop_others(this->gate, stop_machine<N>::both);
    require(r.status() == stop_status::stopped, "a CPU that has left is called silent");
    this->check(r, me);
    stop_machine<N>::P::jump({1});
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 6: the owner waits for ever"); }
};
TEST(stop, cpu_that_leaves_is_not_called_silent) {
  expect_complete<leaving<2>>("2 CPUs");
  expect_complete<leaving<3>>("3 CPUs");
  expect_complete<leaving<4>>("4 CPUs");
}

// One has left before the others are stopped: it is asked nothing and costs no time.
struct has_left : stop_machine<3> {
  P::atomic<uint32_t> left;
  void run(cpu_id me) override {
    if (me == 1) {
      model::set_online(false);
      left.store(1, order::release);
      P::wake(left);
    }
    if (me != 0) return;
    while (left.load(order::acquire) == 0) (void)P::wait_while(left, 0u, no_deadline);
    (void)claim_and_commit();
    const report r = others.stop_others(gate, both);
    require(r.state(1) == stop_state::absent && r.status() == stop_status::stopped,
            "a CPU that has left is waited for");
    require(state_of(0).clock == 0, "promise 6: everybody answers, and the owner waits until its deadline");
    P::jump({1});
  }
  void on_trace(const trace_event& e) override {
    require(e.kind != trace_kind::stop_sent || e.value != 1, "a CPU that has left is asked to stop");
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 6: the owner waits for ever"); }
};
TEST(stop, cpu_that_has_left_is_gone_at_once) {
  expect_complete<has_left>("3 CPUs, 1 has left");
}

// One leaves when it has been asked, and the owner knows that it has left: no time is spent on it.
struct leaving_port : model::platform<2> {
  static void send_stop(const cpu_set<2>& cpus, stop_how how) noexcept;
};
struct leaves_when_asked : model::scenario {
  static constexpr cpu_id cpus = 2;
  using P = leaving_port;
  static constexpr rung one[] = {{stop_how::nmi, 1000}};
  panic_cpu<P> gate;
  stop_cpus<P> others;
  P::atomic<uint32_t> asked, left;

  void run(cpu_id me) override {
    if (me == 1) {
      while (asked.load(order::acquire) == 0) (void)P::wait_while(asked, 0u, no_deadline);
      model::set_online(false);
      left.store(1, order::release);
      P::wake(left);
      return;
    }
    require(gate.claim(hold::final).won() && gate.commit(), "nobody else claims");
    const auto r = others.stop_others(gate, one);
    require(r.state(1) == stop_state::gone && r.status() == stop_status::stopped, "a CPU that has left is silent");
    require(state_of(0).clock == 0, "promise 6: the owner waits for a CPU that has left");
    P::jump({1});
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 6: the owner waits for ever"); }
};
void leaving_port::send_stop(const cpu_set<2>&, stop_how) noexcept {
  auto& s = model::current<leaves_when_asked>();
  s.asked.store(1, order::release);
  wake(s.asked);
  while (s.left.load(order::acquire) == 0) (void)wait_while(s.left, 0u, no_deadline);
}
TEST(stop, cpu_that_left_when_it_was_asked_is_not_waited_for) {
  expect_complete<leaves_when_asked>("2 CPUs");
}

// One comes back while the others are stopped, and asks at once whether it is to stop (docs/port.md).
struct returning : stop_machine<2> {
  void run(cpu_id me) override {
    if (me == 1) {
      model::set_online(false);
      model::set_online(true);
      (void)P::irq_save();
      stop_if_asked(me, stop_state::by_irq);
      return;
    }
    (void)claim_and_commit();
    const report r = others.stop_others(gate, both);
    check(r, me);
    model::note(0) = r.state(1) == stop_state::absent || r.state(1) == stop_state::gone;
  }
  void finish(ending, cpu_id) override {
    require(model::note(0) == 0 || state_of(1).parked, "promise 5: a CPU came back unseen, and runs on");
  }
};
TEST(stop, cpu_that_comes_back_stops_itself) {
  expect_bounded<returning>("2 CPUs, no stale reads", {.stale = 0});
}
// Acquire and release alone let both miss: the one the commit, the other that somebody is there.
TEST(stop, cpu_that_comes_back_without_a_fence_is_caught) {
  expect_caught<returning>("2 CPUs", "came back unseen");
}

// Two want to stop everybody, and one of them twice.
template <cpu_id N>
struct two_arbiters : stop_machine<N> {
  using P = typename stop_machine<N>::P;
  void run(cpu_id me) override {
    if (me > 1) return;
    const auto refused = this->others.stop_others(this->gate, stop_machine<N>::nmi_only);
    require(refused.status() == stop_status::not_the_arbiter, "promise 9: who has not committed stops the others");
    (void)P::irq_save();
    if (!this->claim_and_commit()) {
      const registers r{me + 10};
      wait_for_gate(this->gate, this->others, &r);
      require(false, "promise 1: a gate that was never given back is won");
    }
    const auto first = this->others.stop_others(this->gate, stop_machine<N>::nmi_only);
    require(first.status() == stop_status::stopped, "promise 5: a CPU that answers is named silent");
    require(model::state_of(me).clock == 0, "promise 6: everybody answers, and the owner waits until its deadline");
    this->check(first, me);
    P::jump({1});
  }
  using registers = typename P::registers;
  void on_trace(const trace_event& e) override {
    if (e.kind == trace_kind::stop_sent) require(e.cpu == this->gate.read().owner(), "promise 3: a loser sends a stop");
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 2: nobody finishes the job"); }
};
TEST(concurrent_stop, one_arbiter_stops_the_other) {
  expect_complete<two_arbiters<2>>("2 CPUs");
  expect_complete<two_arbiters<3>>("3 CPUs");
  expect_bounded<two_arbiters<4>>("4 CPUs, 2 switches", {.stale = 0, .switches = 2});
}

// What went wrong: the stop NMI came between the store of an answer and the wake for it, and parked for good there.
TEST(regression, stop_nmi_between_an_answer_and_its_wake_leaves_the_owner_waiting) {
  expect_complete<two_arbiters<2>>("2 CPUs");
}

// The same with an NMI panic of that CPU's own, which parks as a loser.
struct loses_again_in_nmi : two_arbiters<2> {
  void nmi(cpu_id me, interrupt which) override {
    if (which != interrupt::injected_nmi) return two_arbiters<2>::nmi(me, which);
    const registers r{me + 10};
    if (gate.on_other_cpu()) wait_for_gate(gate, others, &r);
  }
};
TEST(regression, nmi_panic_between_an_answer_and_its_wake_leaves_the_owner_waiting) {
  expect_complete<loses_again_in_nmi>("2 CPUs, 1 NMI", {.nmis = 1, .nmi_cpus = 2});
}

// A loser sleeps until the commit, and then parks for good: its hook has run.
struct parked_for_good : stop_machine<2> {
  void run(cpu_id me) override {
    (void)P::irq_save();
    const registers r{me + 10};
    if (gate.claim(hold::final).won()) {
      (void)gate.commit();
      return;
    }
    wait_for_gate(gate, others, &r);
  }
  void finish(ending, cpu_id) override {
    require(state_of(0).parked != state_of(1).parked, "promise 3: a loser is not parked for good");
  }
};
TEST(wait_for_gate, parks_for_good_once_another_cpu_has_committed) {
  expect_complete<parked_for_good>("2 CPUs");
}

// An owner that never commits: the loser sleeps, and looks at the gate no more.
struct never_committed : stop_machine<2> {
  bool may_sleep() const override { return true; }
  void run(cpu_id me) override {
    const registers r{me + 10};
    if (!gate.claim(hold::final).won()) wait_for_gate(gate, others, &r);
  }
};
TEST(wait_for_gate, sleeps_while_another_cpu_holds_the_gate) {
  expect_complete<never_committed>("2 CPUs", {.livelock = true});
}

// A loser of a trial waits, wins, and withdraws its answer before anything else.
template <cpu_id N>
struct resumed : stop_machine<N> {
  using P = typename stop_machine<N>::P;
  void run(cpu_id me) override {
    (void)P::irq_save();
    const typename P::registers r{me + 10};
    if (me == 0) {
      if (this->gate.claim(hold::trial).won()) (void)this->gate.release();
      return;
    }
    if (!this->gate.claim(hold::final).won()) wait_for_gate(this->gate, this->others, &r);
    this->others.withdraw(me);
    require(model::note(0)++ == 0, "promise 1: two winners");
    require(this->gate.commit(), "the owner can't commit");
    const auto answers = this->others.stop_others(this->gate, stop_machine<N>::nmi_only);
    require(answers.state(me) == stop_state::running, "promise 3: the owner counts as stopped");
    this->check(answers, me);
    P::jump({1});
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 2: a panic was lost"); }
};
TEST(released_under_waiter, parked_loser_goes_on) {
  expect_complete<resumed<2>>("2 CPUs");
  expect_complete<resumed<3>>("3 CPUs");
}

// A handler takes the loser's answer back: it had the gate for a moment. Nobody is asked by NMI, so that nothing but the
// answer tells the owner that this CPU has stopped.
struct answer_taken_back : stop_machine<2> {
  static constexpr rung irq_only[] = {{stop_how::irq, 1000}};
  void run(cpu_id me) override {
    (void)P::irq_save();
    if (me == 0 && gate.claim(hold::trial).won()) (void)gate.release();
    if (!gate.claim(hold::final).won()) {
      const registers r{me + 10};
      wait_for_gate(gate, others, &r);
      others.withdraw(me);
    }
    require(gate.commit(), "the owner can't commit");
    require(others.stop_others(gate, irq_only).status() == stop_status::stopped,
            "promise 3: a loser has parked and does not count as stopped");
    P::jump({1});
  }
  void nmi(cpu_id me, interrupt) override {
    if (!gate.claim(hold::trial).won()) return;
    others.withdraw(me);
    (void)gate.release();
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 2: nobody finishes the job"); }
};
TEST(wait_for_gate, gives_an_answer_again_that_was_taken_back) {
  expect_complete<answer_taken_back>("2 CPUs, 1 NMI on the loser", {.nmis = 1, .nmi_cpus = 2});
}

// A stray NMI where nobody has committed, or on the owner, changes nothing.
struct stray : stop_machine<2> {
  void run(cpu_id me) override {
    if (me != 0) return;
    (void)claim_and_commit();
    check(others.stop_others(gate, nmi_only), me);
    P::jump({1});
  }
};
TEST(stray_ack, nmi_of_nobody_stops_nobody_too_early) {
  expect_complete<stray>("2 CPUs, 1 NMI", {.nmis = 1});
  expect_complete<stray>("2 CPUs, 2 NMIs", {.nmis = 2});
  expect_complete<stray>("2 CPUs, 3 NMIs", {.nmis = 3});
}

}  // namespace
}  // namespace stop_model
