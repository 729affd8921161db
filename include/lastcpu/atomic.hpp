// SPDX-License-Identifier: BSL-1.0
#pragma once
// A lock-free atomic word on compiler builtins: what a port names as its `P::atomic` unless it needs something special.
//
// Guarantee: every operation is a machine instruction or a short sequence of them, with the order that was asked for or
// a stronger one; never a lock, never a library call. Works in thread, irq and NMI context, with interrupts on or off.
// Not here: sequential consistency, which nothing in lastcpu needs; fences, which ThreadSanitizer does not see (the
// order stands on the operation instead); words of two machine words.

#include <lastcpu/detail/begin.hpp>

#include <stddef.h>
#include <stdint.h>

namespace lastcpu {

/// The memory order of one operation. The values are the compiler's own.
enum class order : int {
  relaxed = __ATOMIC_RELAXED,  ///< no order with anything else
  acquire = __ATOMIC_ACQUIRE,  ///< what follows sees what was stored before the release that it reads from
  release = __ATOMIC_RELEASE,  ///< whoever acquires it sees what was stored before
  acq_rel = __ATOMIC_ACQ_REL,  ///< both, of an exchange
};

namespace detail {

#if defined(__arm__) && (!defined(__ARM_FEATURE_LDREX) || !(__ARM_FEATURE_LDREX & 4))
inline constexpr bool has_exchange = false;  // gcc for Linux would call a library function
#else
inline constexpr bool has_exchange = true;
#endif

/// The success order, made as strong as the failure order: gcc accepts no failure order that is stronger than the
/// success order, and loses it on Arm.
[[nodiscard, gnu::always_inline]] constexpr int joined(order success, order failure) noexcept {
  if (failure == order::relaxed || success == order::acq_rel) return static_cast<int>(success);
  return success == order::release ? __ATOMIC_ACQ_REL : __ATOMIC_ACQUIRE;
}

#if defined(__aarch64__) && !defined(__ARM_FEATURE_ATOMICS)
// Compilers for Linux turn each exchange into a library call, unless the function around it has this attribute, which
// is lost by inlining. So each is a function that is not inlined, with the strongest order that may be asked for.
template <class T>
[[gnu::noinline, gnu::target("no-outline-atomics")]] bool strongest_exchange(T* word, T& expected, T desired) noexcept {
  return __atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
template <class T>
[[gnu::noinline, gnu::target("no-outline-atomics")]] T strongest_add(T* word, T value) noexcept {
  return __atomic_fetch_add(word, value, __ATOMIC_ACQ_REL);
}
template <class T>
[[gnu::always_inline]] inline bool exchange(T* word, T& expected, T desired, order, order) noexcept {
  return strongest_exchange(word, expected, desired);
}
template <class T>
[[gnu::always_inline]] inline T add(T* word, T value, order) noexcept {
  return strongest_add(word, value);
}
#else
template <class T>
[[gnu::always_inline]] inline bool exchange(T* word, T& expected, T desired, order success, order failure) noexcept {
  const int both = joined(success, failure);
#if defined(__riscv) && !defined(__clang__) && __GNUC__ < 14
  // This gcc takes acquire and release from the failure order alone. The only failure order with release in it is the
  // sequentially consistent one.
  const int strong = both == __ATOMIC_RELEASE || both == __ATOMIC_ACQ_REL ? __ATOMIC_SEQ_CST : both;
  return __atomic_compare_exchange_n(word, &expected, desired, false, strong, strong);
#else
  return __atomic_compare_exchange_n(word, &expected, desired, false, both, static_cast<int>(failure));
#endif
}
template <class T>
[[gnu::always_inline]] inline T add(T* word, T value, order o) noexcept {
  return __atomic_fetch_add(word, value, static_cast<int>(o));
}
#endif

}  // namespace detail

/// A word that several CPUs share. `T` is an integer or a pointer, of 32 bits or of pointer size. All zeros is T{}, so
/// that the word may live in .bss. It can't be copied or moved.
template <class T>
class atomic {
  static_assert(sizeof(T) == 4 || sizeof(T) == sizeof(void*),
                "lastcpu: a shared word has 32 bits or the size of a pointer");
  static_assert(detail::has_exchange && __atomic_always_lock_free(sizeof(T), nullptr),
                "lastcpu: this machine has no lock-free atomic of this size; the crash path may not take a lock");

 public:
  /// T{}.
  constexpr atomic() noexcept = default;
  /// `value`, stored plainly: before anybody shares the word.
  constexpr explicit atomic(T value) noexcept : value_(value) {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  /// What the word holds. `o` is relaxed or acquire.
  [[nodiscard, gnu::always_inline]] T load(order o) const noexcept {
    return __atomic_load_n(&value_, static_cast<int>(o));
  }
  /// Replaces what the word holds. `o` is relaxed or release.
  [[gnu::always_inline]] void store(T value, order o) noexcept {
    __atomic_store_n(&value_, value, static_cast<int>(o));
  }
  /// Replaces `expected` by `desired` and returns true, or stores the value that was found to `expected` and returns
  /// false. Never fails spuriously. `failure` is relaxed or acquire.
  [[nodiscard, gnu::always_inline]] bool compare_exchange(T& expected, T desired, order success,
                                                          order failure) noexcept {
    return detail::exchange(&value_, expected, desired, success, failure);
  }
  /// Adds and returns what was there before.
  [[gnu::always_inline]] T fetch_add(T value, order o) noexcept { return detail::add(&value_, value, o); }
  /// The word's address, for a port that hands it to a futex call or a monitor instruction. Not for access.
  [[nodiscard]] const T* address() const noexcept { return &value_; }

 private:
  T value_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
