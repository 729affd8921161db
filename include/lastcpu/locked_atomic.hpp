// SPDX-License-Identifier: BSL-1.0
#pragma once
// A port's `P::atomic` for cores without compare-exchange (Armv6-M, RISC-V without A): a hardware spinlock with interrupts
// off. docs/port.md has it for the RP2040.
//
//     struct spinlock {
//       static uintptr_t lock() noexcept;           // interrupts off on this core, then waits for the lock
//       static void unlock(uintptr_t saved) noexcept;  // frees the lock, then interrupts as they were
//     };
//     template <class T> using atomic = lastcpu::locked_atomic<T, spinlock>;
//
// Guarantee: every operation has acquire and release, whatever was asked for. A load takes no lock, so a handler that finds
// nothing wrong waits for nobody. The wait in lock() is bounded: who holds the lock executes three accesses to memory.
// - Not in NMI context: an NMI may have interrupted the holder on its own core. Such a port says has_nmi = false.
// - Whoever takes a core away (force_stop(), a debugger) frees the lock that it may hold.
// - The lock is lastcpu's alone: one that the kernel holds at a crash is never free again.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>

#include <stdint.h>

namespace lastcpu {

/// A word that several CPUs share, as lastcpu::atomic: `T` has 32 bits or pointer size, all zeros is T{}. Thread or irq
/// context. The orders are not looked at: each operation has the strongest of them, acquire and release.
template <class T, class Lock>
class locked_atomic {
  static_assert(sizeof(T) == 4 || sizeof(T) == sizeof(void*),
                "lastcpu: a shared word has 32 bits or the size of a pointer");

 public:
  /// T{}.
  constexpr locked_atomic() noexcept = default;
  /// `value`, stored plainly: before anybody shares the word.
  constexpr explicit locked_atomic(T value) noexcept : value_(value) {}
  locked_atomic(const locked_atomic&) = delete;
  locked_atomic& operator=(const locked_atomic&) = delete;

  /// What the word holds. Takes no lock.
  [[nodiscard]] T load(order) const noexcept { return read(); }

  /// Replaces what the word holds; under the lock, or a compare_exchange() could overwrite it.
  void store(T value, order) noexcept {
    const uintptr_t saved = Lock::lock();
    write(value);
    Lock::unlock(saved);
  }

  /// Replaces `expected` by `desired` and returns true, or stores the value that was found to `expected` and returns
  /// false. Never fails spuriously.
  [[nodiscard]] bool compare_exchange(T& expected, T desired, order, order) noexcept {
    const uintptr_t saved = Lock::lock();
    const T found = read();
    const bool same = found == expected;
    if (same) write(desired);
    Lock::unlock(saved);
    expected = found;
    return same;
  }

  /// Adds and returns what was there before.
  T fetch_add(T value, order) noexcept {
    const uintptr_t saved = Lock::lock();
    const T before = read();
    write(before + value);
    Lock::unlock(saved);
    return before;
  }

 private:
  // A word that is aligned is read and written in one piece on these cores, too. clang calls a library for an atomic
  // access on Armv6-M, hence volatile there, and fences.
#if defined(__clang__) && defined(__ARM_ARCH_6M__)
  [[nodiscard]] T read() const noexcept {
    const T value = static_cast<const volatile T&>(value_);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return value;
  }
  void write(T value) noexcept {
    __atomic_thread_fence(__ATOMIC_RELEASE);
    static_cast<volatile T&>(value_) = value;
  }
#else
  [[nodiscard]] T read() const noexcept {
    return __atomic_load_n(&value_, __ATOMIC_ACQUIRE);
  }
  void write(T value) noexcept {
    __atomic_store_n(&value_, value, __ATOMIC_RELEASE);
  }
#endif

  T value_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
