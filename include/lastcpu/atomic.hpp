// SPDX-License-Identifier: BSL-1.0
#pragma once
// The shared word: one lock-free atomic on compiler builtins, for ports whose `P::atomic` needs nothing special.
//
// Guarantee: every operation is a machine instruction or a short sequence of them; never a lock, never a library
// call. Works in thread, irq and NMI context, with interrupts on or off.
// Not here: sequential consistency (nothing in lastcpu needs it), fences (they blind ThreadSanitizer; the order
// stands on the operation instead), 8- and 16-byte-wide-on-32-bit words.

#include <stddef.h>
#include <stdint.h>

namespace lastcpu {

/// Memory order of one operation; the values are the compiler's own.
enum class order : int {
  relaxed = __ATOMIC_RELAXED,
  acquire = __ATOMIC_ACQUIRE,
  release = __ATOMIC_RELEASE,
  acq_rel = __ATOMIC_ACQ_REL,
};

/// A word that several CPUs share. `T` is an integer or pointer of 32 bits or of pointer size.
/// Zero-initialised it holds T{}, so that it may live in .bss. It is neither copied nor moved.
template <class T>
class atomic {
  static_assert(sizeof(T) == 4 || sizeof(T) == sizeof(void*),
                "lastcpu: a shared word has 32 bits or the size of a pointer");
  static_assert(__atomic_always_lock_free(sizeof(T), nullptr),
                "lastcpu: this machine has no lock-free atomic of this size; the crash path may not take a lock");

 public:
  constexpr atomic() noexcept = default;
  constexpr explicit atomic(T value) noexcept : value_(value) {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  [[nodiscard, gnu::always_inline]] T load(order o) const noexcept {
    return __atomic_load_n(&value_, static_cast<int>(o));
  }
  [[gnu::always_inline]] void store(T value, order o) noexcept {
    __atomic_store_n(&value_, value, static_cast<int>(o));
  }
  /// Replaces `expected` by `desired`; true on success. On failure `expected` becomes what was seen instead.
  /// Never fails spuriously. `failure` is relaxed or acquire.
  [[nodiscard, gnu::always_inline]] bool compare_exchange(T& expected, T desired, order success,
                                                          order failure) noexcept {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, static_cast<int>(success),
                                       static_cast<int>(failure));
  }
  /// Adds and returns what was there before.
  [[gnu::always_inline]] T fetch_add(T value, order o) noexcept {
    return __atomic_fetch_add(&value_, value, static_cast<int>(o));
  }
  /// Where the word lives, for a port that must name it to the machine (futex, monitor). Not for access.
  [[nodiscard]] const T* address() const noexcept { return &value_; }

 private:
  T value_{};
};

}  // namespace lastcpu
