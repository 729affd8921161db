// SPDX-License-Identifier: BSL-1.0
#pragma once
// Explores every interleaving of a scenario: what its CPUs do, and what must hold. docs/check-your-port.md shows one.
//
// A scenario has no destructor, and all that its CPUs share is a member: words as model::atomic, anything else is
// plain data, on which two accesses without an order are a failure (reads are seen where uses() says so). run() and the
// handlers may only depend on what they read.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/model/platform.hpp>
#include <lastcpu/model/search_run.hpp>

#include <memory>
#include <new>
#include <type_traits>

namespace lastcpu::model {

/// In finish(), run() and the handlers: what must hold. The run ends when it does not.
inline void require(bool holds, const char* what) noexcept {
  if (!holds) running().fail(what);
}
/// One of `n` ways to go on; each is explored.
[[nodiscard]] inline uint32_t choose(uint32_t n) noexcept {
  running().perform({.what = act::choose, .wanted = n});
  return static_cast<uint32_t>(running().me().result);
}
/// Reads plain data of the scenario.
template <class T>
const T& uses(const T& data) noexcept {
  running().uses(&data, sizeof(data));
  return data;
}
/// What the scenario keeps for itself; no CPU of the modelled machine sees it.
[[nodiscard]] inline uint64_t& note(uint32_t n) noexcept {
  return running().now.note[n];
}
/// This CPU comes or goes. While it is gone it takes no interrupt and no NMI. Who asks may get an old answer.
inline void set_online(bool on) noexcept {
  running().set_online(on);
}
/// This CPU answers nobody any more, NMIs included, and does nothing.
[[noreturn]] inline void wedge() noexcept {
  running().me().deaf = true;
  for (;;) running().perform({.what = act::idle});
}
/// Takes another CPU away, as P::force_stop() does.
inline void take_away(cpu_id cpu) noexcept {
  running().perform({.what = act::force, .wanted = cpu});
}
/// In finish(): what became of a CPU: `parked`, `asleep`, `deaf` of it say so.
[[nodiscard]] inline const cpu_state& state_of(cpu_id cpu) noexcept {
  return running().now.cpu[cpu];
}
/// The scenario that is explored, for functions that are no member of it.
template <class S>
[[nodiscard]] S& current() noexcept {
  return static_cast<S&>(*running().subject);
}

/// explore(), or replay() where `choices` are given.
template <class S>
[[nodiscard]] result run_in_model(const options& o, const std::string* choices) {
  static_assert(std::is_trivially_destructible_v<S>, "lastcpu model: a scenario is put back byte by byte");
  static constexpr size_t size = (sizeof(S) + 7) / 8 * 8;
  alignas(64) static unsigned char bytes[size];
  const auto make = []() -> scenario& { return *new (std::memset(bytes, 0, size)) S(); };
  const auto m = std::make_unique<machine>(bytes, size, S::cpus, make, o);
  machine::running = m.get();
  search s(*m);
  result out = choices == nullptr ? s.run() : s.follow(*choices);
  machine::running = nullptr;
  return out;
}

/// Runs `S` in every way that `o` asks for.
template <class S>
[[nodiscard]] result explore(const options& o = {}) {
  return run_in_model<S>(o, nullptr);
}

/// The run that a result's `choices` lead to, with its chart; the options must be those of that result.
template <class S>
[[nodiscard]] result replay(const std::string& choices, const options& o = {}) {
  return run_in_model<S>(o, &choices);
}

}  // namespace lastcpu::model

#include <lastcpu/detail/end.hpp>
