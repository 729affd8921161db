// SPDX-License-Identifier: BSL-1.0
#pragma once
// A policy that prints the report of a panic by one function of the kernel:
//
//     void serial_puts(const char* piece) noexcept;
//     constinit lastcpu::crash_domain<my_port, lastcpu::reporting_policy<serial_puts>> machine;
//
//     lastcpu: CPU 1 panicked: out of memory
//     lastcpu:   rip ffffffff80201c2e rsp ffffffff80405f30 rbp ffffffff80405f60 rflags 0000000000000006
//     lastcpu:   rax 000000000000002a ...
//     lastcpu: CPU 0 stopped by nmi
//     lastcpu: CPU 2 lost the race: no such device; in NMI: watchdog
//
// Behind the stop, on the owner, with interrupts off: the CPU that crashed first, then each other one. A message is one
// line, whatever bytes it has. A fault in the function goes on with the next CPU. A stopped CPU may hold the console's
// lock: go round it where machine.on_this_cpu(). Of the registers those are printed that for_each_register() names
// (platform/x86_64/registers.hpp); a kernel with a structure of its own defines one beside it.
// Derive from it, as from panic_policy, to decide more.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/detail/deadline.hpp>
#include <lastcpu/kexec_outcome.hpp>
#include <lastcpu/panic_policy.hpp>

#include <stdint.h>

namespace lastcpu {

/// What a report looks like. Derive, supply `static void put(const char* piece) noexcept` and hide what you want different.
/// `put` gets pieces; "\n" ends a line.
struct report_style {
  /// Bytes kept of each message, the closing zero included; 0: texts are printed at once, or never.
  static constexpr uint32_t message_bytes = panic_policy::message_bytes;
  /// As the port's; 9 and fewer have one digit.
  static constexpr cpu_id max_cpus = no_cpu;
  /// Bytes of a text that go to `put` at once, from the stack.
  static constexpr uint32_t piece_bytes = 24;
  /// How each CPU was stopped, or only that it was.
  static constexpr bool says_how = true;
  /// As the port's: a core without compare-exchange has one of its own.
  template <class T>
  using atomic = lastcpu::atomic<T>;
  // Optional: static cpu_id known_cpus() noexcept, for the first line.
};

namespace detail {

// Not inside a function: gcc would make a call of memcpy of it on some machines.
constexpr const char* const report_outcomes[] = {" is absent",      " panicked",       " lost the race",
                                                 " stopped by irq", " stopped by nmi", " is forced down",
                                                 " is silent",      " is gone"};

template <class Registers, class F>
concept has_named_registers = requires(const Registers& r, F f) {
  for_each_register(r, f);
};

/// The pieces of a report.
template <class Style>
class report_lines {
 public:
  static void begin(const char* what) noexcept {
    if (begun_.load(order::relaxed) != 0) Style::put("\n");
    begun_.store(1, order::relaxed);
    Style::put(what);
  }
  static void begin(cpu_id cpu, const char* what) noexcept {
    begin("lastcpu: CPU ");
    if (Style::says_how && cpu == no_cpu)
      Style::put("without a number");
    else
      number(cpu);
    Style::put(what);
  }
  static void end() noexcept {
    Style::put("\n");
    begun_.store(0, order::relaxed);
  }

  [[nodiscard]] static const char* outcome(stop_state s) noexcept {
    if constexpr (Style::says_how)
      return report_outcomes[static_cast<uint32_t>(s)];
    else
      return s == stop_state::silent ? " is silent" : " has stopped";
  }

  static void number(uint32_t n) noexcept {
    char digits[11];
    char* first = digits + sizeof digits - 1;
    *first = '\0';
    while (Style::max_cpus > 9 && n > 9) {
      const auto tens = static_cast<uint32_t>(divide(n, 10));
      *--first = static_cast<char>('0' + (n - tens * 10));
      n = tens;
    }
    *--first = static_cast<char>('0' + n);
    Style::put(first);
  }

  /// In pieces, and control characters as spaces: a new line in a text does not look like a new line of the report.
  static void text(const char* before, const char* text) noexcept {
    if (*text != '\0') Style::put(before);
    while (*text != '\0') {
      char piece[Style::piece_bytes];
      uint32_t n = 0;
      for (; n + 1 < sizeof piece && *text != '\0'; ++text, ++n) {
        const auto c = static_cast<unsigned char>(*text);
        piece[n] = c < ' ' || c == 0x7f ? ' ' : *text;
      }
      piece[n] = '\0';
      Style::put(piece);
    }
  }

  /// Four in a line; begin() ends the one before.
  template <class Registers>
  static void registers(const Registers& regs) noexcept {
    uint32_t n = 0;
    for_each_register(regs, [&n](const char* name, uintptr_t value) noexcept { one_of(n++, name, value); });
    if (n != 0) end();
  }

 private:
  [[gnu::noinline]] static void one_of(uint32_t n, const char* name, uintptr_t value) noexcept {
    if (n % 4 == 0) begin("lastcpu:  ");
    Style::put(" ");
    Style::put(name);
    Style::put(" ");
    char hex[2 * sizeof value + 1];
    for (uint32_t i = 0; i < 2 * sizeof value; ++i, value <<= 4)
      hex[i] = "0123456789abcdef"[value >> (8 * sizeof value - 4)];
    hex[2 * sizeof value] = '\0';
    Style::put(hex);
  }

  // The owner's. A line that is begun and not ended was cut off by a fault.
  static inline constinit typename Style::template atomic<uint32_t> begun_{};
};

}  // namespace detail

/// The policy with a style of the kernel's.
template <class Style>
struct styled_report : panic_policy {
  /// The style's.
  static constexpr uint32_t message_bytes = Style::message_bytes;

  /// Where no text is kept the owner's line is printed now, or never.
  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    if constexpr (message_bytes == 0) {
      lines::begin(info.cpu, " panicked");
      lines::text(": ", info.message);
      lines::end();
    }
  }

  /// The lines of one CPU.
  template <class Registers>
  static void summary(const cpu_note<Registers>& n) noexcept {
    if (message_bytes != 0 || !n.crashing) line_of(n);
    if constexpr (detail::has_named_registers<Registers, void (*)(const char*, uintptr_t)>)
      if (n.registers != nullptr) lines::registers(*n.registers);
  }

  /// One line with the reason; none where no crash kernel was loaded: that need not be said.
  static void no_crash_kernel(kexec_outcome why) noexcept {
    if (why == kexec_outcome::no_image) return;
    lines::begin("lastcpu: no crash kernel: ");
    Style::put(to_string(why));
    lines::end();
  }

 private:
  using lines = detail::report_lines<Style>;

  template <class Registers>
  static void line_of(const cpu_note<Registers>& n) noexcept {
    lines::begin(n.cpu, n.crashing ? " panicked" : lines::outcome(n.state));
    if constexpr (message_bytes != 0) {
      if constexpr (requires { Style::known_cpus(); })
        if (n.crashing) Style::put(", CPUs known: "), lines::number(Style::known_cpus());
      lines::text(": ", n.message);
      lines::text("; in NMI: ", n.nmi_message);
      lines::text("; inside the panic: ", n.nested_message);
      if (n.cut_short) Style::put(" (cut short)");
    }
    lines::end();
  }
};

namespace detail {

template <auto Put>
struct put_style : report_style {
  static void put(const char* piece) noexcept { Put(piece); }
};

}  // namespace detail

/// The policy over one function, `void put(const char* piece) noexcept`, which gets pieces of a line; "\n" ends it.
template <auto Put>
using reporting_policy = styled_report<detail::put_style<Put>>;

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
