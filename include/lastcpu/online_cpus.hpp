// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which CPUs are there, for a port that has no such table: P::is_online() and P::cpu_limit() ask it.
//
// Guarantee: a CPU that arrives while another one commits is asked to stop, or sees the commit when it looks at the gate
// behind add(). Both change one word, each by an exchange: whichever comes second sees what the first did before it.
// Any context; the table is zero at the start: nobody is there.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>

namespace lastcpu {

/// A bit for each of the CPUs 0 .. N-1; any other number is ignored, and never there. `Atomic` is the port's, as
/// lastcpu::atomic.
template <template <class> class Atomic, cpu_id N>
class online_cpus {
 public:
  /// Nobody is there. All zeros.
  constexpr online_cpus() noexcept = default;

  /// This CPU has arrived, by one exchange (acq_rel); it looks at the gate next. Again is nothing.
  void add(cpu_id cpu) noexcept {
    if (cpu < N) change(cpu / 32, mask(cpu), mask(cpu));
  }
  /// This CPU leaves: from here on it can't be asked to stop.
  void remove(cpu_id cpu) noexcept {
    if (cpu < N) change(cpu / 32, mask(cpu), 0);
  }
  /// For P::is_online(). Acquires what the CPU did before add().
  [[nodiscard]] bool contains(cpu_id cpu) const noexcept {
    return cpu < N && (words_[cpu / 32].load(order::acquire) & mask(cpu)) != 0;  // (2) acquire: pairs with (1)
  }
  /// How many are there, one look after the other.
  [[nodiscard]] cpu_id count() const noexcept {
    cpu_id n = 0;
    for (cpu_id cpu = 0; cpu < N; ++cpu) n += contains(cpu) ? 1u : 0u;
    return n;
  }

  /// For the owner of the gate, behind its commit (P::cpu_limit()): who arrives from here on sees the commit.
  void close() noexcept {
    for (uint32_t i = 0; i < words; ++i) change(i, 0, 0);
  }

 private:
  static constexpr uint32_t words = (N + 31) / 32;
  [[nodiscard]] static constexpr uint32_t mask(cpu_id cpu) noexcept { return uint32_t{1} << (cpu % 32); }

  void change(uint32_t word, uint32_t bits, uint32_t to) noexcept {
    uint32_t seen = words_[word].load(order::relaxed);
    // The second exchange on a word acquires what the CPU of the first one did before it.
    // (1) acq_rel: pairs with (1) and acquire (2)
    while (!words_[word].compare_exchange(seen, (seen & ~bits) | to, order::acq_rel, order::relaxed)) {
    }
  }

  Atomic<uint32_t> words_[words]{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
