// SPDX-License-Identifier: BSL-1.0
// The crash reporter for a program that was built without it:
//
//     LD_PRELOAD=./liblastcpu_crash_reporter.so LASTCPU_CORE=/var/tmp/%e.%p.core memcached
//
// LASTCPU_CORE     where the core goes (core_path); not set: none
// LASTCPU_REPORT   a file that the report goes to as well (report_path)
// LASTCPU_EARLIER  refuse, replace, ask_first, call_last or leave: what becomes of handlers that are there already
//
// A program that installs handlers of its own later takes its signals away, as without us.

#include <lastcpu/process/crash_reporter.hpp>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace {

[[nodiscard]] const char* setting(const char* name) {
  const char* value = getenv(name);
  return value != nullptr ? value : "";
}

// False for a word that is none of them.
[[nodiscard]] bool choose(const char* word, lastcpu::earlier_handlers& out) {
  using enum lastcpu::earlier_handlers;
  constexpr struct {
    const char* word;
    lastcpu::earlier_handlers value;
  } words[] = {
      {"", refuse},    {"refuse", refuse}, {"replace", replace}, {"ask_first", ask_first}, {"call_last", call_last},
      {"leave", leave}};
  for (const auto& w : words)
    if (strcmp(w.word, word) == 0) return out = w.value, true;
  return false;
}

[[gnu::constructor]] void install() {
  lastcpu::crash_reporter_options options;
  options.core_path = setting("LASTCPU_CORE");
  options.report_path = setting("LASTCPU_REPORT");
  std::string error;
  if (!choose(setting("LASTCPU_EARLIER"), options.earlier))
    error = "LASTCPU_EARLIER is none of refuse, replace, ask_first, call_last, leave";
  if (error.empty()) error = lastcpu::install_crash_reporter(options);
  if (!error.empty()) fprintf(stderr, "lastcpu: no crash reports: %s\n", error.c_str());
}

}  // namespace
