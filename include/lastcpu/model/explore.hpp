// SPDX-License-Identifier: BSL-1.0
#pragma once
// Explores every interleaving of a scenario: what its CPUs do, and what must hold.
//
//     struct two_panics {
//       static constexpr lastcpu::cpu_id cpus = 2;
//       lastcpu::crash_domain<lastcpu::model::platform<cpus>> machine;
//
//       void run(lastcpu::cpu_id) { machine.panic("dead"); }                    // what a CPU does; it may return
//       void nmi(lastcpu::cpu_id, lastcpu::model::interrupt) { ... }            // its NMI handler
//       void finish(lastcpu::model::ending how, lastcpu::cpu_id) { require(how == ending::restarted, "..."); }
//     };
//     const auto found = lastcpu::model::explore<two_panics>({.nmis = 1});
//     EXPECT_EQ(found.failure, "") << found.chart;
//
// A scenario has no destructor, and all that its CPUs share is a member: words as model::atomic, anything else is
// plain data, on which two accesses without an order are a failure (reads are seen where uses() says so). run() and the
// handlers may only depend on what they read. Optional members: irq(cpu), nmi(cpu, which), finish(how, cpu),
// on_trace(event), name(address), value(address, bits), `static constexpr bool may_sleep = true` when a CPU may be left
// waiting.

#include <lastcpu/model/chart.hpp>
#include <lastcpu/model/exploring.hpp>
#include <lastcpu/model/platform.hpp>
#include <lastcpu/model/report.hpp>

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
  (void)running().perform({act::choose, 0, order::relaxed, order::relaxed, n, 0, 0});
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
/// One of the results that result::outcomes collects.
inline void outcome(uint64_t value) noexcept {
  running().outcome(value);
}
/// From now on the crash image with this id is not what was loaded.
inline void damage(uintptr_t id) noexcept {
  running().now.damaged = id;
}
/// This CPU answers nobody any more, NMIs included, and does nothing.
[[noreturn]] inline void wedge() noexcept {
  running().me().wedged = true;
  for (;;) (void)running().perform({act::idle, 0, order::relaxed, order::relaxed, 0, 0, 0});
}
/// In finish(): what became of a CPU.
[[nodiscard]] inline const cpu_state& state_of(cpu_id cpu) noexcept {
  return running().now.cpu[cpu];
}

template <class S>
struct scenario {
  static_assert(std::is_trivially_destructible_v<S>, "lastcpu model: a scenario is put back byte by byte");
  static constexpr size_t size = (sizeof(S) + 7) / 8 * 8;
  alignas(64) inline static unsigned char bytes[size];

  static S& get() noexcept { return *std::launder(reinterpret_cast<S*>(bytes)); }
  static void construct() {
    std::memset(bytes, 0, size);
    new (bytes) S();
  }
  static void interrupted(cpu_id cpu, interrupt which) {
    if constexpr (requires(S & s) { s.irq(cpu); }) {
      if (which == interrupt::irq) return get().irq(cpu);
    }
    if constexpr (requires(S & s) { s.nmi(cpu, which); }) {
      if (which != interrupt::irq) get().nmi(cpu, which);
    }
  }
  static void finish(ending how, cpu_id by) {
    if constexpr (requires(S & s) { s.finish(how, by); }) get().finish(how, by);
  }
  static void trace(const trace_event& e) {
    if constexpr (requires(S & s) { s.on_trace(e); }) get().on_trace(e);
  }
  static std::string name(const void* address) {
    if constexpr (requires(S & s) { s.name(address); }) return get().name(address);
    return {};
  }
  static std::string value(const void* address, uint64_t bits) {
    if constexpr (requires(S & s) { s.value(address, bits); }) return get().value(address, bits);
    return {};
  }
  static unread_bits unread() {
    if constexpr (requires(S & s) { s.unread(); }) return get().unread();
    return {nullptr, 0};
  }
  static constexpr bool may_sleep() noexcept {
    if constexpr (requires { S::may_sleep; }) return S::may_sleep;
    return false;
  }
  static scenario_hooks hooks() noexcept {
    return {bytes, size,  S::cpus,     construct, [](cpu_id cpu) { get().run(cpu); }, interrupted, finish, trace,
            name,  value, may_sleep(), unread};
  }
};

/// Runs `S` in every way that `o` asks for.
template <class S>
[[nodiscard]] result explore(const options& o = {}) {
  const auto m = std::make_unique<machine>(scenario<S>::hooks());
  machine::running = m.get();
  search s(*m, o);
  result out = s.run();
  if (!out.failure.empty()) {
    out.chart = chart_text(*m);
    out.svg = chart_svg(*m);
  }
  machine::running = nullptr;
  return out;
}

/// The run that a result's `choices` lead to, with its chart; the options must be those of that result.
template <class S>
[[nodiscard]] result replay(const std::string& choices, const options& o = {}) {
  const auto m = std::make_unique<machine>(scenario<S>::hooks());
  machine::running = m.get();
  search s(*m, o);
  s.follow(choices);
  result out;
  out.failure = m->failure;
  out.choices = choices;
  out.chart = chart_text(*m);
  out.svg = chart_svg(*m);
  machine::running = nullptr;
  return out;
}

}  // namespace lastcpu::model
