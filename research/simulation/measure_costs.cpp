// SPDX-License-Identifier: BSL-1.0
// measure_costs [FILE]: measures on this host what simulate.py --costs FILE wants, and writes it as JSON (to standard
// output without FILE). What a program can't see, an NMI's way for one, simulate.py takes from assumed.json. Takes some
// seconds; wants an idle machine.

#include <lastcpu/detail/copy_plain.hpp>
#include <lastcpu/platform/posix/registers.hpp>

#include <sys/utsname.h>
#include <time.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "line_costs.hpp"
#include "signal_costs.hpp"

namespace {

using namespace lastcpu_bench;

struct document {
  FILE* out;
  std::string host;
  bool first = true;

  void cost(const char* name, double value, const char* unit, const std::string& what) {
    fprintf(out, "%s\n    \"%s\": {\"value\": %.4g, \"unit\": \"%s\",\n      \"source\": \"measure_costs on %s: %s\"}",
            first ? "" : ",", name, value, unit, host.c_str(), what.c_str());
    first = false;
  }
};

std::string cpu_model() {
  std::ifstream info{"/proc/cpuinfo"};
  for (std::string line; std::getline(info, line);)
    if (const auto colon = line.find(": "); line.starts_with("model name") && colon != std::string::npos)
      return line.substr(colon + 2);
  return "an unknown CPU";
}

std::string today() {
  const time_t now = time(nullptr);
  char text[16] = "";
  strftime(text, sizeof text, "%Y-%m-%d", gmtime(&now));
  return text;
}

std::string names(const std::vector<int>& cpus) {
  std::string out;
  for (const int cpu : cpus) out += (out.empty() ? "" : ", ") + std::to_string(cpu);
  return out;
}

void measure_hits(document& json) {
  static std::atomic<uint32_t> word{1};
  static lastcpu::posix_registers from{}, to{};
  json.cost("load_hit", measure_hit([] { (void)word.load(std::memory_order_acquire); }), "ns", "a load in a loop");
  json.cost("rmw_hit", measure_hit([] { word.fetch_add(1, std::memory_order_acq_rel); }), "ns",
            "a locked add in a loop");
  json.cost("save_registers", measure_hit([] { lastcpu::detail::copy_plain(to, from); }), "ns",
            "copy_plain() of " + std::to_string(sizeof from) + " bytes");
#if defined(__x86_64__)
  json.cost("pause", measure_hit([] { __builtin_ia32_pause(); }), "ns", "a pause in a loop");
#endif
}

// The median over some neighbours of lines that they have written.
bool measure_distance(document& json, const std::vector<int>& cpus, distance d, const char* suffix) {
  const int here = cpus.front();
  const std::vector<int> there = neighbours(here, cpus, d);
  if (there.empty()) return false;
  std::vector<double> load, rmw, overlap;
  for (const int cpu : there) {
    const transfer_costs c = measure_transfers(cpu, here);
    load.push_back(c.load);
    rmw.push_back(c.rmw);
    overlap.push_back(std::max(1.0, c.load / c.scan));
  }
  const std::string where = "CPU " + std::to_string(here) + " after " + names(there);
  json.cost(("transfer_" + std::string{suffix}).c_str(), median(load), "ns",
            "a load of a line that another CPU wrote, each after the one before, " + where);
  json.cost(("rmw_" + std::string{suffix}).c_str(), median(rmw), "ns", "a locked instruction on such a line, " + where);
  if (d != distance::across)
    json.cost("misses_in_flight", median(overlap), "lines",
              "such loads, one after the other, divided by independent ones a record apart, " + where);
  return true;
}

void measure_lines(document& json, const std::vector<int>& cpus) {
  if (!measure_distance(json, cpus, distance::same_socket, "same_socket"))
    (void)measure_distance(json, cpus, distance::same_core, "same_socket");
  (void)measure_distance(json, cpus, distance::across, "across");
}

// The sender has the first CPU for itself.
void measure_signals(document& json, const std::vector<int>& cpus, std::string& stops) {
  constexpr uint32_t counted = 64;
  if (cpus.size() < 2) return;
  const std::vector<int> mine{cpus[0]}, other{cpus[1]}, others(cpus.begin() + 1, cpus.end());
  const stop_costs many = measure_stop(counted, mine, other);
  const std::string where = std::to_string(counted) + " threads that sleep on CPU " + std::to_string(cpus[1]);
  json.cost("tgkill", many.send, "ns", "each of those to " + where);
  json.cost("signal_handled", many.whole / counted, "ns",
            "a wake-up with its handler: " + where + ", one after the other");
  json.cost("signal_alone", measure_stop(1, mine, other).whole, "ns",
            "tgkill until the answer of one thread that sleeps");
  for (const uint32_t n : {2u, 8u, 32u, 128u, 512u}) {
    char text[64];
    snprintf(text, sizeof text, "%s\"%" PRIu32 "\": %.4g", stops.empty() ? "" : ", ", n,
             measure_stop(n, mine, others).whole);
    stops += text;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
    fprintf(stderr, "usage: measure_costs [FILE]\n");
    return 2;
  }
  const std::vector<int> cpus = allowed_cpus();
  if (cpus.empty()) {
    fprintf(stderr, "measure_costs: the kernel does not say which CPUs it may use: %s\n", strerror(errno));
    return 1;
  }
  FILE* const out = argc == 2 ? fopen(argv[1], "w") : stdout;
  if (out == nullptr) {
    fprintf(stderr, "measure_costs: can't write '%s': %s\n", argv[1], strerror(errno));
    return 1;
  }
  if (cpus.size() < 2) fprintf(stderr, "measure_costs: one CPU: nothing is measured between two\n");
  utsname kernel{};
  (void)uname(&kernel);
  const std::string release = kernel.release;
  document json{out, cpu_model() + ", " + today()};
  fprintf(
      out, "{\n  \"host\": {\"cpu\": \"%s\", \"cpus\": %zu, \"kernel\": \"%s %s\", \"date\": \"%s\"},\n  \"costs\": {",
      cpu_model().c_str(), cpus.size(), kernel.sysname, release.substr(0, release.find('-')).c_str(), today().c_str());
  measure_hits(json);
  measure_lines(json, cpus);
  std::string stops;
  measure_signals(json, cpus, stops);
  if (stops.empty()) {
    fprintf(out, "\n  }\n}\n");
  } else {
    fprintf(out, "\n  },\n  \"measured_stop_ns\": {\"processors\": %zu, \"threads\": {%s}}\n}\n", cpus.size() - 1,
            stops.c_str());
  }
  return out == stdout || fclose(out) == 0 ? 0 : 1;
}
