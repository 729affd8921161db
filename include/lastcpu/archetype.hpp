// SPDX-License-Identifier: BSL-1.0
#pragma once
// Every member of a platform, of a machine of four CPUs that does nothing: to copy from. A port that derives from
// platform_defaults.hpp is shorter. The contract of each member is in platform.hpp.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform.hpp>

namespace lastcpu {

/// The port to copy: replace each body.
struct archetype {
  ///@{
  /// As platform.hpp says; here it does nothing.
  static constexpr cpu_id max_cpus = 4;
  static cpu_id this_cpu() noexcept { return 0; }
  static bool is_online(cpu_id cpu) noexcept { return cpu == 0; }

  template <class T>
  using atomic = lastcpu::atomic<T>;

  /// What is saved for a CPU.
  struct registers {
    uintptr_t pc;  ///< program counter
    uintptr_t sp;  ///< stack pointer
    uintptr_t fp;  ///< frame pointer
  };
  static void capture_registers(registers& r) noexcept { r.pc = r.sp = r.fp = 0; }

  using irq_state = uint32_t;
  static irq_state irq_save() noexcept { return 0; }
  static void irq_restore(irq_state) noexcept {}

  static void send_stop(const cpu_set<max_cpus>&, stop_how) noexcept {}

  template <class T>
  static bool wait_while(const atomic<T>&, T, uint64_t at) noexcept {
    return now() < at;
  }
  template <class T>
  static void wake(const atomic<T>&, wake_reason) noexcept {}

  static uint64_t now() noexcept { return 0; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000; }

  static void make_resettable() noexcept {}
  [[noreturn]] static void park() noexcept {
    for (;;) {
    }
  }

  /// What describes a crash image.
  struct image {
    uintptr_t entry;  ///< where it begins
  };
  static bool image_intact(const image& i) noexcept { return i.entry != 0; }
  static void crash_shutdown(const registers&) noexcept {}
  static void jump(const image&) noexcept {}
  static void emergency_restart() noexcept {}
  static void halt() noexcept {}
  ///@}
};

static_assert(platform<archetype>);

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
