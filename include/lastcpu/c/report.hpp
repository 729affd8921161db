// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a C kernel's panic reports: the lines of lastcpu/report.hpp by lastcpu_kernel_put(), the first one with how many CPUs
// are known, or a note for lastcpu_kernel_report(). Included by instance.hpp.

#include <lastcpu/c/port.hpp>
#include <lastcpu/report.hpp>
#include <lastcpu/step.hpp>

#include <lastcpu/detail/begin.hpp>

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
  out.panic_ticks = n.panic_ticks;
}
#endif

#if LASTCPU_DEFAULT_REPORT
struct style : report_style {
  static constexpr uint32_t message_bytes = LASTCPU_MESSAGE_BYTES;
  static constexpr cpu_id max_cpus = LASTCPU_MAX_CPUS;
  static constexpr uint32_t piece_bytes = LASTCPU_BAREBONES ? 2 : 24;
  static constexpr bool says_how = !LASTCPU_BAREBONES;
  static cpu_id known_cpus() noexcept { return online.count(); }
  static void put(const char* piece) noexcept { lastcpu_kernel_put(piece); }
};
using reporting = styled_report<style>;
#else
struct reporting : panic_policy {
  static constexpr uint32_t message_bytes = LASTCPU_MESSAGE_BYTES;
  static void summary(const cpu_note<registers>& n) noexcept {
    lastcpu_note note;
    copy(note, n);
    lastcpu_kernel_report(&note);
  }
#if LASTCPU_IMAGE_BYTES || LASTCPU_CRASH_LOADER
  static void no_crash_kernel(kexec_outcome why) noexcept {
    if (no_crash_kernel_or_null != nullptr) no_crash_kernel_or_null(static_cast<lastcpu_outcome>(why));
  }
#endif
};
#endif

struct policy : reporting {
  // Who can't be reached by NMI has its time to answer the interrupt.
  static constexpr rung rungs[] = {{stop_how::irq, LASTCPU_NO_NMI ? LASTCPU_STOP_BUDGET_US : LASTCPU_IRQ_BUDGET_US},
                                   {stop_how::nmi, LASTCPU_STOP_BUDGET_US},
                                   {stop_how::forced, LASTCPU_FORCE_BUDGET_US}};
  static constexpr uint32_t restart_delay_us = LASTCPU_RESTART_DELAY_US;
  static oops_action on_oops() noexcept { return LASTCPU_PANIC_ON_OOPS ? oops_action::panic : oops_action::dump; }

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
void port::save_note(const image& i, const cpu_note<registers>& n) noexcept {
  if (save_note_or_null == nullptr) return;
  lastcpu_note note;
  copy(note, n);
  save_note_or_null(&i, &note);
}
#endif

}  // namespace
}  // namespace lastcpu::c

#include <lastcpu/detail/end.hpp>
