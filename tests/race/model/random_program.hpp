// SPDX-License-Identifier: BSL-1.0
#pragma once
// A small program as plain data: what the CPUs and their handlers do, and what comes from outside. And its outcomes; both as
// text. Nothing here knows the checker: allowed_outcomes.hpp and random_programs_model.cpp each run it.

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>

#include <array>
#include <compare>
#include <cstdint>
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
