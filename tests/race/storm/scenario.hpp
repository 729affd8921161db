// SPDX-License-Identifier: BSL-1.0
#pragma once
// The races by name, and what each CPU and the hardware do in one trial of each. A seed gives the same script again.

#include "area.hpp"
#include "chaos.hpp"

#include <stdint.h>

#include <optional>
#include <string_view>

namespace storm {

enum class scenario : uint32_t {
  panic_vs_panic,
  oops_vs_panic,
  nmi_on_dumper,
  nmi_loser,
  released_under_waiter,
  nmi_panic_pending,
  double_stop,
  stray_ack,
  late_ack,
  concurrent_stop,
  reload_vs_crash,
  nested_in_step,
};
inline constexpr uint32_t scenario_count = 12;

[[nodiscard]] const char* to_string(scenario) noexcept;
[[nodiscard]] std::optional<scenario> scenario_from(std::string_view name) noexcept;

/// What a CPU does when the storm breaks loose.
enum class role : uint32_t {
  sleeps,    // idle in the kernel
  works,     // runs for a while, then idle
  irqs_off,  // works with interrupts off for a while
  wedged,    // interrupts off for good: only an NMI gets through
  panics,
  oopses,        // crash_kexec(), and life goes on if that returns
  faults,        // a real SIGSEGV: crash_kexec(), and a panic if that returns
  asks_to_stop,  // stop_others() without owning anything
  loads,         // replaces the crash image again and again
};

/// What the hardware throws in: a signal, aimed at one CPU.
struct shot {
  enum class kind : uint32_t { nmi_panic, stray_nmi, stray_irq } what;
  cpu_id target;
  uint32_t delay_us;    // after the shot before it
  bool once_it_oopses;  // ... and after the target has begun to oops
};
inline constexpr uint32_t most_shots = 8;

struct script {
  role roles[cpu_count];
  uint32_t delays_us[cpu_count];
  shot shots[most_shots];
  uint32_t shot_count;
  bool image;        // a crash image is loaded from the start
  bool stops_again;  // the owner calls stop_others() a second and third time
  chaos_plan chaos;
};

[[nodiscard]] script write_script(scenario, uint64_t seed) noexcept;

}  // namespace storm
