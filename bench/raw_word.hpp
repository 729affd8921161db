// SPDX-License-Identifier: BSL-1.0
#pragma once
// The other side of the comparisons: one word, and the instructions that nobody can do without.

#include <stdint.h>

namespace lastcpu_bench {

/// `lock cmpxchg`, or what the compiler makes of a compare-exchange elsewhere. True when `word` was `expected`.
[[gnu::always_inline]] inline bool raw_compare_exchange(uintptr_t& word, uintptr_t expected, uintptr_t desired) {
#if defined(__x86_64__)
  bool swapped;
  asm volatile("lock cmpxchgq %[desired], %[word]"
               : [word] "+m"(word), "+a"(expected), "=@ccz"(swapped)
               : [desired] "r"(desired)
               : "memory");
  return swapped;
#else
  return __atomic_compare_exchange_n(&word, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
#endif
}

/// A plain `mov` on x86-64.
[[gnu::always_inline]] inline uintptr_t raw_load(const uintptr_t& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

/// A plain `mov` on x86-64.
[[gnu::always_inline]] inline void raw_store(uintptr_t& word, uintptr_t value) {
  __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}

}  // namespace lastcpu_bench
