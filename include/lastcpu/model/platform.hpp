// SPDX-License-Identifier: BSL-1.0
#pragma once
// The port to the model: lastcpu::model::platform<N> is a machine of N CPUs whose every interleaving is explored.
//
// Its words may only be used in a scenario (explore.hpp), as members of it.

#include <lastcpu/model/operations.hpp>
#include <lastcpu/platform.hpp>

namespace lastcpu::model {

[[nodiscard]] inline machine& running() noexcept {
  return *machine::running;
}

template <class T>
class atomic {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);

 public:
  constexpr atomic() noexcept = default;
  constexpr explicit atomic(T value) noexcept : value_(value) {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  [[nodiscard]] T load(order o) const noexcept { return act_on(act::load, o, o, 0, 0); }
  void store(T value, order o) noexcept { (void)act_on(act::store, o, o, 0, from(value)); }
  [[nodiscard]] bool compare_exchange(T& expected, T desired, order success, order failure) noexcept {
    const T wanted = expected;
    expected = act_on(act::exchange, success, failure, from(wanted), from(desired));
    return outside() ? expected == wanted : running().me().done;
  }
  T fetch_add(T value, order o) noexcept { return act_on(act::add, o, o, 0, from(value)); }

  [[nodiscard]] uint8_t word() const noexcept { return running().word_at(this, from(value_)); }

 private:
  [[nodiscard]] static uint64_t from(T v) noexcept {
    uint64_t out = 0;
    std::memcpy(&out, &v, sizeof(T));
    return out;
  }
  [[nodiscard]] static T to(uint64_t v) noexcept {
    T out{};
    std::memcpy(&out, &v, sizeof(T));
    return out;
  }
  [[nodiscard]] static bool outside() noexcept { return machine::running == nullptr || !running().on_fiber(); }

  // Before the CPUs start and after they have ended a word is what it was last.
  T act_on(act what, order success, order failure, uint64_t wanted, uint64_t desired) const noexcept {
    machine& m = running();
    const uint8_t w = word();
    if (m.on_fiber()) {
      (void)m.perform({what, w, success, failure, wanted, desired, 0});
      return to(m.me().result);
    }
    const uint64_t was = m.now.mem.word[w].value;
    if (what == act::store || (what == act::exchange && was == wanted)) m.now.mem.word[w].value = desired;
    if (what == act::add) m.now.mem.word[w].value = was + desired;
    return to(was);
  }

  T value_{};
};

template <cpu_id N>
struct platform {
  static_assert(N <= max_machine);
  static constexpr cpu_id max_cpus = N;
  static cpu_id this_cpu() noexcept { return running().this_cpu(); }
  static bool is_online(cpu_id cpu) noexcept { return running().now.cpu[cpu].online; }

  template <class T>
  using atomic = model::atomic<T>;

  struct registers {
    uintptr_t pc;
  };
  static constexpr uintptr_t captured = 0x100;
  static void capture_registers(registers& r) noexcept { r.pc = captured + this_cpu(); }

  using irq_state = uint32_t;
  static irq_state irq_save() noexcept {
    const irq_state was = running().me().irqs_on ? 1 : 0;
    running().me().irqs_on = false;
    return was;
  }
  static void irq_restore(irq_state s) noexcept { running().me().irqs_on = s != 0; }

  static void send_stop(const cpu_set<N>& cpus, stop_how how) noexcept {
    uint64_t targets = 0;
    cpus.for_each([&targets](cpu_id cpu) { targets |= uint64_t{1} << cpu; });
    perform(act::send, targets, how == stop_how::nmi ? 1 : 0);
  }

  template <class T>
  static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    machine& m = running();
    const uint8_t w = word.word();
    uint64_t wanted = 0;
    std::memcpy(&wanted, &value, sizeof(T));
    for (;;) {
      if (m.me().clock >= at) return false;
      (void)m.perform({act::arm, w, order::relaxed, order::relaxed, wanted, 0, at});
      if (m.me().result != wanted) return true;
      if (m.perform({act::sleep, w, order::relaxed, order::relaxed, wanted, 0, at})) return m.me().done;
    }
  }
  template <class T>
  static void wake(const atomic<T>& word) noexcept {
    (void)running().perform({act::wake, word.word(), order::relaxed, order::relaxed, 0, 0, 0});
  }

  static uint64_t now() noexcept { return running().me().clock; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000; }

  static void make_resettable() noexcept {}
  [[noreturn]] static void park() noexcept {
    if (!running().me().parked) running().record("parks for good");
    running().me().parked = true;
    for (;;) perform(act::idle, 0, 0);
  }

  struct image {
    uintptr_t id;
  };
  static constexpr uintptr_t damaged = 0x8000;  // in an id: never whole
  static bool image_intact(const image& i) noexcept {
    running().uses(&i, sizeof(i));
    return i.id != 0 && (i.id & damaged) == 0 && i.id != running().now.damaged;
  }
  static void crash_shutdown(const registers& r) noexcept { running().uses(&r, sizeof(r)); }
  static void jump(const image& i) noexcept {
    running().uses(&i, sizeof(i));
    end(ending::jumped);
  }
  static void emergency_restart() noexcept { end(ending::restarted); }
  static void halt() noexcept { end(ending::halted); }

  static void save_note(const image&, const cpu_note<registers>& n) noexcept {
    if (n.registers != nullptr) running().uses(n.registers, sizeof(*n.registers));
    if (n.cut_short) return;  // a part of a text that is being written is not ordered, and marked as such
    for (const char* text : {n.message, n.nmi_message, n.nested_message})
      if (text != nullptr && *text != '\0') running().uses(text, 8);
  }
  static void trace(const trace_event& e) noexcept { running().trace(e); }

 private:
  static void perform(act what, uint64_t wanted, uint64_t desired) noexcept {
    (void)running().perform({what, 0, order::relaxed, order::relaxed, wanted, desired, 0});
  }
  static void end(ending how) noexcept { perform(act::finish, 0, static_cast<uint64_t>(how)); }
};

}  // namespace lastcpu::model
