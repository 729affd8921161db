// SPDX-License-Identifier: BSL-1.0
#pragma once
// Platforms on which the primitives cost what they cost: waking is nothing, and a CPU knows its number for free, or by
// one read. And how a thread becomes a CPU of each.

#include <lastcpu/archetype.hpp>
#include <lastcpu/platform/posix.hpp>

#include <cstdlib>

namespace lastcpu_bench {

/// Both sides end in a branch on the answer, as a caller's would; and a side that did something else than it is measured
/// for ends the program.
[[gnu::always_inline]] inline void require(bool as_expected) {
  if (!as_expected) [[unlikely]]
    std::abort();
}

/// A CPU that always has the same number.
struct constant_cpu : lastcpu::archetype {};

inline constinit thread_local lastcpu::cpu_id tls_cpu_number __attribute__((tls_model("initial-exec"))) = 0;

/// A number that must be read, as in a kernel.
struct tls_cpu : lastcpu::archetype {
  static lastcpu::cpu_id this_cpu() noexcept { return tls_cpu_number; }
};

/// Makes this thread CPU `number` as long as it lives.
template <class P>
struct as_cpu {
  explicit as_cpu(lastcpu::cpu_id) {}
};
template <>
struct as_cpu<tls_cpu> {
  explicit as_cpu(lastcpu::cpu_id number) { tls_cpu_number = number; }
};
template <>
struct as_cpu<lastcpu::posix> {
  explicit as_cpu(lastcpu::cpu_id number) : guard(number) { require(static_cast<bool>(guard)); }
  lastcpu::cpu_guard guard;
};

}  // namespace lastcpu_bench
