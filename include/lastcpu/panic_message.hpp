// SPDX-License-Identifier: BSL-1.0
#pragma once
// What each CPU had to say when it panicked: one text per CPU and context, kept to the end.
//
// A text is written by its own CPU only, before it claims the gate, once. What belongs to it (the crash's registers) is
// kept under the same mark: from `writing` on there is a crash, at `ready` all of it is there. A CPU that is stopped in
// the middle keeps what it had, marked. Nothing is formatted here; a text that is too long is cut. A kernel that formats
// does so in the slot itself, before its panic: format() and formatted().
// After OpenBSD's per-CPU panic buffers: no message is overwritten by a later one.

#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/platform.hpp>

namespace lastcpu {

/// In which context a CPU panicked.
enum class panic_context : uint8_t {
  normal,  // thread or irq
  nmi,
  nested,  // inside its own panic
};

enum class message_state : uint32_t {
  none,
  writing,
  ready,
  formatted,  // whole, and what belongs to it is not kept yet: its panic has not begun
};

/// `Bytes` for each text, the closing zero included.
template <class P, uint32_t Bytes>
class panic_messages {
  static_assert(platform_checked<P>);
  static_assert(Bytes == 0 || Bytes >= 16,
                "lastcpu: a panic message of less than 16 bytes tells nobody anything; 0 keeps none");

 public:
  constexpr panic_messages() noexcept = default;

  /// Keeps `text` (null: the text that is formatted there, else "(no message)") for `me` in `context`. The first one stays: false when there is one, or
  /// one is being written. `keep_the_rest()` is called under the same mark, before the text is copied: it keeps what
  /// belongs to it. `me` is this CPU, or P::max_cpus for the one without a number that panics; any context.
  template <class Rest>
  bool keep(cpu_id me, panic_context context, const char* text, Rest keep_the_rest) noexcept {
    if (me > P::max_cpus) return false;
    slot& s = at(me, context);
    uint32_t none = word(message_state::none);
    if (s.state.compare_exchange(none, word(message_state::writing), order::relaxed, order::relaxed)) {
      keep_the_rest();
      complete(s, text);
      return true;
    }
    if (text != nullptr || none != word(message_state::formatted)) return false;
    keep_the_rest();
    s.state.store(word(message_state::ready), order::release);  // (1)
    return true;
  }
  bool keep(cpu_id me, panic_context context, const char* text) noexcept {
    return keep(me, context, text, []() noexcept {});
  }

  /// Room for this CPU to format the text of a panic that it begins next, the closing zero included; null when there is
  /// one. formatted() comes behind it. A panic that comes between them, from a fault in the formatting, leaves the text
  /// as far as it is written.
  [[nodiscard]] char* format(cpu_id me, panic_context context) noexcept {
    if (Bytes == 0 || me > P::max_cpus) return nullptr;
    uint32_t none = word(message_state::none);
    slot& s = at(me, context);
    const bool mine = s.state.compare_exchange(none, word(message_state::writing), order::relaxed, order::relaxed);
    return mine ? s.text : nullptr;
  }
  /// The text is whole. False when none is being formatted; nothing changed then.
  bool formatted(cpu_id me, panic_context context) noexcept {
    if (state(me, context) != message_state::writing) return false;
    slot& s = at(me, context);
    static_cast<volatile char&>(s.text[room - 1]) = '\0';
    s.state.store(word(message_state::formatted), order::release);  // (1)
    return true;
  }
  /// Bytes of a text, its closing zero included.
  static constexpr uint32_t room = Bytes != 0 ? Bytes : 1;

  /// Keeps `text` as the n-th spare one, of a further CPU that has no number. `n` is the caller's own, n < spares.
  void keep_spare(uint32_t n, const char* text) noexcept {
    slot& s = slots_[P::max_cpus + 1].by_context[n];
    s.state.store(word(message_state::writing), order::relaxed);
    complete(s, text);
  }
  static constexpr uint32_t spares = 3;
  /// The n-th spare text, n < spares; empty when there is none. Nobody can tell whether its CPU was stopped. `cut` says that
  /// it is being written.
  [[nodiscard]] const char* spare(uint32_t n, bool& cut) const noexcept {
    if (n >= spares) return "";
    const slot& s = slots_[P::max_cpus + 1].by_context[n];
    const auto seen = static_cast<message_state>(s.state.load(order::acquire));  // (2)
    cut = seen == message_state::writing;
    return text_in(s, false, seen);
  }
  [[nodiscard]] const char* spare(uint32_t n) const noexcept {
    bool cut = false;
    return spare(n, cut);
  }

  [[nodiscard]] message_state state(cpu_id cpu, panic_context context) const noexcept {
    if (cpu > P::max_cpus) return message_state::none;
    return static_cast<message_state>(at(cpu, context).state.load(order::acquire));  // (2) acquire: pairs with (1)
  }

  /// The text, empty when there is none. Of a text that was being written when its CPU was stopped only `stopped`
  /// callers may have the part that exists: those who know that the CPU has acknowledged its stop.
  [[nodiscard]] const char* text(cpu_id cpu, panic_context context, bool stopped) const noexcept {
    return text(cpu, context, stopped, state(cpu, context));
  }
  /// The same for who has read the state, so that state and text belong together: a CPU that was not stopped may write on.
  [[nodiscard]] const char* text(cpu_id cpu, panic_context context, bool stopped, message_state seen) const noexcept {
    return cpu > P::max_cpus ? "" : text_in(at(cpu, context), stopped, seen);
  }

  /// For a machine that starts anew (the child of a fork): nobody has said anything. No other CPU may be there yet.
  void forget() noexcept {
    const cpu_id limit = detail::cpu_limit<P>();
    for (cpu_id cpu = 0; cpu < limit; ++cpu) forget(slots_[cpu]);
    forget(slots_[P::max_cpus]);
    forget(slots_[P::max_cpus + 1]);
  }

 private:
  struct slot {
    typename P::template atomic<uint32_t> state{};
    char text[room]{};  // zero from the start: a text that breaks off has its end
  };
  struct alignas(detail::cache_line<P>()) cpu_slots {
    slot by_context[spares]{};
  };

  static void forget(cpu_slots& slots) noexcept {
    for (slot& s : slots.by_context) {
      s.state.store(word(message_state::none), order::relaxed);
      for (char& c : s.text) static_cast<volatile char&>(c) = '\0';
    }
  }
  [[nodiscard]] static const char* text_in(const slot& s, bool stopped, message_state seen) noexcept {
    if (seen >= message_state::ready || (seen == message_state::writing && stopped)) return s.text;
    return seen == message_state::writing ? "(being written)" : "";
  }
  [[nodiscard]] static constexpr uint32_t word(message_state s) noexcept { return static_cast<uint32_t>(s); }
  [[nodiscard]] slot& at(cpu_id cpu, panic_context c) noexcept {
    return slots_[cpu].by_context[static_cast<uint32_t>(c)];
  }
  [[nodiscard]] const slot& at(cpu_id cpu, panic_context c) const noexcept {
    return slots_[cpu].by_context[static_cast<uint32_t>(c)];
  }
  // volatile: no call of a string function may come out of it.
  [[gnu::noinline]] static void complete(slot& s, const char* text) noexcept {
    volatile char* to = s.text;
    const char* from = text != nullptr ? text : "(no message)";
    for (uint32_t i = 0; i + 1 < room && from[i] != '\0'; ++i) to[i] = from[i];
    s.state.store(word(message_state::ready), order::release);  // (1) release: pairs with acquire (2)
  }

  cpu_slots slots_[P::max_cpus + 2]{};  // the last but one: of a CPU without a number; the last one: spares
};

}  // namespace lastcpu
