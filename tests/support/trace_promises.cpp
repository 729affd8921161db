// SPDX-License-Identifier: BSL-1.0
// lastcpu_trace_promises CPUS: reads the events of one machine that has ended, a line "cpu kind value" each, in the
// order of time. Says the first promise that they break, or nothing. For the boot tests, whose machine is outside.
#include "trace_promises.hpp"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace {

using namespace lastcpu;

constexpr cpu_id most_cpus = 255;
constexpr uint32_t kinds = static_cast<uint32_t>(trace_kind::parked) + 1;

[[nodiscard]] trace_kind kind_of(const char* name) {
  uint32_t k = 0;
  while (k < kinds && strcmp(name, to_string(static_cast<trace_kind>(k))) != 0) ++k;
  return static_cast<trace_kind>(k);
}

[[nodiscard]] const char* see(test::trace_promises<most_cpus>& promises, const trace_event& e, cpu_id cpus) {
  const char* broken = promises.see(e);
  if (broken != nullptr) return broken;
  const bool is_known = e.cpu < cpus && (e.kind != trace_kind::stop_sent || e.value < cpus);
  return is_known ? nullptr : "promise 13: an event of a CPU that there is not";
}

}  // namespace

int main(int argc, char** argv) {
  const long cpus = argc == 2 ? strtol(argv[1], nullptr, 10) : 0;
  if (cpus < 1 || cpus > long{most_cpus}) {
    fprintf(stderr, "usage: lastcpu_trace_promises CPUS, a number from 1 to %u\n", most_cpus);
    return 2;
  }
  test::trace_promises<most_cpus> promises;
  trace_event e{};
  cpu_id last = no_cpu;  // that has begun a step
  char name[32];
  int read = 0;
  for (unsigned line = 1; (read = scanf("%u %31s %u", &e.cpu, name, &e.value)) == 3; ++line) {
    e.kind = kind_of(name);
    if (e.kind == trace_kind::step_begun) last = e.cpu;
    if (const char* broken = see(promises, e, static_cast<cpu_id>(cpus)); broken != nullptr) {
      printf("%s (CPU %u: %s %u, event %u)\n", broken, e.cpu, name, e.value, line);
      return 0;
    }
  }
  if (read != EOF) {
    fputs("lastcpu_trace_promises: a line is not 'cpu kind value'\n", stderr);
    return 2;
  }
  if (const char* broken = promises.end_by(last); broken != nullptr) puts(broken);
  return 0;
}
