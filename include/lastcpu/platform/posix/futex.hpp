// SPDX-License-Identifier: BSL-1.0
#pragma once
// Waiting in the kernel, by futex. Nothing here spins: with more threads than processors, losers that spin make the
// stop of sleeping threads 380 to 2240 times slower. A wait with a deadline yields the processor a few times before it
// sleeps.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/posix/tsan.hpp>

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace lastcpu::posix_detail {

/// A wait with a deadline returns this often though nobody wakes it: the thread that it waits for may have ended.
inline constexpr uint64_t longest_bounded_sleep_ns = 10'000'000;
/// Before it sleeps it yields the processor this often, which takes some ten microseconds where no other thread wants
/// to run, and for this long at most: a thread that is given the processor may keep it for milliseconds.
inline constexpr uint32_t yields_before_a_bounded_sleep = 64;
inline constexpr uint64_t longest_yielding_ns = 1'000'000;

/// How many threads are in wait_while(), those included that were stopped there for good. A waker makes no system call
/// while the count of its word is 0. There are 64 counts, so that sleepers on other words, the gate above all, cost a
/// waker a system call only where both words fall on the same count.
struct alignas(64) sleeper_count {
  atomic<uint32_t> threads{};
};
inline constexpr uint32_t sleeper_counts = 64;
inline constinit sleeper_count sleepers[sleeper_counts]{};

template <class T>
[[nodiscard]] atomic<uint32_t>& sleepers_near(const atomic<T>& word) noexcept {
  const uint64_t line = reinterpret_cast<uintptr_t>(word.address()) / 64;
  return sleepers[line * 0x9e37'79b9'7f4a'7c15u >> 58].threads;  // spreads words at any distance from each other
}
static_assert(sleeper_counts == 1u << (64 - 58), "lastcpu: the top bits of the product choose the count");

[[nodiscard]] inline uint64_t monotonic_ns() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

/// The 32 bits that the kernel compares: the word, or its low half.
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

/// Yields while `word` holds `value`, and returns the time. A wait with a deadline is for an acknowledgement, which
/// comes soon: if it comes while this thread yields, neither side makes a system call to sleep or to wake.
template <class T>
[[nodiscard]] uint64_t let_others_run(const atomic<T>& word, T value, uint64_t now, uint64_t at,
                                      uint32_t yields) noexcept {
  const uint64_t until = at - now < longest_yielding_ns ? at : now + longest_yielding_ns;
  for (; yields != 0 && now < until && word.load(order::acquire) == value; --yields) {  // (3)
    syscall(SYS_sched_yield);
    now = monotonic_ns();
  }
  return now;
}

// The protocol of sleepers and wakers on one count, as templates, so that the model can explore it
// (tests/race/model/futex_model.cpp).

/// Calls `sleep` unless `word` does not hold `value` any more; the kernel compares once more.
/// (1) acquire: pairs with release (2). Of this addition and the waker's exchange on the same count one is first:
/// either the waker sees a sleeper, or this thread sees what the waker has changed.
template <class Count, class Word, class T, class Sleep>
void sleep_counted(Count& count, const Word& word, T value, Sleep sleep) noexcept {
  count.fetch_add(1, order::acquire);               // (1)
  if (word.load(order::relaxed) == value) sleep();  // relaxed: the caller reads the word again
  count.fetch_add(~uint32_t{0}, order::relaxed);    // relaxed: one less publishes nothing
}

/// Whether the kernel must be asked to wake. Called after the word was changed.
/// (2) release: pairs with acquire (1). relaxed on failure: then the kernel is asked.
template <class Count>
[[nodiscard]] bool somebody_sleeps(Count& count) noexcept {
  uint32_t nobody = 0;
  return !count.compare_exchange(nobody, 0, order::release, order::relaxed);  // (2)
}

/// Sleeps while `word` holds `value`; also returns when a signal interrupts it. False once the time is `at`.
/// (3) acquire: pairs with the caller's release, of whoever changes the word.
template <class T>
[[nodiscard]] bool wait_while(const atomic<T>& word, T value, uint64_t at,
                              uint32_t yields = yields_before_a_bounded_sleep) noexcept {
  uint64_t ns = no_deadline;
  if (at != no_deadline) {
    uint64_t now = monotonic_ns();
    if (now >= at) return false;
    now = let_others_run(word, value, now, at, yields);
    if (word.load(order::acquire) != value) return true;  // (3)
    if (now >= at) return false;
    ns = at - now < longest_bounded_sleep_ns ? at - now : longest_bounded_sleep_ns;
  }
  sleep_counted(sleepers_near(word), word, value,
                [&] { futex_sleep(futex_half(word), static_cast<uint32_t>(value), ns); });
  return true;
}

inline void futex_wake(const uint32_t* word) noexcept {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fff'ffff, nullptr, nullptr, 0);
}

template <class T>
void wake(const atomic<T>& word) noexcept {
  if (somebody_sleeps(sleepers_near(word))) futex_wake(futex_half(word));
}

[[nodiscard]] inline uint32_t all_sleepers() noexcept {
  uint32_t n = 0;
  for (const sleeper_count& s : sleepers) n += s.threads.load(order::relaxed);  // for tests
  return n;
}

/// For the child of a fork: its only thread does not sleep.
inline void forget_sleepers() noexcept {
  for (sleeper_count& s : sleepers) s.threads.store(0, order::relaxed);
}

/// Sleeps for ever; no handler of the program runs on this thread any more. One system call sets the mask and sleeps;
/// where a sandbox refuses it, two do.
[[noreturn]] inline void sleep_for_good() noexcept {
  const uint64_t all = ~uint64_t{0};
  do syscall(SYS_rt_sigsuspend, &all, sizeof all);
  while (errno == EINTR);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
  const uint32_t never = 0;
  for (;;) futex_sleep(&never, 0, no_deadline);
}

}  // namespace lastcpu::posix_detail

#include <lastcpu/detail/end.hpp>
