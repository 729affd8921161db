// SPDX-License-Identifier: BSL-1.0
#pragma once
// Waiting in the kernel. A loser that spun would slow the stop of sleeping threads 380 to 2240 times when there are
// more threads than processors, so nothing here spins.

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/posix/tsan.hpp>

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace lastcpu::posix_detail {

/// A wait with a deadline looks up so often even if nobody wakes it: what it waits for may have left.
inline constexpr uint64_t longest_bounded_sleep_ns = 10'000'000;

/// Threads that are in wait_while(), those included that were stopped there for good.
inline constinit atomic<uint32_t> sleepers{};

[[nodiscard]] inline uint64_t monotonic_ns() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

/// The 32 bits that the kernel compares: all of the word, or its low half.
template <class T>
[[nodiscard]] const uint32_t* futex_half(const atomic<T>& word) noexcept {
  using half [[gnu::may_alias]] = const uint32_t;
  const auto* halves = reinterpret_cast<half*>(word.address());
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return halves + (sizeof(T) / 4 - 1);
#else
  return halves;
#endif
}

inline void futex_sleep(const uint32_t* word, uint32_t value, uint64_t ns) noexcept {
  if (ns > longest_sleep_ns) ns = longest_sleep_ns;
  const timespec t{static_cast<time_t>(ns / 1'000'000'000u), static_cast<long>(ns % 1'000'000'000u)};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, ns == no_deadline ? nullptr : &t, nullptr, 0);
  let_pending_handlers_run();
}

/// Sleeps while `word` holds `value`. An interrupted sleep returns, the caller compares again.
template <class T>
[[nodiscard]] bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
  uint64_t ns = no_deadline;
  if (at != no_deadline) {
    const uint64_t now = monotonic_ns();
    if (now >= at) return false;
    ns = at - now < longest_bounded_sleep_ns ? at - now : longest_bounded_sleep_ns;
  }
  // (1) acq_rel, with (2): of this and the waker's exchange on the same word one is first. Either the waker sees a
  // sleeper, or this thread sees what the waker changed before it.
  sleepers.fetch_add(1, order::acq_rel);
  if (word.load(order::acquire) == value) futex_sleep(futex_half(word), static_cast<uint32_t>(value), ns);
  sleepers.fetch_add(~uint32_t{0}, order::acq_rel);
  return true;
}

template <class T>
void wake(const atomic<T>& word) noexcept {
  uint32_t nobody = 0;
  if (sleepers.compare_exchange(nobody, 0, order::acq_rel, order::acquire)) return;  // (2) acq_rel: see (1)
  syscall(SYS_futex, futex_half(word), FUTEX_WAKE_PRIVATE, 0x7fff'ffff, nullptr, nullptr, 0);
}

}  // namespace lastcpu::posix_detail
