// SPDX-License-Identifier: BSL-1.0
// storm_soak: the program behind tools/soak. Many trials of each scenario, with progress, stopped and resumed at will.

#include "soak_options.hpp"
#include "tally.hpp"
#include "timeline.hpp"

#include <lastcpu/platform/posix/futex.hpp>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

namespace {

using namespace storm;

volatile sig_atomic_t asked_to_stop = 0;

struct soak {
  soak_options o;
  tally counts[scenario_count];
  uint64_t began = 0;
  uint64_t began_with = 0;  // trials that an earlier run had done

  [[nodiscard]] tally& of(scenario s) { return counts[static_cast<uint32_t>(s)]; }
  [[nodiscard]] uint64_t done() const {
    uint64_t sum = 0;
    for (const tally& t : counts) sum += t.trials();
    return sum;
  }
  [[nodiscard]] uint64_t wanted() const { return o.trials * o.scenarios.size(); }
};

[[nodiscard]] uint64_t now() {
  return lastcpu::posix_detail::monotonic_ns();
}

[[nodiscard]] bool save(const soak& k) {
  const std::string fresh = k.o.state_file + ".new";
  FILE* f = fopen(fresh.c_str(), "w");
  if (f == nullptr) return false;
  fprintf(f, "lastcpu-soak 1 %s %" PRIu64 "\n", to_string(k.o.who), k.o.seed);
  for (uint32_t s = 0; s < scenario_count; ++s) {
    fprintf(f, "%s", to_string(static_cast<scenario>(s)));
    for (const uint64_t n : k.counts[s].count) fprintf(f, " %" PRIu64, n);
    fputc('\n', f);
  }
  return fclose(f) == 0 && rename(fresh.c_str(), k.o.state_file.c_str()) == 0;
}

[[nodiscard]] std::string read_counts(FILE* f, soak& k) {
  char who[64], name[64];
  if (fscanf(f, "lastcpu-soak 1 %63s %" SCNu64, who, &k.o.seed) != 2) return "is not one of mine";
  if (strcmp(who, to_string(k.o.who)) != 0) return "is about " + std::string(who) + "; add --design " + who;
  while (fscanf(f, "%63s", name) == 1) {
    const auto s = scenario_from(name);
    if (!s) return "names the scenario '" + std::string(name) + "', which there is not";
    for (uint64_t& n : k.of(*s).count)
      if (fscanf(f, "%" SCNu64, &n) != 1) return "is damaged";
  }
  return {};
}

[[nodiscard]] std::string load(soak& k) {
  FILE* f = fopen(k.o.state_file.c_str(), "r");
  const std::string file = "--resume: the state file '" + k.o.state_file + "' ";
  if (f == nullptr) return file + "can't be read: " + strerror(errno) + "; name it with --state, or leave out --resume";
  const std::string why = read_counts(f, k);
  fclose(f);
  return why.empty() ? "" : file + why;
}

void show_progress(const soak& k, scenario s, bool last) {
  const double seconds = static_cast<double>(now() - k.began) / 1e9;
  const double rate = static_cast<double>(k.done() - k.began_with) / (seconds > 0 ? seconds : 1);
  const uint64_t left = k.wanted() > k.done() ? k.wanted() - k.done() : 0;
  uint64_t failed = 0;
  for (const tally& t : k.counts) failed += t.failures();
  const bool tty = isatty(STDOUT_FILENO) != 0;
  printf("%s%s: %" PRIu64 " of %" PRIu64 " trials, %" PRIu64 " failed, %.0f a second, %.0f min left%s",
         tty ? "\r\033[K" : "", to_string(s), k.done(), k.wanted(), failed, rate,
         rate > 0 ? static_cast<double>(left) / rate / 60 : 0.0, tty && !last ? "" : "\n");
  fflush(stdout);
}

void run_scenario(soak& k, scenario s) {
  static constexpr uint64_t show_each_ns = 1'000'000'000, say_each_ns = 30'000'000'000;
  const uint64_t each = isatty(STDOUT_FILENO) != 0 ? show_each_ns : say_each_ns;
  uint64_t shown = now();
  while (k.of(s).trials() < k.o.trials && asked_to_stop == 0) {
    const trial t{k.o.who, s, seed_of(k.o.seed, s, k.of(s).trials())};
    const verdict v = run_trial(t);
    k.of(s).add(v.what);
    if (is_lastcpu(k.o.who) && v.what != outcome::completed) report_failure(t, v);
    if (now() - shown < each) continue;
    shown = now();
    show_progress(k, s, false);
    (void)save(k);
  }
  show_progress(k, s, true);
}

int print_result(soak& k) {
  uint64_t passed = 0, failed = 0;
  printf("\n%-22s %10s %10s %10s %10s %10s %10s\n", to_string(k.o.who), "trials", "completed", "lost", "hung", "wrong",
         "died");
  for (const scenario s : k.o.scenarios) {
    const tally& t = k.of(s);
    printf("%-22s %10" PRIu64, to_string(s), t.trials());
    for (const uint64_t n : t.count) printf(" %10" PRIu64, n);
    putchar('\n');
    passed += t.of(outcome::completed);
    failed += t.failures();
  }
  printf("seed %" PRIu64 ", %.0f s\n", k.o.seed, static_cast<double>(now() - k.began) / 1e9);
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

int replay(const soak_options& o) {
  tally t;
  for (uint64_t i = 0; i < o.trials && asked_to_stop == 0; ++i) {
    const verdict v = run_trial({o.who, o.scenarios.front(), *o.replay});
    t.add(v.what);
    if (v.what == outcome::completed && o.trials > 1) continue;
    print_timeline(stdout);
    printf("%s%s%s\n\n", to_string(v.what), v.why.empty() ? "" : ": ", v.why.c_str());
  }
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", t.of(outcome::completed), t.failures());
  return t.failures() == 0 ? 0 : 1;
}

int run(soak& k) {
  k.began = now();
  k.began_with = k.done();
  if (!save(k)) {
    fprintf(stderr, "soak: --state: '%s' can't be written: %s\n", k.o.state_file.c_str(), strerror(errno));
    return 2;
  }
  for (const scenario s : k.o.scenarios)
    if (asked_to_stop == 0) run_scenario(k, s);
  (void)save(k);
  const int status = print_result(k);
  if (asked_to_stop == 0) return status;
  printf("stopped; next: tools/soak --resume --trials %" PRIu64 " --design %s --state %s\n", k.o.trials,
         to_string(k.o.who), k.o.state_file.c_str());
  return 130;
}

}  // namespace

int main(int argc, char** argv) {
  static soak k;
  std::string error = parse_soak_options(argc, argv, k.o);
  if (k.o.help) {
    fputs(soak_usage, stdout);
    return 0;
  }
  if (error.empty() && k.o.resume) error = load(k);
  if (!error.empty()) {
    fprintf(stderr, "soak: %s\n", error.c_str());
    return 2;
  }
  if (k.o.seed == 0) k.o.seed = now();
  if (error = prepare_trials(); !error.empty()) {
    fprintf(stderr, "soak: %s\n", error.c_str());
    return 1;
  }
  struct sigaction stop {};
  stop.sa_handler = [](int) { asked_to_stop = 1; };
  sigaction(SIGINT, &stop, nullptr);
  sigaction(SIGTERM, &stop, nullptr);
  return k.o.replay ? replay(k.o) : run(k);
}
