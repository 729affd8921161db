// SPDX-License-Identifier: BSL-1.0
#pragma once
// Disorder by seed: small delays before shared accesses, so that eight threads on two processors really interleave,
// and faults at chosen points. The seed fixes who is delayed where, not how the machine schedules it.

#include "area.hpp"

#include <stdint.h>

namespace storm {

/// A small generator with a good spread from any seed.
class dice {
 public:
  constexpr dice() noexcept = default;
  explicit constexpr dice(uint64_t seed) noexcept : state_(seed) {}
  constexpr uint64_t next() noexcept {
    state_ += 0x9e37'79b9'7f4a'7c15u;
    uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9u;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11ebu;
    return z ^ z >> 31;
  }
  /// 0 .. n-1
  constexpr uint32_t below(uint32_t n) noexcept { return static_cast<uint32_t>((next() >> 32) * n >> 32); }
  /// True in `percent` of a hundred cases.
  constexpr bool chance(uint32_t percent) noexcept { return below(100) < percent; }

 private:
  uint64_t state_ = 0;
};

/// Where the machine may be made to fault, once each.
enum class fault_point : uint32_t {
  report,
  image_check,
  send_irq,
  send_nmi,
  notifiers,
  save_note,
  crash_shutdown,
  jump,
  flush,
};
inline constexpr uint32_t fault_point_count = 9;

/// One long delay: this CPU, before its n-th shared access.
struct pin {
  cpu_id cpu = 0;
  uint32_t access = 0;
  uint32_t us = 0;  // 0: none
};

/// How this trial is disturbed.
struct chaos_plan {
  uint32_t per_access = 0;  // of 256 accesses so many are delayed
  uint32_t slow_cpu = 0;    // this one four times as often
  uint32_t longest_sleep_us = 20;
  pin pins[2];
  uint32_t faults = 0;        // a bit for each fault_point
  uint32_t faults_after = 0;  // ... at the end of the step and not at its beginning
};

/// Set before the CPUs start, never changed while they run.
inline chaos_plan plan;

[[nodiscard]] chaos_plan make_chaos(dice& d) noexcept;

/// For each thread of the trial, before its first access.
void seed_this_cpu(uint64_t seed) noexcept;

/// Perhaps a delay. Any context.
void disturb() noexcept;
void sleep_us(uint32_t us) noexcept;

/// Perhaps a real SIGSEGV: at the beginning (`after` false) or at the end of a step.
void may_fault(fault_point where, bool after) noexcept;

/// Writes to address zero.
void fault_for_real() noexcept;

}  // namespace storm
