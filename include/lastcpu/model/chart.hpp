// SPDX-License-Identifier: BSL-1.0
#pragma once
// A recorded run as a sequence chart: a lane for each CPU, time goes down; as text and as SVG.

#include <lastcpu/model/machine.hpp>

#include <algorithm>
#include <utility>

namespace lastcpu::model {

inline std::string machine::name_of(const void* address) const {
  const std::string out = scenario.name(address);
  const auto offset = static_cast<const unsigned char*>(address) - scenario.object;
  return out.empty() ? text_of("[%tx]", offset) : out;
}

inline void machine::trace(const trace_event& e) {
  static constexpr const char* texts[] = {"wins the gate",
                                          "loses the gate",
                                          "leaves a panic pending",
                                          "has released the gate",
                                          "takes the pending panic",
                                          "has committed",
                                          "begins step",
                                          "asks CPU",
                                          "answers",
                                          "withdraws its answer",
                                          "goes down"};
  if (recording && on_fiber()) {
    const bool number = e.kind == trace_kind::step_begun || e.kind == trace_kind::stop_sent;
    record(texts[static_cast<uint32_t>(e.kind)] + (number ? text_of(" %u", e.value) : ""));
  }
  const cpu_id was = std::exchange(current_, no_cpu);  // what the scenario looks at meanwhile is no operation
  const cpu_id by = std::exchange(now.ended_by, was);  // but this_cpu() is who it was
  scenario.trace(e);
  now.ended_by = by;
  current_ = was;
  if (!failure.empty()) fail(failure);
}

// What an operation did, behind it; `from` is the store that it read.
inline void machine::describe(cpu_id cpu, const operation& o, uint16_t from) {
  const cpu_state& c = now.cpu[cpu];
  const unsigned char* address = o.what <= act::wake ? scenario.object + size_t{slot_of_word_[o.word]} * 4 : nullptr;
  const std::string word = address != nullptr ? name_of(address) : "";
  const auto text = [&](uint64_t v) {
    const std::string out = scenario.value(address, v);
    return out.empty() ? text_of(v < 10 ? "%lu" : "0x%lx", static_cast<unsigned long>(v)) : out;
  };
  const uint16_t source = from != no_store ? now.mem.store[from].event : no_store;
  const std::string old = from != no_store && from != now.mem.word[o.word].last ? ", stale" : "";
  switch (o.what) {
    case act::load:
      return record_for(cpu, word + " is " + text(c.result) + old, source);
    case act::store:
      return record_for(cpu, word + " := " + text(o.desired), no_store, true);
    case act::exchange:
      if (!c.done) return record_for(cpu, word + " stays " + text(c.result) + old, source);
      return record_for(cpu, word + ": " + text(c.result) + " -> " + text(o.desired), source, true);
    case act::add:
      return record_for(cpu, word + ": " + text(c.result) + " + " + text(o.desired), source, true);
    case act::arm:
      return record_for(cpu, c.result == o.wanted ? "sleeps on " + word + old : "need not sleep on " + word, source);
    case act::sleep:
      return record_for(cpu, "is woken");
    case act::wake:
      return record_for(cpu, "wakes who sleeps on " + word);
    case act::send:
      return record_for(cpu, o.desired != 0 ? "sends NMIs" : "sends interrupts", no_store, true);
    case act::choose:
      return record_for(cpu, text_of("chooses %u", static_cast<uint32_t>(c.result)));
    case act::finish:
      static constexpr const char* ends[] = {"", "JUMPS", "RESTARTS", "HALTS"};
      return record_for(cpu, ends[o.desired]);
    case act::idle:
      break;
  }
}

[[nodiscard]] inline std::string chart_text(const machine& m) {
  constexpr int lane = 46;
  std::string out = "    #  ";
  for (cpu_id cpu = 0; cpu < m.scenario.cpus; ++cpu) out += text_of("CPU %-*u", lane - 4, cpu);
  for (size_t i = 0; i < m.events.size(); ++i) {
    const event& e = m.events[i];
    const char* mark = e.level == context::nmi ? "! " : e.level == context::irq ? "~ " : "";
    out += text_of("\n%5zu  %*s%s%s", i + 1, lane * static_cast<int>(e.cpu), "", mark, e.text.c_str());
    if (e.from < i) out += text_of(" (%d)", e.from + 1);
  }
  return out + (m.failure.empty() ? "" : "\n=> " + m.failure) + "\n";
}

[[nodiscard]] inline std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

[[nodiscard]] inline std::string chart_svg(const machine& m) {
  const auto x = [](cpu_id cpu) { return 30 + static_cast<int>(cpu) * 330; };
  const auto y = [](size_t event) { return 72 + static_cast<int>(event) * 18; };
  const size_t rows = m.events.size();
  std::string out = text_of(
      "<svg xmlns='http://www.w3.org/2000/svg' font-family='monospace' font-size='12' "
      "width='%d' height='%d'><rect width='100%%' height='100%%' fill='white'/>\n",
      x(m.scenario.cpus), y(rows + 1));
  out += "<text x='20' y='20' font-weight='bold'>" + escaped(m.failure) + "</text>\n";
  for (cpu_id cpu = 0; cpu < m.scenario.cpus; ++cpu)
    out += text_of("<text x='%d' y='46' font-weight='bold'>CPU %u</text><path d='M%d 52V%d' stroke='#999'/>\n", x(cpu),
                   cpu, x(cpu), y(rows));
  for (size_t i = 0; i < rows; ++i) {
    const event& e = m.events[i];
    const char* colour = e.level == context::nmi ? "#c0392b" : e.is_store ? "#1f5fa8" : "#333";
    if (e.from < i && m.events[e.from].cpu != e.cpu)
      out += text_of("<path d='M%d %dL%d %d' stroke='#1f5fa8' stroke-opacity='0.5' stroke-dasharray='4 2'/>",
                     x(m.events[e.from].cpu), y(e.from), x(e.cpu), y(i));
    out += text_of("<circle cx='%d' cy='%d' r='3' fill='%s'/><text x='%d' y='%d' fill='%s'>", x(e.cpu), y(i), colour,
                   x(e.cpu) + 8, y(i) + 4, colour);
    out += escaped(e.text) + "</text>\n";
  }
  return out + "</svg>\n";
}

}  // namespace lastcpu::model
