// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a model test says of a result, and the line that it prints.

#include <lastcpu/model/explore.hpp>

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace lastcpu::test {

/// What an exploration says of itself: the verdict, and which runs it has left out.
inline std::string verdict(const model::result& r, const model::options& o) {
  if (!r.failure.empty()) return r.failure;
  const std::string time = o.time == model::deadlines::any_time ? "" : "deadlines pass only when all are stuck";
  if (r.complete) return time.empty() ? "complete" : "complete; " + time;
  std::string out;
  const auto add = [&out](const std::string& what) { out += (out.empty() ? "leaves out " : ", ") + what; };
  if (o.random_runs != 0) add("all but " + std::to_string(o.random_runs) + " runs at random");
  if (o.stale == 0) add("stale reads");
  if (o.stale != 0 && o.stale != ~0u) add("reads of stores more than " + std::to_string(o.stale) + " back");
  if (o.switches != ~0u) add("switches beyond " + std::to_string(o.switches));
  if (r.states >= o.max_states) add("states beyond " + std::to_string(o.max_states));
  if (out.empty()) add("runs longer than " + std::to_string(o.max_depth) + " operations");
  return time.empty() ? out : out + "; " + time;
}

inline void print(const char* what, const model::result& r, const model::options& o) {
  printf("  %-34s %9llu states %7llu runs %9llu moves %7.2f s  %s\n", what, static_cast<unsigned long long>(r.states),
         static_cast<unsigned long long>(r.runs), static_cast<unsigned long long>(r.moves), r.seconds,
         verdict(r, o).c_str());
}

/// Every run is as it should be, and none was left out.
template <class S>
model::result expect_complete(const char* what, const model::options& o = {}) {
  const model::result r = model::explore<S>(o);
  print(what, r, o);
  EXPECT_EQ(r.failure, "") << r.choices << "\n" << r.chart;
  EXPECT_TRUE(r.complete) << what;
  EXPECT_NE(r.runs, 0U) << what << ": no run comes to an end, so nothing was looked at";
  return r;
}

/// Every run within the bounds of `o` is as it should be.
template <class S>
model::result expect_bounded(const char* what, const model::options& o) {
  const model::result r = model::explore<S>(o);
  print(what, r, o);
  EXPECT_EQ(r.failure, "") << r.choices << "\n" << r.chart;
  EXPECT_LT(r.states, o.max_states) << what;
  return r;
}

/// The bug is found, and its choices lead there again.
template <class S>
model::result expect_caught(const char* what, const char* why, const model::options& o = {}) {
  const model::result r = model::explore<S>(o);
  print(what, r, o);
  EXPECT_NE(r.failure, "") << what << ": nothing is found";
  EXPECT_NE(r.failure.find(why), std::string::npos) << what << ": '" << r.failure << "'\n" << r.chart;
  EXPECT_EQ(model::replay<S>(r.choices, o).failure, r.failure) << r.choices;
  return r;
}

}  // namespace lastcpu::test
