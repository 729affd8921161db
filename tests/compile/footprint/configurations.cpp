// SPDX-License-Identifier: BSL-1.0
// What a kernel pays in four configurations, of which one is 1: BAREBONES (no message, one rung, no summary), GATE_ONLY (a
// claim and a look), NO_CRASH_KERNEL and EVERYTHING (all calls, two rungs, a summary; the latter starts a crash kernel and
// hands it notes). Two CPUs. What the port itself does is the kernel's, hence only declared.
#include <lastcpu/atomic.hpp>
#include <lastcpu/barebones.hpp>
#include <lastcpu/panic.hpp>

struct port {
  static constexpr lastcpu::cpu_id max_cpus = 2;
  static constexpr uint32_t cache_line = SMALL ? 1 : 64;
  static constexpr bool has_nmi = !BAREBONES;
  static lastcpu::cpu_id this_cpu() noexcept;
  static bool is_online(lastcpu::cpu_id cpu) noexcept;
  template <class T>
  using atomic = lastcpu::atomic<T>;
  struct registers {
    uintptr_t r[8];
  };
  static void capture_registers(registers& r) noexcept;
  using irq_state = uintptr_t;
  static irq_state irq_save() noexcept;
  static void irq_restore(irq_state s) noexcept;
  static void send_stop(const lastcpu::cpu_set<max_cpus>& cpus, lastcpu::stop_how how) noexcept;
  template <class T>
  static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    if (word.load(lastcpu::order::acquire) == value) relax();  // (1) acquire: pairs with the caller's release
    return BAREBONES || now() < at;
  }
  static void relax() noexcept;
  template <class T>
  static void wake(const atomic<T>&, lastcpu::wake_reason) noexcept {}
#if BAREBONES
  static uint64_t now() noexcept {
    return 0;
  }
  static uint64_t ticks_per_second() noexcept {
    return 0;
  }
#else
  static uint64_t now() noexcept;
  static uint64_t ticks_per_second() noexcept {
    return 1'000'000;
  }
#endif
  static void make_resettable() noexcept {}
  [[noreturn]] static void park() noexcept;
#if EVERYTHING
  struct image {
    uintptr_t entry;
  };
  static bool image_intact(const image& i) noexcept;
  static void crash_shutdown(const registers& r) noexcept;
  static void jump(const image& i) noexcept;
  static void save_note(const image& i, const lastcpu::cpu_note<registers>& n) noexcept;
#else
  struct image {};
  static bool image_intact(const image&) noexcept {
    return false;
  }
  static void crash_shutdown(const registers&) noexcept {}
  static void jump(const image&) noexcept {}
#endif
  static void emergency_restart() noexcept;
  static void halt() noexcept;
};

struct policy : lastcpu::panic_policy {
#if BAREBONES
  static constexpr uint32_t message_bytes = 0;
#else
  static constexpr uint32_t message_bytes = 60;
  static void summary(const lastcpu::cpu_note<port::registers>& n) noexcept;
#endif
  static void report(const lastcpu::panic_info<port::registers>& p) noexcept;
};

#if GATE_ONLY

constinit lastcpu::panic_cpu<port> gate;
bool try_to_die() {
  return gate.claim(lastcpu::hold::final).won();
}
bool somebody_dies() {
  return gate.in_progress();
}

#else

#if BAREBONES
constinit lastcpu::bare_domain<port, policy> machine;
#else
constinit lastcpu::crash_domain<port, policy> machine;
void die_in_nmi(const char* why, const port::registers& r) {
  machine.nmi_panic(why, r);
}
void on_nmi(const port::registers& r) {
  machine.handle_nmi(r);
}
void on_oops(const port::registers& r) {
  (void)machine.oops(r, "oops");
}
#endif
void die(const char* why, const port::registers* r) {
  machine.panic(why, r);
}
void on_stop(const port::registers& r) {
  machine.handle_stop_irq(r);
}
#if EVERYTHING
bool load(const port::image& image) {
  return machine.image().load(image) == lastcpu::load_outcome::loaded;
}
bool unload() {
  return machine.image().unload() == lastcpu::unload_outcome::unloaded;
}
#endif

#endif
