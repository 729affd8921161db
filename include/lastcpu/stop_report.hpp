// SPDX-License-Identifier: BSL-1.0
#pragma once
// The result of stopping the other CPUs, as a value: how each one was stopped, and whether its registers were saved.
// After Xen and arm64, which name the missing CPUs, and a request on the Linux lists to tell how each was stopped.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>

#include <stdint.h>

namespace lastcpu {

/// The whole of a stop.
enum class stop_status : uint8_t {
  none,             ///< the report is not complete, or no CPU was asked to stop
  stopped,          ///< every other online CPU has acknowledged its stop
  some_silent,      ///< state() is `silent` for those that have not
  not_the_arbiter,  ///< the caller has not committed the gate: nothing was done
};

/// A plain value with a byte for each of the CPUs 0 .. N-1, made by stop_cpus::report(). Any context.
template <cpu_id N>
class stop_report {
 public:
  /// Every CPU `absent`, with no status.
  constexpr stop_report() noexcept {
    if (__builtin_is_constant_evaluated()) {
      for (uint8_t& e : entries_) e = 0;
    } else {
      using word [[gnu::may_alias]] = volatile uintptr_t;  // volatile: no memset
      for (cpu_id i = 0; i < words; ++i) reinterpret_cast<word*>(entries_)[i] = 0;
    }
  }

  /// What became of the stop as a whole.
  [[nodiscard]] constexpr stop_status status() const noexcept { return status_; }
  /// What became of `cpu`; `absent` for a number that no CPU has.
  [[nodiscard]] constexpr stop_state state(cpu_id cpu) const noexcept {
    return cpu < N ? static_cast<stop_state>(entries_[cpu] & state_mask) : stop_state::absent;
  }
  /// The CPU has saved its registers, and they are whole.
  [[nodiscard]] constexpr bool registers_valid(cpu_id cpu) const noexcept {
    return cpu < N && (entries_[cpu] & valid_bit) != 0;
  }
  /// How many CPUs are in this state.
  [[nodiscard]] constexpr cpu_id count(stop_state wanted) const noexcept {
    cpu_id n = 0;
    for (cpu_id i = 0; i < N; ++i) n += state(i) == wanted ? 1u : 0u;
    return n;
  }

  ///@{
  /// For who makes the report. A number that no CPU has is ignored.
  constexpr void set_status(stop_status s) noexcept { status_ = s; }
  constexpr void set(cpu_id cpu, stop_state s, bool registers_valid) noexcept {
    if (cpu < N) entries_[cpu] = static_cast<uint8_t>(static_cast<uint8_t>(s) | (registers_valid ? valid_bit : 0u));
  }
  ///@}

 private:
  static constexpr uint8_t state_mask = 0x7f;
  static constexpr uint8_t valid_bit = 0x80;
  static constexpr cpu_id words = (N + sizeof(uintptr_t) - 1) / sizeof(uintptr_t);
  alignas(uintptr_t) uint8_t entries_[words * sizeof(uintptr_t)];
  stop_status status_ = stop_status::none;
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
