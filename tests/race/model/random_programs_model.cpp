// SPDX-License-Identifier: BSL-1.0
// Is the checker right? Random small programs, each run three times: by the reduced search, in every order one by one,
// and by the axioms of C++20 (allowed_outcomes.hpp). All three must find the same outcomes. All programs are compared with
// the axioms, those with waits, deadlines and interrupts too; none with the reduced search and every order alone.
//
//   random_programs_model [--programs N] [--seed S]    other programs, or more of them
//   random_programs_model --replay PROGRAM             one, with every outcome and who finds it

#include <lastcpu/model/explore.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "race/model/allowed_outcomes.hpp"
#include "race/model/program_generator.hpp"

namespace {

using namespace lastcpu;
using namespace lastcpu::test;

// --- A program in the model

const program* subject = nullptr;
outcomes found;

template <cpu_id N>
struct interpreter : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = model::platform<N>;
  typename P::template atomic<uint32_t> word[most_words];

  // Made anew for each pass: what random walks and a pass that learned something have found does not count.
  interpreter() { found.clear(); }

  void run(cpu_id me) override { interpret(subject->thread[me], me, in_thread); }
  void irq(cpu_id me) override { interpret(subject->irq, me, in_irq); }
  void nmi(cpu_id me, model::interrupt) override { interpret(subject->nmi, me, in_nmi); }
  bool may_sleep() const override { return true; }

  void interpret(const code& c, cpu_id me, level l) {
    for (const instruction& i : c) {
      const uint32_t value = act_on(i);
      if (i.noted) note_down(model::note(me * levels + l), value);
    }
  }
  uint32_t act_on(const instruction& i) {
    auto& w = word[i.word];
    uint32_t expected = i.wanted;
    switch (i.what) {
      case verb::load:
        return w.load(i.success);
      case verb::exchange:
        (void)w.compare_exchange(expected, i.value, i.success, i.failure);
        return expected;
      case verb::add:
        return w.fetch_add(i.value, i.success);
      case verb::wait:
        return P::wait_while(w, i.wanted, i.deadline);
      case verb::store:
        w.store(i.value, i.success);
        break;
      case verb::wake:
        P::wake(w);
        break;
      case verb::send_irq:
        send(i.targets, stop_how::irq);
        break;
      case verb::send_nmi:
        send(i.targets, stop_how::nmi);
        break;
      case verb::irqs_off:
        (void)P::irq_save();
        break;
      case verb::irqs_on:
        P::irq_restore(1);
        break;
    }
    return 0;
  }
  void send(uint32_t targets, stop_how how) {
    cpu_set<N> to;
    for (cpu_id cpu = 0; cpu < N; ++cpu)
      if ((targets >> cpu & 1) != 0) to.add(cpu);
    P::send_stop(to, how);
  }
  void finish(model::ending, cpu_id) override {
    outcome o;
    for (uint32_t i = 0; i < o.log.size(); ++i) o.log[i] = model::note(i);
    for (uint32_t w = 0; w < most_words; ++w) o.last[w] = word[w].load(order::relaxed);
    for (cpu_id cpu = 0; cpu < N; ++cpu) o.asleep |= uint64_t{model::state_of(cpu).asleep} << cpu;
    found.insert(o);
  }
};

outcomes explore(const program& p, bool reduce, model::result& r) {
  const model::options o{.nmis = p.nmis,
                         .nmi_cpus = p.nmi_cpus,
                         .spurious = p.spurious,
                         .time = p.any_time ? model::deadlines::any_time : model::deadlines::when_stuck,
                         .reduce = reduce,
                         .shorten = false};
  subject = &p;
  r = p.cpus == 2 ? model::explore<interpreter<2>>(o) : model::explore<interpreter<3>>(o);
  return found;
}

// --- Many programs

uint64_t programs = 6'000, seed = 1;  // of the tests
constexpr uint64_t most_executions = 1'000;

/// Of one seed: a program that can be run in every order in milliseconds, and whose CPUs can be told apart by their order.
program small_program(uint64_t of, outcomes& allowed) {
  for (generator g(of);;) {
    const program p = g.next();
    const allowed_outcomes a(p, most_executions);
    allowed = a.all();
    if (a.complete() && allowed.size() > 1) return p;
  }
}

std::string only_in(const char* who, const outcomes& a, const outcomes& b) {
  std::string out;
  for (const outcome& o : a)
    if (!b.contains(o)) out += std::string("  only in ") + who + ": " + to_text(o) + "\n";
  return out;
}

/// What there is among the programs, and what came of them.
struct tally {
  uint64_t programs = 0, outcomes = 0, states = 0, runs = 0;
  uint64_t nmis = 0, irqs = 0, masked = 0, waits = 0, deadlines = 0, exchanges = 0, sequences = 0;
  void count(const program& p);
  void print(double seconds) const;
};

void tally::count(const program& p) {
  bool deadline = false, exchange = false, sequence = false;
  p.each([&](const instruction& i) {
    const bool exchanges_two = i.what == verb::exchange && i.failure != i.success;
    deadline = deadline || (i.what == verb::wait && i.deadline != no_deadline);
    exchange = exchange || exchanges_two;
    sequence = sequence || i.what == verb::add || i.what == verb::exchange;
  });
  bool release = false;
  p.each([&](const instruction& i) { release = release || (i.what == verb::store && i.success == order::release); });
  ++programs;
  nmis += p.nmis != 0 || p.has(verb::send_nmi);
  irqs += p.has(verb::send_irq);
  masked += p.has(verb::irqs_off);
  waits += p.has(verb::wait);
  deadlines += deadline;
  exchanges += exchange;
  sequences += sequence && release;
}

void tally::print(double seconds) const {
  const auto n = [](uint64_t of) { return static_cast<unsigned long long>(of); };
  printf(
      "  %llu programs, all compared with the axioms: %llu with NMIs, %llu with irqs (%llu turn them off), %llu with"
      " waits (%llu with a deadline), %llu with exchanges of two orders, %llu with release sequences; %llu outcomes;"
      " %llu runs in every order, %llu states reduced; %.1f s\n",
      n(programs), n(nmis), n(irqs), n(masked), n(waits), n(deadlines), n(exchanges), n(sequences), n(outcomes),
      n(runs), n(states), seconds);
}

/// The first difference as text, or nothing.
std::string compare(uint64_t of, tally& t) {
  outcomes allowed;
  const program p = small_program(of, allowed);
  model::result reduced, unreduced;
  const outcomes some = explore(p, true, reduced), all = explore(p, false, unreduced);
  t.count(p);
  t.outcomes += allowed.size();
  t.states += reduced.states;
  t.runs += unreduced.runs;
  if (!reduced.complete || !unreduced.complete) return to_text(p) + reduced.failure + unreduced.failure;
  const std::string out = only_in("the reduced search", some, all) + only_in("every order, not reduced", all, some) +
                          only_in("every order, not by the axioms", all, allowed) + only_in("the axioms", allowed, all);
  return out.empty() ? out : to_text(p) + out;
}

TEST(random_programs, have_the_outcomes_of_the_axioms_in_the_reduced_search_and_in_every_order) {
  const auto begun = std::chrono::steady_clock::now();
  tally t;
  std::string difference;
  while (t.programs < programs && difference.empty()) difference = compare((seed << 32) + t.programs, t);
  t.print(std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  EXPECT_TRUE(difference.empty()) << difference;
}

TEST(random_programs, are_of_every_kind) {
  tally t;
  outcomes allowed;
  while (t.programs < 400) t.count(small_program((seed << 32) + t.programs, allowed));
  for (const uint64_t of_a_kind : {t.nmis, t.irqs, t.masked, t.waits, t.deadlines, t.exchanges, t.sequences})
    EXPECT_GE(of_a_kind * 20, t.programs);
}

int replay(uint64_t of) {
  outcomes allowed;
  const program p = small_program(of, allowed);
  model::result r;
  const outcomes some = explore(p, true, r), all = explore(p, false, r);
  printf("%s", to_text(p).c_str());
  outcomes any = allowed;
  any.insert(some.begin(), some.end());
  any.insert(all.begin(), all.end());
  for (const outcome& o : any)
    printf("  %s %s %s  %s\n", some.contains(o) ? "reduced" : "-------",
           all.contains(o) ? "every order" : "-----------", allowed.contains(o) ? "axioms" : "------",
           to_text(o).c_str());
  return some == all && all == allowed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--replay") == 0) return replay(value);
    if (std::strcmp(argv[i], "--programs") == 0) programs = value;
    if (std::strcmp(argv[i], "--seed") == 0) seed = value;
  }
  return RUN_ALL_TESTS();
}
