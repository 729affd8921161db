// SPDX-License-Identifier: BSL-1.0
#pragma once
// Waiting in the kernel. A loser that spun would slow the stop of sleeping threads 380 to 2240 times when there are
// more threads than processors, so nothing here spins. The owner lets the others run a few times before it sleeps.

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

/// A wait with a deadline looks up so often even if nobody wakes it: what it waits for may have left.
inline constexpr uint64_t longest_bounded_sleep_ns = 10'000'000;
/// And before it sleeps, it lets others run so often, some ten microseconds where nobody wants to, and so long: who is
/// given the processor may keep it for milliseconds, and is given it once.
inline constexpr uint32_t yields_before_a_bounded_sleep = 64;
inline constexpr uint64_t longest_yielding_ns = 1'000'000;

/// Threads that are in wait_while(), those included that were stopped there for good. Counted apart by where their word
/// is: the answer of one CPU asks the kernel to wake nobody where others wait for another one's, or for the gate, but when
/// the two words fall on one count: about one in 64.
struct alignas(64) sleeper_count {
  atomic<uint32_t> threads{};
};
inline constexpr uint32_t sleeper_counts = 64;
inline constinit sleeper_count sleepers[sleeper_counts]{};

template <class T>
[[nodiscard]] atomic<uint32_t>& sleepers_near(const atomic<T>& word) noexcept {
  const uint64_t line = reinterpret_cast<uintptr_t>(word.address()) / 64;
  return sleepers[line * 0x9e37'79b9'7f4a'7c15u >> 58].threads;  // spreads any stride
}
static_assert(sleeper_counts == 1u << (64 - 58), "lastcpu: the top bits of the product choose the count");

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

/// A wait with a deadline is for what is under way: an answer that comes while those who are to give it have this
/// processor, or another one, costs neither side a system call for a wake-up. What the clock says in the end.
template <class T>
[[nodiscard]] uint64_t let_others_run(const atomic<T>& word, T value, uint64_t now, uint64_t at,
                                      uint32_t yields) noexcept {
  const uint64_t until = at - now < longest_yielding_ns ? at : now + longest_yielding_ns;
  for (; yields != 0 && now < until && word.load(order::acquire) == value; --yields) {
    syscall(SYS_sched_yield);
    now = monotonic_ns();
  }
  return now;
}

// The protocol of sleepers and wakers on one count, whatever the words are (tests/model/futex_model.cpp).

/// Sleeps unless `word` has left `value` already; the kernel compares once more.
/// (1) acquire: pairs with (2). Of this and the waker's exchange on the same count one is first. Either the waker sees a
/// sleeper, or this thread sees what the waker changed before it.
template <class Count, class Word, class T, class Sleep>
void sleep_counted(Count& count, const Word& word, T value, Sleep sleep) noexcept {
  count.fetch_add(1, order::acquire);
  if (word.load(order::relaxed) == value) sleep();  // relaxed: the caller looks at the word again
  count.fetch_add(~uint32_t{0}, order::relaxed);    // relaxed: who sleeps next looks for itself
}

/// For who has changed the word. (2) release: pairs with (1). On failure relaxed: the kernel is asked then.
template <class Count>
[[nodiscard]] bool somebody_sleeps(Count& count) noexcept {
  uint32_t nobody = 0;
  return !count.compare_exchange(nobody, 0, order::release, order::relaxed);
}

/// Sleeps while `word` holds `value`. An interrupted sleep returns, the caller compares again.
template <class T>
[[nodiscard]] bool wait_while(const atomic<T>& word, T value, uint64_t at,
                              uint32_t yields = yields_before_a_bounded_sleep) noexcept {
  uint64_t ns = no_deadline;
  if (at != no_deadline) {
    uint64_t now = monotonic_ns();
    if (now >= at) return false;
    now = let_others_run(word, value, now, at, yields);
    if (word.load(order::acquire) != value) return true;
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
  for (const sleeper_count& s : sleepers) n += s.threads.load(order::relaxed);  // a count, for tests
  return n;
}

/// For the child of a fork, whose only thread does not sleep.
inline void forget_sleepers() noexcept {
  for (sleeper_count& s : sleepers) s.threads.store(0, order::relaxed);
}

/// For good. No handler of the program runs on this thread any more: the mask and the sleep are one system call, or two
/// where a sandbox refuses that one.
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
