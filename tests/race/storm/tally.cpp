// SPDX-License-Identifier: BSL-1.0
#include "tally.hpp"

#include "timeline.hpp"

#include <inttypes.h>
#include <stdio.h>

namespace storm {

uint64_t tally::trials() const noexcept {
  uint64_t sum = 0;
  for (const uint64_t n : count) sum += n;
  return sum;
}

std::string tally::describe_failures() const {
  std::string out;
  for (uint32_t i = 1; i < outcome_count; ++i)
    if (count[i] != 0)
      out += (out.empty() ? "" : ", ") + std::to_string(count[i]) + " " + to_string(static_cast<outcome>(i));
  return out;
}

std::string tally::percent() const {
  if (trials() == 0) return "-";
  const uint64_t tenths = of(outcome::completed) * 1000 / trials();
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

void report_failure(const trial& t, const verdict& v) {
  fprintf(stderr, "\n%s in %s: %s: %s\n", to_string(t.who), to_string(t.where), to_string(v.what), v.why.c_str());
  print_timeline(stderr);
  fprintf(stderr, "next: run this trial again: tools/soak --replay %s:%" PRIx64 " --design %s\n", to_string(t.where),
          t.seed, to_string(t.who));
}

}  // namespace storm
