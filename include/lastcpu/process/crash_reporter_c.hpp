// SPDX-License-Identifier: BSL-1.0
#pragma once
// Defines what crash_reporter.h declares. Included by one file of C++; it adds no decision of its own.

#include <lastcpu/process/crash_reporter.h>

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/crash_reporter.hpp>

#include <string.h>

#include <optional>
#include <string>

namespace lastcpu::reporter_detail {

inline int (*first_chance_in_c)(int, void*, void*) = nullptr;
inline thread_local std::optional<crash_reporter_thread> thread_in_c;

static_assert(static_cast<int>(earlier_handlers::refuse) == LASTCPU_EARLIER_REFUSE &&
              static_cast<int>(earlier_handlers::replace) == LASTCPU_EARLIER_REPLACE &&
              static_cast<int>(earlier_handlers::ask_first) == LASTCPU_EARLIER_ASK_FIRST &&
              static_cast<int>(earlier_handlers::call_last) == LASTCPU_EARLIER_CALL_LAST &&
              static_cast<int>(earlier_handlers::leave) == LASTCPU_EARLIER_LEAVE);

[[nodiscard]] inline int answer_in_c(const std::string& sentence, char* room, size_t bytes) noexcept {
  if (room != nullptr && bytes != 0) {
    const size_t n = sentence.size() < bytes - 1 ? sentence.size() : bytes - 1;
    memcpy(room, sentence.data(), n);
    room[n] = '\0';
  }
  return sentence.empty() ? 0 : -1;
}

/// Without an allocation: it may be called in a signal handler.
[[nodiscard]] inline int answer_in_c(annotation how, char* room, size_t bytes) noexcept {
  const bool kept = how == annotation::set || how == annotation::set_cut;
  if (room != nullptr && bytes != 0) text(room, bytes) << (kept ? "" : to_string(how));
  return kept ? 0 : -1;
}

[[nodiscard]] inline crash_reporter_options options_of_c(const lastcpu_crash_reporter_options& from) {
  const auto text = [](const char* t) { return std::string(t != nullptr ? t : ""); };
  crash_reporter_options o;
  o.core_path = text(from.core_path);
  o.report_path = text(from.report_path);
  o.note = text(from.note);
  o.core_limit = from.core_limit;
  o.report_fd = from.report_fd;
  o.stop_signal = from.stop_signal;
  o.earlier = static_cast<earlier_handlers>(from.earlier);
  o.core_has_shared_memory = from.core_has_shared_memory != 0;
  o.stop = from.stop_by_ptrace != 0 ? stop_threads::by_ptrace : stop_threads::by_signal;
  o.stop_budget_ms = from.stop_budget_ms;
  o.stall_budget_ms = from.stall_budget_ms;
  if (from.signals != nullptr) o.signals.assign(from.signals, from.signals + from.signal_count);
  if (from.first_chance != nullptr)
    o.first_chance = [](int number, siginfo_t* info, void* context) noexcept {
      return first_chance_in_c(number, info, context) != 0;
    };
  return o;
}

}  // namespace lastcpu::reporter_detail

extern "C" {

[[gnu::used]] inline int lastcpu_install_crash_reporter(const lastcpu_crash_reporter_options* options, char* error,
                                                        size_t room) {
  using namespace lastcpu::reporter_detail;
  constexpr lastcpu_crash_reporter_options defaults = LASTCPU_CRASH_REPORTER_DEFAULTS;
  const lastcpu_crash_reporter_options& o = options != nullptr ? *options : defaults;
  if (o.earlier < LASTCPU_EARLIER_REFUSE || o.earlier > LASTCPU_EARLIER_LEAVE)
    return answer_in_c("earlier is " + std::to_string(o.earlier) + "; use one of LASTCPU_EARLIER_...", error, room);
  if (!installed) first_chance_in_c = o.first_chance;
  return answer_in_c(lastcpu::install_crash_reporter(options_of_c(o)), error, room);
}

[[gnu::used]] inline int lastcpu_crash_reporter_still_installed(char* error, size_t room) {
  return lastcpu::reporter_detail::answer_in_c(lastcpu::still_installed(), error, room);
}

[[gnu::used]] inline int lastcpu_uninstall_crash_reporter(char* error, size_t room) {
  return lastcpu::reporter_detail::answer_in_c(lastcpu::uninstall_crash_reporter(), error, room);
}

[[gnu::used]] inline int lastcpu_annotate_crash(const char* key, const char* value, char* error, size_t room) {
  return lastcpu::reporter_detail::answer_in_c(lastcpu::annotate_crash(key, value), error, room);
}

[[gnu::used]] inline int lastcpu_capture_now(const char* reason, char* error, size_t room) {
  const lastcpu::capture_outcome how = lastcpu::capture_now(reason);
  const bool whole = how == lastcpu::capture_outcome::captured;
  if (error != nullptr && room != 0) lastcpu::reporter_detail::text(error, room) << (whole ? "" : to_string(how));
  return whole || how == lastcpu::capture_outcome::captured_partly ? 0 : -1;
}

[[gnu::used]] inline void lastcpu_crash_reporter_thread_begin() {
  if (!lastcpu::reporter_detail::thread_in_c) lastcpu::reporter_detail::thread_in_c.emplace();
}

[[gnu::used]] inline void lastcpu_crash_reporter_thread_end() {
  lastcpu::reporter_detail::thread_in_c.reset();
}
}

#include <lastcpu/detail/end.hpp>
