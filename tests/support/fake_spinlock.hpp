// SPDX-License-Identifier: BSL-1.0
#pragma once
// A hardware spinlock as the RP2040 has 32 of: a read takes it and is not zero, or is zero; a write frees it. And what
// PRIMASK does, for the thread that is the core.

#include <lastcpu/archetype.hpp>
#include <lastcpu/locked_atomic.hpp>

#include <thread>

namespace lastcpu::test {

struct spinlock_register {
  [[nodiscard]] uint32_t read() noexcept {
    uint32_t free = 0;
    return word.compare_exchange(free, 1, order::acquire, order::relaxed) ? 1 : 0;
  }
  void write() noexcept { word.store(0, order::release); }
  lastcpu::atomic<uint32_t> word;
};

struct fake_spinlock {
  static inline spinlock_register hardware;
  static inline thread_local bool irqs_off = false;
  static inline thread_local uint32_t taken = 0;  // how often this core has had it

  static uintptr_t lock() noexcept {
    const uintptr_t saved = irqs_off ? 1 : 0;
    irqs_off = true;
    while (hardware.read() == 0) std::this_thread::yield();
    ++taken;
    return saved;
  }
  static void unlock(uintptr_t saved) noexcept {
    hardware.write();
    irqs_off = saved != 0;
  }
};

/// A machine of four cores whose shared words are made of that.
struct locked_port : archetype {
  static inline thread_local cpu_id me = 0;
  static cpu_id this_cpu() noexcept { return me; }
  static constexpr bool has_nmi = false;
  template <class T>
  using atomic = locked_atomic<T, fake_spinlock>;
  template <class T>
  static bool wait_while(const atomic<T>& word, T value, uint64_t) noexcept {
    if (word.load(order::acquire) == value) std::this_thread::yield();
    return true;
  }
  template <class T>
  static void wake(const atomic<T>&, wake_reason) noexcept {}
};
static_assert(platform_checked<locked_port>);

}  // namespace lastcpu::test
