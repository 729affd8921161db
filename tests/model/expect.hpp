// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a model test says of a result, and the line that it prints.

#include <lastcpu/model/explore.hpp>

#include <gtest/gtest.h>

#include <cstdio>

namespace lastcpu::test {

inline void print(const char* what, const model::result& r) {
  printf("  %-34s %9llu states %7llu runs %9llu moves %7.2f s  %s\n", what, static_cast<unsigned long long>(r.states),
         static_cast<unsigned long long>(r.runs), static_cast<unsigned long long>(r.moves), r.seconds,
         !r.failure.empty() ? r.failure.c_str()
         : r.complete       ? "complete"
                            : "bounded");
}

/// Every run is as it should be, and none was left out.
template <class S>
model::result expect_complete(const char* what, const model::options& o = {}) {
  const model::result r = model::explore<S>(o);
  print(what, r);
  EXPECT_EQ(r.failure, "") << r.choices << "\n" << r.chart;
  EXPECT_TRUE(r.complete) << what;
  return r;
}

/// Every run within the bounds of `o` is as it should be.
template <class S>
model::result expect_bounded(const char* what, const model::options& o) {
  const model::result r = model::explore<S>(o);
  print(what, r);
  EXPECT_EQ(r.failure, "") << r.choices << "\n" << r.chart;
  EXPECT_LT(r.states, o.max_states) << what;
  return r;
}

/// The bug is found, and its choices lead there again.
template <class S>
model::result expect_caught(const char* what, const char* why, const model::options& o = {}) {
  const model::result r = model::explore<S>(o);
  print(what, r);
  EXPECT_NE(r.failure, "") << what << ": nothing is found";
  EXPECT_NE(r.failure.find(why), std::string::npos) << what << ": '" << r.failure << "'\n" << r.chart;
  EXPECT_EQ(model::replay<S>(r.choices, o).failure, r.failure) << r.choices;
  return r;
}

}  // namespace lastcpu::test
