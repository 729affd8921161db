// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a C kernel's panic reports: a line for each CPU by lastcpu_kernel_put(), or a note for lastcpu_kernel_report().
//
//     lastcpu: CPU 1 panicked, CPUs known: 4: out of memory
//     lastcpu: CPU 0 stopped by nmi
//     lastcpu: CPU 2 lost the race: no such device; in NMI: watchdog
//
// One line each, whatever bytes a text has. Included by instance.hpp.

#include <lastcpu/c/port.hpp>
#include <lastcpu/panic_policy.hpp>
#include <lastcpu/step.hpp>

namespace lastcpu::c {
namespace {

#if !LASTCPU_DEFAULT_REPORT || LASTCPU_IMAGE_BYTES
void copy(lastcpu_note& out, const cpu_note<registers>& n) noexcept {
  out.cpu = n.cpu;
  out.state = static_cast<lastcpu_state>(n.state);
  out.crashing = n.crashing ? 1 : 0;
  out.cut_short = n.cut_short ? 1 : 0;
  out.registers = to_kernel(n.registers);
  out.message = n.message;
  out.nmi_message = n.nmi_message;
  out.nested_message = n.nested_message;
}
#endif

#if LASTCPU_DEFAULT_REPORT

constinit lastcpu::atomic<uint32_t> line_begun;  // the owner's: a fault may have cut the last one off

void put_number(uint32_t n) noexcept {
  char digits[11];
  char* first = digits + sizeof digits - 1;
  *first = '\0';
  for (; LASTCPU_MAX_CPUS > 9 && n > 9; n = static_cast<uint32_t>(detail::divide(n, 10)))
    *--first = static_cast<char>('0' + (n - detail::divide(n, 10) * 10));
  *--first = static_cast<char>('0' + n);
  lastcpu_kernel_put(first);
}

// In pieces, and control characters as spaces: a new line in a text does not look like a new line of the report.
void put_text(const char* before, const char* text) noexcept {
  if (*text != '\0') lastcpu_kernel_put(before);
  while (*text != '\0') {
    char piece[LASTCPU_BAREBONES ? 2 : 24];
    uint32_t n = 0;
    for (; n + 1 < sizeof piece && *text != '\0'; ++text, ++n) {
      const auto c = static_cast<unsigned char>(*text);
      piece[n] = c < ' ' || c == 0x7f ? ' ' : *text;
    }
    piece[n] = '\0';
    lastcpu_kernel_put(piece);
  }
}

void begin_line(cpu_id cpu, const char* what) noexcept {
  if (line_begun.load(order::relaxed) != 0) lastcpu_kernel_put("\n");
  line_begun.store(1, order::relaxed);
  lastcpu_kernel_put("lastcpu: CPU ");
  if (!LASTCPU_BAREBONES && cpu == no_cpu)
    lastcpu_kernel_put("without a number");
  else
    put_number(cpu);
  lastcpu_kernel_put(what);
}
void end_line() noexcept {
  lastcpu_kernel_put("\n");
  line_begun.store(0, order::relaxed);
}

#if LASTCPU_BAREBONES
const char* outcome(stop_state s) noexcept {
  return s == stop_state::silent ? " is silent" : " has stopped";
}
#else
// Not inside the function: gcc would make a call of memcpy of it on some machines.
constexpr const char* const outcomes[] = {" is absent",      " panicked",       " lost the race", " stopped by irq",
                                          " stopped by nmi", " is forced down", " is silent",     " is gone"};
const char* outcome(stop_state s) noexcept {
  return outcomes[static_cast<uint32_t>(s)];
}
#endif

[[maybe_unused]] void put_texts(const cpu_note<registers>& n) noexcept {
  put_text(": ", n.message);
  put_text("; in NMI: ", n.nmi_message);
  put_text("; inside the panic: ", n.nested_message);
  if (n.cut_short) lastcpu_kernel_put(" (cut short)");
}

#endif

struct policy : panic_policy {
  // Who can't be reached by NMI has its time to answer the interrupt.
  static constexpr rung rungs[] = {{stop_how::irq, LASTCPU_NO_NMI ? LASTCPU_STOP_BUDGET_US : LASTCPU_IRQ_BUDGET_US},
                                   {stop_how::nmi, LASTCPU_STOP_BUDGET_US},
                                   {stop_how::forced, LASTCPU_FORCE_BUDGET_US}};
  static constexpr uint32_t message_bytes = LASTCPU_MESSAGE_BYTES;
  static constexpr uint32_t restart_delay_us = LASTCPU_RESTART_DELAY_US;
  static oops_action on_oops() noexcept { return LASTCPU_PANIC_ON_OOPS ? oops_action::panic : oops_action::dump; }

  static constexpr bool keeps_texts = LASTCPU_MESSAGE_BYTES != 0;

#if LASTCPU_DEFAULT_REPORT
  // Where no text is kept the owner's line is printed now, or never.
  static void report(const panic_info<registers>& info) noexcept {
    if constexpr (!keeps_texts) {
      begin_line(info.cpu, " panicked");
      put_text(": ", info.message);
      end_line();
    }
  }
  static void summary(const cpu_note<registers>& n) noexcept {
    if (!keeps_texts && n.crashing) return;
    begin_line(n.cpu, n.crashing ? " panicked, CPUs known: " : outcome(n.state));
    if constexpr (keeps_texts) {
      if (n.crashing) put_number(online.count());
      put_texts(n);
    }
    end_line();
  }
#else
  static void summary(const cpu_note<registers>& n) noexcept {
    lastcpu_note note;
    copy(note, n);
    lastcpu_kernel_report(&note);
  }
#endif
#if LASTCPU_BEFORE_STEP
  static void before_step(step s) noexcept {
    lastcpu_kernel_before_step(static_cast<uint32_t>(s));
  }
#endif
  static void flush() noexcept {
    if (!LASTCPU_BAREBONES && flush_or_null != nullptr) flush_or_null();
  }
};

#if LASTCPU_IMAGE_BYTES
void whole_port::save_note(const image& i, const cpu_note<registers>& n) noexcept {
  if (save_note_or_null == nullptr) return;
  lastcpu_note note;
  copy(note, n);
  save_note_or_null(&i, &note);
}
#endif

}  // namespace
}  // namespace lastcpu::c
