// SPDX-License-Identifier: BSL-1.0
#pragma once
// The port to the model: lastcpu::model::platform<N> is a machine of N CPUs whose every interleaving is explored.
//
// Its words may only be used in a scenario (explore.hpp), as members of it.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/model/machine.hpp>
#include <lastcpu/platform.hpp>

#include <type_traits>

namespace lastcpu::model {

/// The machine that is explored; there must be one.
[[nodiscard]] inline machine& running() noexcept {
  return *machine::running;
}

/// A shared word of a scenario, a member of it. Each operation is a moment at which any other CPU, or an NMI, may come;
/// a load may return any store that the C++ memory model lets it. `T` has 32 or 64 bits.
template <class T>
class atomic {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);

 public:
  ///@{
  /// As lastcpu::atomic.
  constexpr atomic() noexcept : atomic(T{}) {}
  constexpr explicit atomic(T value) noexcept : value_(value) {
    if (!std::is_constant_evaluated() && machine::running != nullptr) running().add_word(this, bits(value));
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  [[nodiscard]] T load(order o) const noexcept { return act_on(act::load, o, o, 0, 0); }
  void store(T value, order o) noexcept { (void)act_on(act::store, o, o, 0, bits(value)); }
  [[nodiscard]] bool compare_exchange(T& expected, T desired, order success, order failure) noexcept {
    const T wanted = expected;
    expected = act_on(act::exchange, success, failure, bits(wanted), bits(desired));
    return expected == wanted;
  }
  T fetch_add(T value, order o) noexcept { return act_on(act::add, o, o, every_bit, bits(value)); }
  ///@}

  /// The model's number of this word.
  [[nodiscard]] uint8_t word() const noexcept { return running().word_at(this); }
  /// A value as the model keeps it.
  [[nodiscard]] static constexpr uint64_t bits(T value) noexcept { return (uint64_t)value & every_bit; }

 private:
  static constexpr uint64_t every_bit = ~uint64_t{0} >> (64 - 8 * sizeof(T));

  // Before the CPUs start and after they have ended a word is what it was last. Inline: a frame more may keep a value
  // that is no longer needed, and tell equal states apart.
  [[gnu::always_inline]] T act_on(act what, order success, order failure, uint64_t wanted,
                                  uint64_t desired) const noexcept {
    machine& m = running();
    if (m.on_fiber()) {
      m.perform({what, word(), success, failure, wanted, desired});
      return (T)m.me().result;
    }
    uint64_t& value = m.now.mem.word[word()].value;
    const uint64_t was = value;
    if (what == act::store || (what == act::exchange && was == wanted)) value = desired;
    if (what == act::add) value = (value + desired) & every_bit;
    return (T)was;
  }

  T value_{};
};

/// The port. Derive from it what your own port decides.
template <cpu_id N>
struct platform {
  static_assert(N <= max_machine);
  ///@{
  /// As lastcpu/platform.hpp says, of the machine that is explored.
  static constexpr cpu_id max_cpus = N;
  static cpu_id this_cpu() noexcept { return running().this_cpu(); }
  static bool is_online(cpu_id cpu) noexcept { return running().is_online(cpu); }

  template <class T>
  using atomic = model::atomic<T>;

  /// What is saved of a CPU.
  struct registers {
    uintptr_t pc;  ///< whatever the scenario makes of it
  };
  /// `pc` of captured registers, the CPU's number added.
  static constexpr uintptr_t captured = 0x100;
  static void capture_registers(registers& r) noexcept { r.pc = captured + this_cpu(); }

  using irq_state = uint32_t;
  static irq_state irq_save() noexcept { return running().mask_irqs(); }
  static void irq_restore(irq_state s) noexcept { running().me().irqs_on = s != 0; }

  static void send_stop(const cpu_set<N>& cpus, stop_how how) noexcept {
    uint64_t targets = 0;
    cpus.for_each([&targets](cpu_id cpu) { targets |= uint64_t{1} << cpu; });
    running().perform({.what = act::send, .wanted = targets, .desired = how == stop_how::nmi});
  }

  template <class T>
  static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    machine& m = running();
    const uint8_t w = word.word();
    const uint64_t wanted = atomic<T>::bits(value);
    while (m.me().clock < at)
      if (m.perform({.what = act::wait, .word = w, .wanted = wanted, .at = at})) return m.me().done;
    return false;
  }
  template <class T>
  static void wake(const atomic<T>& word, wake_reason = wake_reason::handed_on) noexcept {
    running().perform({.what = act::wake, .word = word.word()});
  }

  static uint64_t now() noexcept { return running().me().clock; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000; }

  static void make_resettable() noexcept {}
  [[noreturn]] static void park() noexcept {
    if (!running().me().parked) running().record(this_cpu(), "parks for good");
    running().me().parked = true;
    for (;;) running().perform({.what = act::idle});
  }

  /// What describes a crash image.
  struct image {
    uintptr_t id;  ///< 0: none
  };
  /// In an id: never intact.
  static constexpr uintptr_t damaged = 0x8000;
  static bool image_intact(const image& i) noexcept {
    running().uses(&i, sizeof(i));
    return i.id != 0 && (i.id & damaged) == 0;
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
  ///@}

 private:
  static void end(ending how) noexcept {
    running().perform({.what = act::finish, .desired = static_cast<uint64_t>(how)});
  }
};

}  // namespace lastcpu::model

#include <lastcpu/detail/end.hpp>
