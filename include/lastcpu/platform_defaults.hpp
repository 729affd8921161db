// SPDX-License-Identifier: BSL-1.0
#pragma once
// All that a port need not write, to derive from. The smallest port:
//
//     struct my_port : lastcpu::platform_defaults<my_port> {
//       static constexpr lastcpu::cpu_id max_cpus = 8;
//       static lastcpu::cpu_id this_cpu() noexcept;
//       static bool is_online(lastcpu::cpu_id) noexcept;
//       static void send_stop_to(lastcpu::cpu_id, lastcpu::stop_how) noexcept;  // or send_stop(), for all at once
//       [[noreturn]] static void park() noexcept;
//     };
//     static_assert(lastcpu::platform_checked<my_port>);
//
// A member of the port with the name of one below takes its place; the contract of each is in platform.hpp. What is given
// up by leaving it out:
// - now(), ticks_per_second(): there is no clock. Waits count rounds, and how long a stop takes depends on the machine.
// - registers, capture_registers(): of a panic that hands over none, only the place is known.
// - image and what belongs to it: there is no crash kernel.
// - emergency_restart(), halt(): the owner parks at the end.
// - make_resettable(): a virtual-machine mode that is on stays on.
// Not here: adopt_this_cpu(), hardware_id() and the other optional members; x86_64.hpp, a whole machine.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/interrupt_mask.hpp>
#include <lastcpu/platform.hpp>

#include <stdint.h>

namespace lastcpu {

/// Where a CPU was.
struct place_registers {
  uintptr_t pc;  ///< program counter
  uintptr_t sp;  ///< stack pointer
  uintptr_t fp;  ///< frame pointer
};

/// f(name, value) for each, for a report.
template <class F>
constexpr void for_each_register(const place_registers& r, F f) noexcept {
  f("pc", r.pc), f("sp", r.sp), f("fp", r.fp);
}

/// The place from which the function was called that this one is inlined in. Any context.
[[gnu::always_inline]] inline void capture_place(uintptr_t& pc, uintptr_t& sp, uintptr_t& fp) noexcept {
  pc = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  sp = fp = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

namespace detail {

template <class Port>
concept asks_one_cpu = requires(cpu_id cpu, stop_how how) {
  Port::send_stop_to(cpu, how);
};

}  // namespace detail

/// The defaults for the port `Port`, which derives from it.
template <class Port>
struct platform_defaults {
  ///@{
  /// As platform.hpp says: the compiler's own atomic words, and the place of a panic that hands over no registers.
  template <class T>
  using atomic = lastcpu::atomic<T>;

  using registers = place_registers;
  [[gnu::noinline]] static void capture_registers(registers& r) noexcept { capture_place(r.pc, r.sp, r.fp); }
  ///@}

  ///@{
  /// By the machine's own instructions. Kernel mode only.
  using irq_state = detail::interrupt_mask;
  [[nodiscard]] static irq_state irq_save() noexcept { return detail::mask_interrupts(); }
  static void irq_restore(irq_state before) noexcept { detail::unmask_interrupts(before); }
  ///@}

  /// One after the other, for a port that asks a single CPU.
  template <cpu_id N, class One = Port>
  requires detail::asks_one_cpu<One>
  static void send_stop(const cpu_set<N>& cpus, stop_how how) noexcept {
    cpus.for_each([how](cpu_id cpu) { One::send_stop_to(cpu, how); });
  }

  /// Polls: one look and one relax() for each call. Acquires what was stored before the change.
  template <class T>
  [[nodiscard]] static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    if (word.load(order::acquire) == value) Port::relax();  // (1) acquire: pairs with the caller's release
    return Port::now() < at;
  }
  /// Nobody sleeps.
  template <class T>
  static void wake(const atomic<T>&, wake_reason) noexcept {}
  /// The machine's hint that this is a loop which waits; none where it has none.
  static void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    asm volatile("pause");
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
    asm volatile("yield");
#endif
  }

  ///@{
  /// There is no clock.
  [[nodiscard]] static uint64_t now() noexcept {
    return 0;
  }
  [[nodiscard]] static uint64_t ticks_per_second() noexcept {
    return 0;
  }
  ///@}

  /// Nothing keeps a reset from working.
  static void make_resettable() noexcept {}

  /// There is no crash kernel.
  struct image {};
  ///@{
  /// As there is no crash kernel: no image is intact, none is started.
  [[nodiscard]] static bool image_intact(const image&) noexcept {
    return false;
  }
  template <class Registers>
  static void crash_shutdown(const Registers&) noexcept {}
  static void jump(const image&) noexcept {}
  ///@}

  ///@{
  /// Can't be done: who comes back from both parks.
  static void emergency_restart() noexcept {}
  static void halt() noexcept {}
  ///@}
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
