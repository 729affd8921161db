// SPDX-License-Identifier: BSL-1.0
// storm_demo SECONDS: every design through every race, as many trials as fit, as a table. The exit status is 0 only if
// lastcpu completed every trial.

#include "tally.hpp"

#include <lastcpu/platform/posix/futex.hpp>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace {

using namespace storm;

constexpr int name_width = 22;
constexpr int cell_width = 19;
constexpr uint32_t shown_count = static_cast<uint32_t>(design::lastcpu) + 1;  // the rest is lastcpu once more

struct cell {
  tally t;
  bool used = false;
};
cell table[scenario_count][shown_count];

bool on_terminal = false;

[[nodiscard]] uint64_t now() {
  return lastcpu::posix_detail::monotonic_ns();
}

// lastcpu gets three times as long as a specimen.
[[nodiscard]] uint64_t weight(design d) {
  return d == design::lastcpu ? 3 : 1;
}

[[nodiscard]] uint64_t all_weights() {
  uint64_t sum = 0;
  for (uint32_t s = 0; s < scenario_count; ++s)
    for (uint32_t d = 0; d < shown_count; ++d)
      if (takes_part(static_cast<design>(d), static_cast<scenario>(s))) sum += weight(static_cast<design>(d));
  return sum;
}

void show_progress(scenario s, design d, const tally& t) {
  if (!on_terminal) return;
  printf("\r  %-*s %-*s %6llu trials", name_width, to_string(s), cell_width, to_string(d),
         static_cast<unsigned long long>(t.trials()));
  fflush(stdout);
}

void run_cell(scenario s, design d, uint64_t ns, uint64_t base) {
  cell& c = table[static_cast<uint32_t>(s)][static_cast<uint32_t>(d)];
  c.used = true;
  const uint64_t until = now() + ns;
  uint64_t shown = 0;
  for (uint64_t n = 0; n == 0 || now() < until; ++n) {
    const trial t{d, s, seed_of(base, s, n)};
    const verdict v = run_trial(t);
    c.t.add(v.what);
    if (d == design::lastcpu && v.what != outcome::completed && c.t.failures() == 1) report_failure(t, v);
    if (now() - shown > 200'000'000) {
      shown = now();
      show_progress(s, d, c.t);
    }
  }
}

[[nodiscard]] const char* colour_of(const cell& c, design d) {
  if (!on_terminal || !c.used) return "";
  if (c.t.failures() == 0) return "\033[32m";
  return d == design::lastcpu ? "\033[1;31m" : "\033[31m";
}

void print_cell(const cell& c, design d, const std::string& text) {
  printf(" %s%-*s%s", colour_of(c, d), cell_width, text.c_str(), on_terminal ? "\033[0m" : "");
}

[[nodiscard]] std::string first_line(const cell& c, scenario s, design d) {
  if (!c.used) return "-";
  std::string out = c.t.percent() + " of " + std::to_string(c.t.trials());
  if (is_known_loser(d, s)) out += c.t.failures() != 0 ? " *" : " ?";
  return out;
}

[[nodiscard]] std::string second_line(const cell& c, bool third) {
  const std::string all = c.t.describe_failures();
  const size_t comma = all.size() > static_cast<size_t>(cell_width) ? all.rfind(", ", cell_width) : std::string::npos;
  if (comma == std::string::npos) return third ? "" : all;
  return third ? all.substr(comma + 2) : all.substr(0, comma);
}

void print_row(scenario s) {
  const cell* row = table[static_cast<uint32_t>(s)];
  if (on_terminal) printf("\r\033[K");
  printf("%-*s", name_width, to_string(s));
  for (uint32_t d = 0; d < shown_count; ++d)
    print_cell(row[d], static_cast<design>(d), first_line(row[d], s, static_cast<design>(d)));
  putchar('\n');
  for (const bool third : {false, true}) {
    bool any = false;
    for (uint32_t d = 0; d < shown_count; ++d)
      any = any || !second_line(row[d].t.trials() ? row[d] : cell{}, third).empty();
    if (!any) continue;
    printf("%-*s", name_width, "");
    for (uint32_t d = 0; d < shown_count; ++d) print_cell(row[d], static_cast<design>(d), second_line(row[d], third));
    putchar('\n');
  }
  fflush(stdout);
}

void print_head() {
  printf("Dumps completed, of so many trials; each trial is a process of its own with 8 threads as CPUs.\n\n%-*s",
         name_width, "");
  for (uint32_t d = 0; d < shown_count; ++d) printf(" %-*s", cell_width, to_string(static_cast<design>(d)));
  putchar('\n');
}

void print_legend() {
  puts(
      "\n  lost   a panic was called and life went on without it, or the machine restarted without its dump"
      "\n  hung   nobody is left to finish"
      "\n  wrong  it ended, but with a CPU or its registers missing, a step twice, a message lost, or the like"
      "\n  *      history says that this design loses this race, and here it does"
      "\n  ?      history says so, but this storm did not catch it"
      "\n  -      the historical designs have nothing of their own to say to this one"
      "\n  Where no crash image is loaded, \"completed\" is a restart in order, with every message reported.");
}

[[nodiscard]] bool sum_up() {
  tally ours;
  for (uint32_t s = 0; s < scenario_count; ++s) {
    for (uint32_t d = 0; d < shown_count; ++d) {
      const cell& c = table[s][d];
      if (!is_known_loser(static_cast<design>(d), static_cast<scenario>(s)) || c.t.failures() != 0) continue;
      printf("%s was not caught losing %s by storms: left to the model.\n", to_string(static_cast<design>(d)),
             to_string(static_cast<scenario>(s)));
    }
    for (uint32_t o = 0; o < outcome_count; ++o)
      ours.count[o] += table[s][static_cast<uint32_t>(design::lastcpu)].t.count[o];
  }
  printf("\nlastcpu: %llu trials, %llu completed, %llu lost, %llu hung, %llu wrong, %llu died\n",
         static_cast<unsigned long long>(ours.trials()), static_cast<unsigned long long>(ours.count[0]),
         static_cast<unsigned long long>(ours.count[1]), static_cast<unsigned long long>(ours.count[2]),
         static_cast<unsigned long long>(ours.count[3]), static_cast<unsigned long long>(ours.count[4]));
  return ours.failures() == 0;
}

}  // namespace

int main(int argc, char** argv) {
  char* end = nullptr;
  const double seconds = argc == 2 ? strtod(argv[1], &end) : 0;
  if (argc != 2 || *end != '\0' || !(seconds > 0 && seconds < 1e6)) {
    fprintf(stderr, "usage: storm_demo SECONDS\n");
    return 2;
  }
  on_terminal = isatty(STDOUT_FILENO) != 0;
  if (const std::string error = prepare_trials(); !error.empty()) {
    fprintf(stderr, "storm_demo: %s\n", error.c_str());
    return 1;
  }
  print_head();
  const uint64_t base = now();  // other trials each time
  const auto unit = static_cast<uint64_t>(seconds * 1e9) / all_weights();
  for (uint32_t s = 0; s < scenario_count; ++s) {
    for (uint32_t d = 0; d < shown_count; ++d)
      if (takes_part(static_cast<design>(d), static_cast<scenario>(s)))
        run_cell(static_cast<scenario>(s), static_cast<design>(d), unit * weight(static_cast<design>(d)), base);
    print_row(static_cast<scenario>(s));
  }
  print_legend();
  return sum_up() ? 0 : 1;
}
