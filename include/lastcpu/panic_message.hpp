// SPDX-License-Identifier: BSL-1.0
#pragma once
// The messages of panics: one text per CPU and context, kept to the end of the machine.
//
// Guarantee: no message is overwritten by a later one. A CPU writes only its own texts, each once, and before it claims
// the gate. The registers of the crash are kept under the same mark: from `writing` on there was a crash, at `ready`
// text and registers are whole. When a CPU is stopped while it writes, what it has written stays, marked `writing`. A
// text that is too long is cut. Nothing is formatted here: a kernel that formats its message does so in the text itself,
// before the panic (format() and formatted()). After OpenBSD's per-CPU panic buffers.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/platform.hpp>

namespace lastcpu {

/// In which context a CPU panicked.
enum class panic_context : uint8_t {
  normal,  ///< thread or irq
  nmi,     ///< in an NMI handler
  nested,  ///< inside its own panic
};

/// How far a text has come.
enum class message_state : uint32_t {
  none,       ///< there is none
  writing,    ///< begun: there was a crash, and the text is not whole
  ready,      ///< whole, and so are its registers
  formatted,  ///< the text is whole, its registers are not kept yet: the panic has not begun
};

/// The texts of all CPUs, usable alone; a crash_domain has one. `Bytes` for each text, the closing zero included; 0
/// keeps none. A CPU writes its own, any context; anybody reads.
template <class P, uint32_t Bytes>
class panic_messages {
  static_assert(platform_checked<P>);
  static_assert(Bytes == 0 || Bytes >= 16,
                "lastcpu: a panic message of less than 16 bytes tells nobody anything; 0 keeps none");

 public:
  /// No text. All zeros.
  constexpr panic_messages() noexcept = default;

  ///@{
  /// Keeps `text` for `me` in `context`; null: the text that was formatted there, else "(no message)". False when there
  /// is a text already, or one is being written: the first one stays. `keep_the_rest()` is called under the same mark,
  /// before the text is copied, and keeps what belongs to the text. `me` is this CPU, or P::max_cpus for the one without
  /// a number that panics; any context.
  /// relaxed: the exchange only decides which attempt is the first; complete() publishes the text.
  template <class Rest>
  [[gnu::always_inline]] bool keep(cpu_id me, panic_context context, const char* text, Rest keep_the_rest) noexcept {
    if (me > P::max_cpus) return false;
    slot& s = at(me, context);
    const message_state begun = begin(s, text);
    if (begun == message_state::none) return false;
    keep_the_rest();
    complete(s, begun, text);
    return true;
  }
  bool keep(cpu_id me, panic_context context, const char* text) noexcept {
    return keep(me, context, text, []() noexcept {});
  }
  ///@}

  /// Where this CPU formats the text of a panic that it begins next: `room` bytes, the closing zero included. Null when
  /// there is a text already. Call formatted() when the text is whole. A panic between the two, by a fault in the
  /// formatting, leaves the text as far as it was written.
  [[nodiscard]] char* format(cpu_id me, panic_context context) noexcept {
    if (Bytes == 0 || me > P::max_cpus) return nullptr;
    uint32_t none = word(message_state::none);
    slot& s = at(me, context);
    const bool mine = s.state.compare_exchange(none, word(message_state::writing), order::relaxed, order::relaxed);
    return mine ? s.text : nullptr;
  }
  /// The text is whole, from the CPU that formats it. False when none is being formatted; nothing changed then.
  bool formatted(cpu_id me, panic_context context) noexcept {
    if (state(me, context) != message_state::writing) return false;
    slot& s = at(me, context);
    static_cast<volatile char&>(s.text[room - 1]) = '\0';
    s.state.store(word(message_state::formatted), order::release);  // (1)
    return true;
  }
  /// Bytes of a text, its closing zero included.
  static constexpr uint32_t room = Bytes != 0 ? Bytes : 1;

  /// Keeps `text` as the n-th spare one, for a CPU without a number that did not get the place. `n` is from
  /// place::take_spare(), n < spares.
  void keep_spare(uint32_t n, const char* text) noexcept {
    slot& s = slots_[P::max_cpus + 1].by_context[n];
    s.state.store(word(message_state::writing), order::relaxed);
    complete(s, message_state::writing, text);
  }
  /// How many spare texts there are.
  static constexpr uint32_t spares = 3;
  ///@{
  /// The n-th spare text, empty when there is none. `cut` is true while it is being written; whether its CPU was
  /// stopped there is not known.
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
  ///@}

  /// How far this text has come; acquires what was stored before it was whole. Any context.
  [[nodiscard]] message_state state(cpu_id cpu, panic_context context) const noexcept {
    if (cpu > P::max_cpus) return message_state::none;
    return static_cast<message_state>(at(cpu, context).state.load(order::acquire));  // (2) acquire: pairs with (1)
  }

  /// The text, empty when there is none. A caller that knows that the CPU has acknowledged its stop says `stopped`: it
  /// then also gets the part of a text that was being written.
  [[nodiscard]] const char* text(cpu_id cpu, panic_context context, bool stopped) const noexcept {
    return cpu > P::max_cpus ? "" : text_in(at(cpu, context), stopped, state(cpu, context));
  }

  /// Puts a CPU's texts into its note. True when there are any.
  template <class Registers>
  bool describe(cpu_id cpu, bool stopped, cpu_note<Registers>& out) const noexcept {
    return cpu <= P::max_cpus && describe(slots_[cpu].by_context, 3, stopped, out);
  }
  /// The same for the n-th spare text.
  template <class Registers>
  bool describe_spare(uint32_t n, cpu_note<Registers>& out) const noexcept {
    return describe(slots_[P::max_cpus + 1].by_context + n, 1, false, out);
  }

 private:
  struct slot {
    typename P::template atomic<uint32_t> state{};
    char text[room]{};  // zeros, so that a text that breaks off is terminated
  };
  struct alignas(detail::cache_line<P>()) cpu_slots {
    slot by_context[spares]{};
  };
  static_assert(spares == 3,
                "lastcpu: a CPU has a text for each panic_context, and the spare ones lie in a block like it");

  // Each state is read once: state and text agree, also where the CPU goes on writing.
  template <class Registers>
  static bool describe(const slot* from, uint32_t n, bool stopped, cpu_note<Registers>& out) noexcept {
    using note = cpu_note<Registers>;
    static constexpr const char* note::*texts[] = {&note::message, &note::nmi_message, &note::nested_message};
    bool said = false, cut = false;
    out.nmi_message = out.nested_message = "";
    for (uint32_t i = 0; i < n; ++i) {
      const auto seen = static_cast<message_state>(from[i].state.load(order::acquire));  // (2)
      out.*texts[i] = text_in(from[i], stopped, seen);
      said |= seen != message_state::none;
      cut |= seen == message_state::writing;
    }
    out.cut_short = cut;
    return said;
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
  // What there is to be completed: `writing`, a text that is begun here, by the first attempt; `formatted`, for a panic
  // that brings no text of its own; `none`, nothing.
  [[nodiscard]] static message_state begin(slot& s, const char* text) noexcept {
    uint32_t seen = word(message_state::none);
    if (s.state.compare_exchange(seen, word(message_state::writing), order::relaxed, order::relaxed))
      return message_state::writing;
    return text == nullptr && seen == word(message_state::formatted) ? message_state::formatted : message_state::none;
  }
  // Copies the text that is begun, and marks it ready. volatile: a compiler may not turn the loop into a call of a string
  // function.
  [[gnu::noinline]] static void complete(slot& s, message_state begun, const char* text) noexcept {
    volatile char* to = s.text;
    const char* from = text != nullptr ? text : "(no message)";
    if (begun == message_state::writing)
      for (uint32_t i = 0; i + 1 < room && from[i] != '\0'; ++i) to[i] = from[i];
    s.state.store(word(message_state::ready), order::release);  // (1) release: pairs with acquire (2)
  }

  cpu_slots slots_[P::max_cpus + 2]{};  // the last but one: of the CPU that has the place; the last one: the spares
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
