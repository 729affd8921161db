// SPDX-License-Identifier: BSL-1.0
#pragma once
// What comes of a search: the verdict, and for a failure the choices that lead there, as short as they get.
//
// The choices read `words:moves`. A move is the CPU that goes on, `~n` when it reads the store n before the newest one
// it may read (of a choice: the n-th outcome); `n1` an NMI on CPU 1, `r1` a requested one, `i1` an interrupt, `t1` a
// deadline, `s1` a wake-up for no reason; `1*5` is five times `1`. `words` are those that need decisions (s: somebody
// sleeps on it; n: only where it may be interrupted).

#include <lastcpu/model/search.hpp>

#include <algorithm>
#include <cstdlib>

namespace lastcpu::model {

inline std::string machine::contended() const {
  std::string out;
  for (size_t i = 0; i < slots_.size(); ++i)
    if (const slot& s = slots_[i]; s.contended || s.nested)
      out += text_of("%s%zx%s", out.empty() ? "" : "+", i, !s.contended ? "n" : s.slept_on ? "s" : "");
  return out;
}

inline bool machine::contended(const std::string& text) {
  for (slot& s : slots_) {
    s.contended = s.slept_on = s.nested = false;
    std::memset(s.levels, 0, sizeof(s.levels));
  }
  for (const char* p = text.c_str(); *p != '\0' && *p != ':';) {
    char* end = nullptr;
    const size_t i = std::strtoul(p, &end, 16);
    if (end == p || i >= slots_.size()) return false;
    slots_[i].nested = *end == 'n';
    slots_[i].contended = *end != 'n';
    slots_[i].slept_on = *end == 's';
    p = end + (*end == 's' || *end == 'n' ? 1 : 0);
    if (*p == '+') ++p;
  }
  return true;
}

inline std::string search::path_text() const {
  std::string out = m_.contended() + ":";
  for (size_t i = 0; i < path_.size();) {
    size_t same = 1;
    while (i + same < path_.size() && path_[i + same] == path_[i]) ++same;
    const move& m = path_[i];
    static constexpr const char* letters[] = {"", "r", "n", "i", "t", "s"};
    out += text_of("%s%s%d", i != 0 ? "." : "", letters[static_cast<uint32_t>(m.kind)], m.cpu);
    if (m.choice != 0) out += text_of("~%d", m.choice);
    if (same != 1) out += text_of("*%zu", same);
    i += same;
  }
  return out;
}

inline void search::follow(const std::string& choices) {
  const bool known = m_.contended(choices);
  m_.recording = true;
  m_.events.clear();
  start();
  if (!known) return m_.fail("choices that are not of this scenario");
  const size_t colon = choices.find(':');
  const char* p = colon == choices.npos ? "" : choices.c_str() + colon + 1;
  while (*p != '\0' && m_.failure.empty()) {
    static constexpr char letters[] = "rnits";
    const char* letter = std::strchr(letters, *p);
    if (letter != nullptr) ++p;
    char* end = nullptr;
    move m{static_cast<move_kind>(letter == nullptr ? 0 : letter - letters + 1), 0, 0};
    m.cpu = static_cast<uint8_t>(std::strtoul(p, &end, 10));
    if (*end == '~') m.choice = static_cast<uint8_t>(std::strtoul(end + 1, &end, 10));
    unsigned long times = *end == '*' ? std::strtoul(end + 1, &end, 10) : 1;
    for (; times != 0 && m_.failure.empty(); --times) {
      moves_.clear();
      if (!m_.now.over) list_moves();
      if (std::find(moves_.begin(), moves_.end(), m) == moves_.end())
        return m_.fail("choices that do not fit this scenario");
      path_.push_back(m);
      apply(m);
    }
    p = *end == '.' ? end + 1 : end;
    if (end == p && *end != '\0') return m_.fail("choices that can't be read");
  }
  moves_.clear();
  if (m_.failure.empty() && !m_.now.over) list_moves();
  if (moves_.empty()) leaf();
}

inline result search::run() {
  const auto begun = std::chrono::steady_clock::now();
  limit_ = options_.max_states;
  if (options_.reduce && options_.random_runs == 0) random_walks(100);
  do {
    m_.learned = false;
    out_ = {};
    m_.outcomes.clear();
    if (options_.random_runs != 0)
      random_walks(options_.random_runs);
    else
      explore(options_.max_depth);
  } while (m_.learned);
  out_.states = states_.count();
  out_.complete = options_.random_runs == 0 && m_.failure.empty() && !cut_ && options_.stale == ~0u;
  if (options_.livelock && m_.failure.empty() && !cut_) find_livelock();
  if (!m_.failure.empty()) {
    out_.failure = m_.failure;
    out_.choices = path_text();
    if (options_.shorten && options_.reduce && !options_.livelock) shorten();
    follow(out_.choices);
  }
  out_.outcomes = m_.outcomes;
  out_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return out_;
}

inline void search::shorten() {
  const result found = out_;
  by_depth_ = true;
  limit_ = 300'000;
  for (size_t depth = path_.size(); depth > 1; depth = path_.size()) {
    do {
      m_.learned = false;
      explore(static_cast<uint32_t>(depth) - 1);
    } while (m_.learned);
    if (m_.failure.empty()) {
      out_.shortest = states_.count() < limit_;
      break;
    }
    out_.failure = m_.failure;
    out_.choices = path_text();
  }
  out_.states = found.states, out_.runs = found.runs, out_.moves = found.moves, out_.depth = found.depth;
}

inline void search::find_livelock() {
  std::sort(edges_.begin(), edges_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  std::vector<bool> ends(came_from_.size());
  std::vector<uint32_t> todo{0};
  while (!todo.empty()) {
    const uint32_t to = todo.back();
    todo.pop_back();
    auto e = std::lower_bound(edges_.begin(), edges_.end(), to, [](const auto& a, uint32_t b) { return a.second < b; });
    for (; e != edges_.end() && e->second == to; ++e)
      if (e->first != 0 && !ends[e->first]) ends[e->first] = true, todo.push_back(e->first);
  }
  for (uint32_t id = 1; id < ends.size(); ++id) {
    if (ends[id]) continue;
    path_.clear();
    for (uint32_t at = id; at > 1; at = came_from_[at].first) path_.push_back(came_from_[at].second);
    std::reverse(path_.begin(), path_.end());
    return m_.fail("livelock: from here nobody can come to an end");
  }
}

}  // namespace lastcpu::model
