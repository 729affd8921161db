// SPDX-License-Identifier: BSL-1.0
#include "soak_options.hpp"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <string_view>

namespace storm {

const char soak_usage[] =
    "Usage: tools/soak [--trials N] [--scenario NAME]... [--design NAME] [--state FILE] [--resume]\n"
    "       tools/soak --replay SCENARIO:SEED [--design NAME] [--trials N]\n"
    "       tools/soak --kernel [--boots N] ...   boots of the example kernel; --kernel --help\n"
    "\n"
    "Runs N trials of each scenario, each in a process of its own with 8 threads as CPUs, and ends with the line\n"
    "\"N passed, N failed\". Ctrl-C stops it; with --resume it goes on where it stopped.\n"
    "\n"
    "  --trials N        trials of each scenario (1000; with --replay: 1)\n"
    "  --scenario NAME   only this one; may be given several times\n"
    "  --design NAME     which design goes through the storm (lastcpu; lastcpu_by_c: by its C interface)\n"
    "  --state FILE      where the counts are kept (build/soak.state)\n"
    "  --resume          go on with the counts in that file\n"
    "  --seed N          other seeds, or the same again (by the clock)\n"
    "  --replay S:SEED   one trial again, with its timeline; the seed fixes who does what and who is delayed\n"
    "                    where, not how the machine schedules it: repeat it with --trials\n"
    "  --help            this text\n";

namespace {

[[nodiscard]] bool number(const char* text, int base, uint64_t& out) {
  char* end = nullptr;
  errno = 0;
  out = strtoull(text, &end, base);
  return errno == 0 && *text != '\0' && *text != '-' && *end == '\0';
}

template <class Enum>
[[nodiscard]] std::string all_names(uint32_t count) {
  std::string out;
  for (uint32_t i = 0; i < count; ++i) out += (i == 0 ? "" : ", ") + std::string(to_string(static_cast<Enum>(i)));
  return out;
}

[[nodiscard]] std::string take_scenario(const char* option, std::string_view name, soak_options& o) {
  const auto s = scenario_from(name);
  if (!s)
    return std::string(option) + ": there is no scenario '" + std::string(name) +
           "'; use one of: " + all_names<scenario>(scenario_count);
  o.scenarios.push_back(*s);
  return {};
}

[[nodiscard]] std::string take_replay(const char* value, soak_options& o) {
  const char* colon = strchr(value, ':');
  uint64_t seed = 0;
  if (colon == nullptr || !number(colon + 1, 16, seed))
    return "--replay: '" + std::string(value) + "' is not SCENARIO:SEED; copy it from the report of the failed trial";
  o.replay = seed;
  o.scenarios.clear();
  return take_scenario("--replay", std::string_view(value, static_cast<size_t>(colon - value)), o);
}

[[nodiscard]] std::string take_value(const std::string& name, const char* value, soak_options& o) {
  if (name == "--trials" && (!number(value, 10, o.trials) || o.trials == 0))
    return "--trials: '" + std::string(value) + "' is not a number of trials; use 1 or more";
  if (name == "--seed" && (!number(value, 10, o.seed) || o.seed == 0))
    return "--seed: '" + std::string(value) + "' is not a seed; use a number from 1 on";
  if (name == "--scenario") return take_scenario("--scenario", value, o);
  if (name == "--replay") return take_replay(value, o);
  if (name == "--state") o.state_file = value;
  if (name != "--design") return {};
  const auto d = design_from(value);
  if (!d)
    return "--design: there is no design '" + std::string(value) + "'; use one of: " + all_names<design>(design_count);
  o.who = *d;
  return {};
}

[[nodiscard]] std::string fill_in(soak_options& o, bool trials_given) {
  if (o.replay && !trials_given) o.trials = 1;
  for (const scenario s : o.scenarios)
    if (!takes_part(o.who, s))
      return std::string("--design: ") + to_string(o.who) + " takes no part in " + to_string(s) +
             "; leave that scenario out, or use lastcpu";
  if (!o.scenarios.empty()) return {};
  for (uint32_t i = 0; i < scenario_count; ++i)
    if (takes_part(o.who, static_cast<scenario>(i))) o.scenarios.push_back(static_cast<scenario>(i));
  return {};
}

}  // namespace

std::string parse_soak_options(int argc, char** argv, soak_options& o) {
  static constexpr std::string_view with_value[] = {"--trials", "--scenario", "--design",
                                                    "--state",  "--seed",     "--replay"};
  bool trials_given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help") o.help = true;
    if (name == "--resume") o.resume = true;
    if (name == "--help" || name == "--resume") continue;
    bool known = false;
    for (const std::string_view w : with_value) known = known || name == w;
    if (!known) return "unknown option '" + name + "'; tools/soak --help lists the options";
    if (i + 1 == argc) return name + " needs a value; tools/soak --help shows which";
    if (std::string error = take_value(name, argv[++i], o); !error.empty()) return error;
    trials_given = trials_given || name == "--trials";
  }
  return fill_in(o, trials_given);
}

}  // namespace storm
