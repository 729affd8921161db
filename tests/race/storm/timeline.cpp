// SPDX-License-Identifier: BSL-1.0
#include "timeline.hpp"

#include <lastcpu/crash_kexec.hpp>

#include <algorithm>
#include <string>

namespace storm {
namespace {

template <uint32_t N>
[[nodiscard]] const char* pick(const char* const (&names)[N], uint32_t i) {
  return i < N ? names[i] : "?";
}

constexpr const char* faults[] = {"oops",         "in report",    "in image check", "in send irq", "in send nmi",
                                  "in notifiers", "in save note", "in shutdown",    "in jump",     "in flush"};
constexpr const char* states[] = {"absent", "running", "idle", "waiting", "parked"};
constexpr const char* words[] = {
    "won: ",        "lost to ",    "marked pending", "released",    "takes pending", "COMMITTED",     "> ",
    "stops ",       "ack ",        "ack withdrawn",  "PARKED",      "panic()",       "crash_kexec()", "= ",
    "FAULT ",       "NMI",         "nmi_panic()",    "NMI returns", "irq",           "stop_others()", "loads image",
    "image loaded", "DUMP begins", "DUMP complete",  "RESTART",     "HALT"};
constexpr const char* ids[] = {
    "claim_won",    "claim_lost",   "pending_set",   "released",    "pending_taken", "committed",   "step_begun",
    "stop_sent",    "acknowledged", "withdrawn",     "parked",      "panic",         "crash_kexec", "returned",
    "fault",        "nmi",          "nmi_panic",     "nmi_returns", "irq",           "stop_others", "loads_image",
    "image_loaded", "dump_begins",  "dump_complete", "restart",     "halt"};

[[nodiscard]] std::string detail(const log_entry& e) {
  switch (e.what) {
    case event::claim_won:
      return to_string(static_cast<lastcpu::phase>(e.value));
    case event::claim_lost:
    case event::stop_sent:
      return std::to_string(e.value);
    case event::step_begun:
      return lastcpu::to_string(static_cast<lastcpu::step>(e.value));
    case event::acknowledged:
      return to_string(static_cast<lastcpu::stop_state>(e.value));
    case event::crash_kexec_returned:
      return e.value == ~uint32_t{0} ? "no reason" : to_string(static_cast<lastcpu::kexec_outcome>(e.value));
    case event::faults:
      return pick(faults, e.value);
    default:
      return {};
  }
}

[[nodiscard]] std::string describe(const log_entry& e) {
  return pick(words, static_cast<uint32_t>(e.what)) + detail(e);
}

[[nodiscard]] double us_of(const log_entry& e) {
  return static_cast<double>(static_cast<int64_t>(e.ns - area->began_ns)) / 1e3;
}

}  // namespace

// An entry without a stamp was begun, and its CPU was gone before it was written.
std::vector<line> merged() {
  std::vector<line> out;
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) {
    const uint32_t n = std::min(area->cpu[cpu].events.load(order::relaxed), log_length);
    for (uint32_t i = 0; i < n; ++i)
      if (area->cpu[cpu].log[i].ns != 0) out.push_back({cpu, area->cpu[cpu].log[i]});
  }
  std::stable_sort(out.begin(), out.end(), [](const line& a, const line& b) { return a.e.ns < b.e.ns; });
  return out;
}

void print_timeline(FILE* out) {
  static constexpr int width = 16;
  fprintf(out, "%10s ", "us");
  for (uint32_t cpu = 0; cpu < cpu_count; ++cpu) fprintf(out, " CPU %-*u", width - 5, cpu);
  fputc('\n', out);
  const std::vector<line> all = merged();
  for (size_t i = 0; i < all.size(); ++i) {
    const line& l = all[i];
    std::string text = describe(l.e);
    while (l.e.what == event::stop_sent && i + 1 < all.size() && all[i + 1].cpu == l.cpu &&
           all[i + 1].e.what == event::stop_sent)
      text.append(" ").append(detail(all[++i].e));
    fprintf(out, "%10.1f %*s %s\n", us_of(l.e), static_cast<int>(l.cpu) * width, "", text.c_str());
  }
  fputs("at the end:", out);
  for (uint32_t cpu = 0; cpu < cpu_count; ++cpu)
    fprintf(out, " %u %s", cpu, pick(states, area->cpu[cpu].state.load(order::relaxed)));
  fputc('\n', out);
}

void write_events(FILE* out) {
  for (const line& l : merged())
    fprintf(out, "%.1f\t%u\t%s\t%u\t%s\n", us_of(l.e), l.cpu, pick(ids, static_cast<uint32_t>(l.e.what)), l.e.value,
            describe(l.e).c_str());
}

}  // namespace storm
