// SPDX-License-Identifier: BSL-1.0
#pragma once
// A search from beginning to end: search::run(). What comes of it: the verdict, and for a failure the choices that lead
// there, as short as they get, with the chart of that run.
//
// The choices read `words:moves`: the words that need decisions (machine_state.hpp), and of each decision the number of what
// was taken.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/model/chart.hpp>
#include <lastcpu/model/search.hpp>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <utility>

namespace lastcpu::model {

// --- The choices

inline std::string search::path_text() const {
  std::string out = m_.decisions() + ":";
  for (const uint32_t number : path_) out += std::to_string(number) + ".";
  return out;
}

inline result search::follow(std::string choices) {
  std::istringstream text(choices);
  m_.recording = true;
  m_.events.clear();
  const bool known = m_.decisions(text);
  start();
  if (!known) m_.fail("choices that are not of this scenario");
  while (m_.failure.empty() && text.peek() != EOF) {
    list_moves();
    uint32_t n = 0;
    if (text >> n && text.get() == '.' && n < moves_.size())
      apply(n);
    else
      m_.fail("choices that do not fit this scenario");
  }
  list_moves();
  if (may_end()) leaf();
  if (out_.failure.empty()) out_.failure = m_.failure;
  out_.choices = std::move(choices);
  out_.chart = chart_text(m_);
  return out_;
}

// --- The verdict

inline result search::run() {
  const auto begun = std::chrono::steady_clock::now();
  if (options_.livelock && !options_.reduce) {
    out_.failure = "model::options: livelock needs reduce";
    return out_;
  }
  if (options_.random_runs == 0) {
    if (options_.reduce) random_walks(100);  // they learn most of what there is
    explore();
  } else {
    do random_walks(options_.random_runs);
    while (m_.learned);
  }
  out_.states = states_.size();
  out_.complete = options_.random_runs == 0 && m_.failure.empty() && !cut_ && options_.stale == ~0u;
  if (!m_.failure.empty()) {
    out_.failure = m_.failure;
    out_.choices = path_text();
    if (options_.shorten && options_.reduce && !options_.livelock) shorten();
    (void)follow(out_.choices);
  }
  out_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return out_;
}

inline void search::shorten() {
  result found = out_;
  by_depth_ = true;
  options_.max_states = std::min<uint64_t>(options_.max_states, 300'000);
  while (path_.size() > 1) {
    options_.max_depth = static_cast<uint32_t>(path_.size()) - 1;
    explore();
    found.shortest = m_.failure.empty() && states_.size() < options_.max_states;
    if (m_.failure.empty()) break;
    found.failure = m_.failure;
    found.choices = path_text();
  }
  out_ = found;
}

}  // namespace lastcpu::model

#include <lastcpu/detail/end.hpp>
