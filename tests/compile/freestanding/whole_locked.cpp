// SPDX-License-Identifier: BSL-1.0
// A core without compare-exchange (Armv6-M), all of it in use.
#include <lastcpu/barebones.hpp>
#include <lastcpu/lastcpu.hpp>
#include <lastcpu/locked_atomic.hpp>

struct spinlock {
  static uintptr_t lock() noexcept {
    uintptr_t primask = 0;
#if defined(__arm__)
    asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(primask) : : "memory");
#endif
    while (*word() == 0) continue;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return primask;
  }
  static void unlock(uintptr_t primask) noexcept {
    __atomic_thread_fence(__ATOMIC_RELEASE);
    *word() = 1;
#if defined(__arm__)
    asm volatile("msr primask, %0" : : "r"(primask) : "memory");
#else
    (void)primask;
#endif
  }
  static volatile uint32_t* word() noexcept {
    return reinterpret_cast<volatile uint32_t*>(0xd000017c);
  }
};

// Not an archetype, whose words are lastcpu::atomic.
struct port {
  static constexpr lastcpu::cpu_id max_cpus = 2;
  static constexpr uint32_t cache_line = 1;
  static constexpr bool has_nmi = false;
  static lastcpu::cpu_id this_cpu() noexcept { return *reinterpret_cast<volatile uint32_t*>(0xd0000000); }
  static bool is_online(lastcpu::cpu_id) noexcept { return true; }
  template <class T>
  using atomic = lastcpu::locked_atomic<T, spinlock>;
  struct registers {
    uintptr_t pc, sp;
  };
  static void capture_registers(registers& r) noexcept { r.pc = r.sp = 0; }
  using irq_state = uint32_t;
  static irq_state irq_save() noexcept { return 0; }
  static void irq_restore(irq_state) noexcept {}
  static void send_stop(const lastcpu::cpu_set<max_cpus>&, lastcpu::stop_how) noexcept {}
  template <class T>
  static bool wait_while(const atomic<T>&, T, uint64_t at) noexcept {
    return now() < at;
  }
  template <class T>
  static void wake(const atomic<T>&, lastcpu::wake_reason) noexcept {}
  static uint64_t now() noexcept { return 0; }
  static uint64_t ticks_per_second() noexcept { return 0; }
  static void make_resettable() noexcept {}
  static void park() noexcept {
    for (;;) (void)this_cpu();
  }
  struct image {};
  static bool image_intact(const image&) noexcept { return false; }
  static void crash_shutdown(const registers&) noexcept {}
  static void jump(const image&) noexcept {}
  static void emergency_restart() noexcept {}
  static void halt() noexcept {}
};
static_assert(lastcpu::platform_checked<port>);

constinit lastcpu::crash_domain<port> machine;
constinit lastcpu::bare_domain<port> small;

template class lastcpu::crash_domain<port>;

extern "C" void kernel_stop_irq(const port::registers& regs) {
  small.handle_stop_irq(regs);
}
extern "C" [[noreturn]] void kernel_small_panic(const char* message, const port::registers* regs) {
  small.panic(message, regs);
}
extern "C" [[noreturn]] void kernel_panic(const char* message, const port::registers* regs) {
  machine.panic(message, regs);
}
