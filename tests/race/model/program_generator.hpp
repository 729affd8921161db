// SPDX-License-Identifier: BSL-1.0
#pragma once
// Small programs by seed, the same with every compiler. Half of them around a message that is passed: by chance a release sequence
// is rare.

#include <algorithm>
#include <random>

#include "race/model/random_program.hpp"

namespace lastcpu::test {

class generator {
 public:
  explicit generator(uint64_t seed) : seed_(seed), dice_(seed) {}

  /// The next one. The caller throws away what is too large; a few of one kind follow each other, so that no kind is thrown
  /// away much more often than another.
  [[nodiscard]] program next() {
    if (drawn_++ % 6 == 0) draw_kind();
    return draw();
  }

 private:
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(dice_() % n); }
  bool percent(uint32_t n) { return below(100) < n; }
  order any_of(std::initializer_list<order> orders) {
    return orders.begin()[below(static_cast<uint32_t>(orders.size()))];
  }

  void draw_kind();
  program draw();
  verb any_verb(bool sends);
  instruction any_instruction(bool sends);
  instruction any_of_word(uint32_t word, std::initializer_list<verb> verbs);
  void pass_a_message(program& p);
  void add_somewhere(program& p, const instruction& i) {
    code& c = p.thread[below(cpus_)];
    c.insert(c.begin() + below(static_cast<uint32_t>(c.size()) + 1), i);
  }
  void mask_irqs_somewhere(code& c);

  uint64_t seed_;
  std::mt19937_64 dice_;
  uint32_t drawn_ = 0;
  cpu_id cpus_ = 0;
  uint32_t words_ = 0, nmis_ = 0;
  bool sends_ = false, waits_ = false, message_ = false;
};

inline void generator::draw_kind() {
  cpus_ = percent(60) ? 2 : 3;
  words_ = percent(70) ? 2 : 3;
  sends_ = percent(40);
  waits_ = percent(30);
  nmis_ = percent(30) ? 1 + percent(15) : 0;
  message_ = percent(50);
}

inline verb generator::any_verb(bool sends) {
  const uint32_t dice = below(100);
  if (sends && dice < 25) return percent(50) ? verb::send_irq : verb::send_nmi;
  if (waits_ && dice >= 60) return percent(60) ? verb::wait : verb::wake;
  const uint32_t kind = below(10);
  return kind < 4 ? verb::load : kind < 7 ? verb::store : kind < 9 ? verb::exchange : verb::add;
}

inline instruction generator::any_instruction(bool sends) {
  instruction i{};
  i.what = any_verb(sends);
  i.word = below(words_);
  i.failure = any_of({order::relaxed, order::acquire});
  i.success = i.what == verb::load    ? any_of({order::relaxed, order::acquire})
              : i.what == verb::store ? any_of({order::relaxed, order::release})
                                      : any_of({order::relaxed, order::acquire, order::release, order::acq_rel});
  i.wanted = percent(60) ? 0 : 1 + below(2);
  i.value = 1 + below(i.what == verb::add ? 2 : 3);
  i.targets = 1 + below((1u << cpus_) - 1);
  i.deadline = percent(40) ? no_deadline : 1 + below(2);
  const bool reads = i.what <= verb::wait && i.what != verb::store;
  i.noted = reads && percent(70);
  return i;
}

// To the end, or up to some place before it.
inline void generator::mask_irqs_somewhere(code& c) {
  const auto from = below(static_cast<uint32_t>(c.size()) + 1);
  const auto to = from + below(static_cast<uint32_t>(c.size()) - from + 1);
  instruction i{};
  i.what = verb::irqs_on;
  if (percent(80)) c.insert(c.begin() + to, i);
  i.what = verb::irqs_off;
  c.insert(c.begin() + from, i);
}

inline instruction generator::any_of_word(uint32_t word, std::initializer_list<verb> verbs) {
  instruction i{};
  do i = any_instruction(false);
  while (std::find(verbs.begin(), verbs.end(), i.what) == verbs.end());
  i.word = word;
  return i;
}

// Rare by chance: data and a flag, of three CPUs one that hands the flag on, and one that reads both.
inline void generator::pass_a_message(program& p) {
  const cpu_id first = below(cpus_);
  code& reader = p.thread[(first + cpus_ - 1) % cpus_];
  p.thread[first].push_back(any_of_word(0, {verb::store, verb::add}));
  const instruction flag = any_of_word(1, {verb::store, verb::add, verb::exchange});
  p.thread[first].push_back(flag);
  if (cpus_ == 3) {
    instruction hand_on = any_of_word(1, {verb::store, verb::add, verb::exchange});
    hand_on.wanted = flag.value;
    p.thread[(first + 1) % cpus_].push_back(hand_on);
  }
  reader.push_back(any_of_word(1, {verb::load, verb::add, verb::exchange}));
  reader.push_back(any_of_word(0, {verb::load, verb::exchange}));
  for (instruction& i : reader) i.noted = true;
}

inline program generator::draw() {
  program p{};
  p.seed = seed_;
  p.cpus = cpus_;
  p.words = words_;
  p.nmis = nmis_;
  p.nmi_cpus = 1 + below((1u << cpus_) - 1);
  if (message_) pass_a_message(p);
  const bool handles = sends_ || nmis_ != 0;
  for (uint32_t left = message_ ? below(3) : handles ? 2 + below(4) : 4 + below(5); left != 0; --left)
    add_somewhere(p, any_instruction(sends_));
  instruction send = any_instruction(false);
  send.what = percent(60) ? verb::send_irq : verb::send_nmi;
  if (sends_) add_somewhere(p, send);
  const bool interrupted = p.has(verb::send_irq), stopped = p.has(verb::send_nmi);
  for (uint32_t left = interrupted ? 1 + below(2) : 0; left != 0; --left) p.irq.push_back(any_instruction(percent(15)));
  for (uint32_t left = stopped || nmis_ != 0 ? 1 + below(2) : 0; left != 0; --left)
    p.nmi.push_back(any_instruction(percent(15)));
  for (code& c : p.thread)
    if (interrupted && percent(40)) mask_irqs_somewhere(c);
  p.spurious = p.has(verb::wait) && percent(20);
  p.any_time = percent(50);
  return p;
}

}  // namespace lastcpu::test
