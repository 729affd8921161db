// SPDX-License-Identifier: BSL-1.0
#pragma once
// Small programs by seed, as plain data: what the CPUs and their handlers do, what comes from outside, and how a
// program and its outcomes read. Nothing here knows the checker: axioms.hpp and random_programs_model.cpp each run them.

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>

#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace lastcpu::test {

inline constexpr cpu_id most_cpus = 3;
inline constexpr uint32_t most_words = 3;

enum class verb : uint8_t { load, store, exchange, add, wait, wake, send_irq, send_nmi, irqs_off, irqs_on };

/// Of an instruction only what its verb needs is looked at.
struct instruction {
  verb what;
  uint32_t word;
  order success, failure;
  uint32_t wanted;   // compared with
  uint32_t value;    // stored, added
  uint32_t targets;  // a mask of CPUs
  uint64_t deadline;
  bool noted;  // what it read, or how it waited, is part of the outcome; else it is forgotten
};
using code = std::vector<instruction>;

/// A stop NMI and an injected one run the same handler.
struct program {
  uint64_t seed;
  cpu_id cpus;
  uint32_t words;
  std::array<code, most_cpus> thread;
  code irq, nmi;
  uint32_t nmis, nmi_cpus, spurious;
  bool any_time;  // a deadline may pass at any moment, else only where nobody can go on without

  template <class F>
  void each(F f) const {
    for (const code* c : {&thread[0], &thread[1], &thread[2], &irq, &nmi})
      for (const instruction& i : *c) f(i);
  }
  [[nodiscard]] bool has(verb what) const {
    bool found = false;
    each([&](const instruction& i) { found = found || i.what == what; });
    return found;
  }
};

enum level : uint32_t { in_thread, in_irq, in_nmi, levels };

/// What a CPU noted at a level, four bits for each, behind a first one.
inline void note_down(uint64_t& log, uint64_t value) noexcept {
  log = (log == 0 ? 1 : log) << 4 | (value & 15);
}

struct outcome {
  std::array<uint64_t, most_cpus * levels> log{};
  std::array<uint64_t, most_words> last{};
  uint64_t asleep = 0;  // as a mask: who waits for ever
  auto operator<=>(const outcome&) const = default;
};
using outcomes = std::set<outcome>;

// --- By seed

class generator {
 public:
  explicit generator(uint64_t seed) : seed_(seed), dice_(seed) {}

  /// The next one; what the search can't do in milliseconds is for the caller to throw away.
  [[nodiscard]] program next();

 private:
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(dice_() % n); }
  bool percent(uint32_t n) { return below(100) < n; }
  order any_of(std::initializer_list<order> orders) {
    return orders.begin()[below(static_cast<uint32_t>(orders.size()))];
  }

  verb any_verb();
  instruction any_instruction();
  void mask_irqs_somewhere(code& c);

  uint64_t seed_;
  std::mt19937_64 dice_;
  cpu_id cpus_ = 2;
  uint32_t words_ = 2;
  bool sends_ = false, waits_ = false;
};

inline verb generator::any_verb() {
  const uint32_t dice = below(100);
  if (sends_ && dice < 25) return percent(50) ? verb::send_irq : verb::send_nmi;
  if (waits_ && dice >= 60) return percent(60) ? verb::wait : verb::wake;
  const uint32_t kind = below(10);
  return kind < 4 ? verb::load : kind < 7 ? verb::store : kind < 9 ? verb::exchange : verb::add;
}

inline instruction generator::any_instruction() {
  instruction i{};
  i.what = any_verb();
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

inline program generator::next() {
  program p{};
  p.seed = seed_;
  p.cpus = cpus_ = percent(60) ? 2 : 3;
  p.words = words_ = percent(70) ? 2 : 3;
  sends_ = percent(60);
  waits_ = percent(35);
  p.nmis = percent(30) ? 1 + percent(15) : 0;
  p.nmi_cpus = 1 + below((1u << cpus_) - 1);
  const bool handles = sends_ || p.nmis != 0;
  for (uint32_t left = handles ? 3 + below(4) : 4 + below(5); left != 0; --left)
    p.thread[below(cpus_)].push_back(any_instruction());
  sends_ = percent(15);
  const bool sent[] = {p.has(verb::send_irq), p.has(verb::send_nmi)};
  for (uint32_t left = sent[0] ? 1 + below(2) : 0; left != 0; --left) p.irq.push_back(any_instruction());
  for (uint32_t left = sent[1] || p.nmis != 0 ? 1 + below(2) : 0; left != 0; --left) p.nmi.push_back(any_instruction());
  for (code& c : p.thread)
    if (p.has(verb::send_irq) && percent(40)) mask_irqs_somewhere(c);
  p.spurious = p.has(verb::wait) && percent(20);
  p.any_time = percent(50);
  return p;
}

// --- As text

[[nodiscard]] inline std::string to_text(order o) {
  return o == order::relaxed   ? "relaxed"
         : o == order::acquire ? "acquire"
         : o == order::release ? "release"
                               : "acq_rel";
}

[[nodiscard]] inline std::string to_text(const instruction& i) {
  const std::string word(1, "xyz"[i.word]), wanted = std::to_string(i.wanted), value = std::to_string(i.value);
  const std::string noted = i.noted ? "note " : "", order = to_text(i.success);
  std::string targets, deadline = i.deadline == no_deadline ? "" : ", until " + std::to_string(i.deadline);
  for (cpu_id cpu = 0; cpu < most_cpus; ++cpu)
    if ((i.targets >> cpu & 1) != 0) targets += " " + std::to_string(cpu);
  switch (i.what) {
    case verb::load:
      return noted + word + ".load(" + order + ")";
    case verb::store:
      return word + ".store(" + value + ", " + order + ")";
    case verb::exchange:
      return noted + word + ".compare_exchange(" + wanted + ", " + value + ", " + order + ", " + to_text(i.failure) +
             ")";
    case verb::add:
      return noted + word + ".fetch_add(" + value + ", " + order + ")";
    case verb::wait:
      return noted + "wait_while(" + word + ", " + wanted + deadline + ")";
    case verb::wake:
      return "wake(" + word + ")";
    case verb::send_irq:
      return "send irq to" + targets;
    case verb::send_nmi:
      return "send NMI to" + targets;
    case verb::irqs_off:
      return "irq_save";
    case verb::irqs_on:
      return "irq_restore";
  }
  return "";
}

[[nodiscard]] inline std::string to_text(const program& p) {
  std::string out = "program " + std::to_string(p.seed) + ": " + std::to_string(p.nmis) + " NMIs on the CPUs of mask " +
                    std::to_string(p.nmi_cpus) + ", " + std::to_string(p.spurious) + " spurious, deadlines pass " +
                    (p.any_time ? "at any time\n" : "when stuck\n");
  const auto add = [&out](const std::string& who, const code& c) {
    out += "  " + who + ":";
    for (const instruction& i : c) out += " " + to_text(i) + ";";
    out += "\n";
  };
  for (cpu_id cpu = 0; cpu < p.cpus; ++cpu) add("CPU " + std::to_string(cpu), p.thread[cpu]);
  if (!p.irq.empty()) add("irq", p.irq);
  if (!p.nmi.empty()) add("NMI", p.nmi);
  return out;
}

[[nodiscard]] inline std::string to_text(const outcome& o) {
  static constexpr const char* where[] = {"", " in irq", " in NMI"};
  std::string out =
      "x=" + std::to_string(o.last[0]) + " y=" + std::to_string(o.last[1]) + " z=" + std::to_string(o.last[2]);
  for (uint32_t i = 0; i < o.log.size(); ++i) {
    if (o.log[i] == 0) continue;
    std::string noted;
    for (uint64_t log = o.log[i]; log > 1; log >>= 4) noted = " " + std::to_string(log & 15) + noted;
    out += ", CPU " + std::to_string(i / levels) + where[i % levels] + " notes" + noted;
  }
  for (cpu_id cpu = 0; cpu < most_cpus; ++cpu)
    if ((o.asleep >> cpu & 1) != 0) out += ", CPU " + std::to_string(cpu) + " sleeps";
  return out;
}

}  // namespace lastcpu::test
