// SPDX-License-Identifier: BSL-1.0
// The instance of the C interface in the storm, and what a kernel supplies to it. What C has no say in comes from the
// storm's machine as well, where the port has it from: its words, which may delay any access, its way to wait, and
// the trace.

#include "c_design.hpp"
#include "lastcpu_design.hpp"

#include <lastcpu/platform_defaults.hpp>
#include <lastcpu/step.hpp>

#include <stddef.h>
#include <string.h>

namespace lastcpu {

template <class Port>
struct defaults_of_the_storm : platform_defaults<Port> {
  template <class T>
  using atomic = storm::storm_atomic<T>;

  template <class T>
  [[nodiscard]] static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    return storm::storm_platform::wait_while(word, value, at);
  }
  template <class T>
  static void wake(const atomic<T>& word, wake_reason why) noexcept {
    storm::storm_platform::wake(word, why);
  }
  static void trace(const trace_event& e) noexcept { storm::storm_platform::trace(e); }
};

}  // namespace lastcpu

#define LASTCPU_CONFIG "c_config.h"
#define platform_defaults defaults_of_the_storm  // what c/port.hpp derives from
#include <lastcpu/c/port.hpp>
#undef platform_defaults
#include <lastcpu/c/instance.hpp>

#include "support/c_note.hpp"

static_assert(LASTCPU_MAX_CPUS == storm::cpu_count && LASTCPU_IMAGE_BYTES == sizeof(storm::storm_image));

namespace storm {
namespace {

using questions = domain_questions<decltype(lastcpu::c::machine)>;

bool impatient = false;
lastcpu::atomic<uint32_t> step_now{};  // the owner's

[[nodiscard]] const LASTCPU_REGISTERS* to_c(const lastcpu::posix_registers* regs) noexcept {
  return reinterpret_cast<const LASTCPU_REGISTERS*>(regs);
}
[[nodiscard]] const lastcpu::posix_registers* from_c(const LASTCPU_REGISTERS* regs) noexcept {
  return reinterpret_cast<const lastcpu::posix_registers*>(regs);
}
[[nodiscard]] const storm_image& image_from_c(const void* image) noexcept {
  return *static_cast<const storm_image*>(image);
}

// The report stands, whoever answers, asks or interrupts behind it.
void ask_for_states_again() noexcept {
  for (int i = 0; i < 2; ++i)
    for (cpu_id cpu = 0; cpu < cpu_count; ++cpu)
      if (area->notes[cpu].present != 0 && lastcpu_state_of(cpu) != static_cast<uint32_t>(area->notes[cpu].state))
        note_wrong(wrong::second_report);
}

}  // namespace

lastcpu::kexec_outcome c_design::crash_kexec(const registers* regs, const char* why) noexcept {
  return static_cast<lastcpu::kexec_outcome>(lastcpu_crash_kexec(why, to_c(regs)));
}

void c_design::panic(const char* message, const registers* regs) noexcept {
  if (storm_platform::this_cpu() % 2 != 0) panic_in_halves(message, regs);
  lastcpu_panic(message, to_c(regs));
}

void c_design::panic_in_halves(const char* message, const registers* regs) noexcept {
  size_t room = 0;
  char* text = lastcpu_message_begin(&room);
  if (text != nullptr) {
    const size_t length = strnlen(message, room - 1);
    memcpy(text, message, length);
    text[length] = '\0';
    lastcpu_message_end();
  }
  lastcpu_panic_begin(text != nullptr ? nullptr : message, to_c(regs));
  if (lastcpu_on_this_cpu() == 0 || lastcpu_on_other_cpu() != 0) note_wrong(wrong::not_the_owner);
  lastcpu_panic_end();
}

void c_design::nmi_panic(const char* message, const registers& regs) noexcept {
  if (storm_platform::this_cpu() % 2 == 0) return lastcpu_nmi_panic(message, to_c(&regs));
  if (lastcpu_nmi_panic_begin(message, to_c(&regs)) != 0) lastcpu_panic_end();
}

void c_design::handle_nmi(const registers& regs) noexcept {
  lastcpu_handle_nmi(to_c(&regs));
}
void c_design::handle_stop_irq(const registers& regs) noexcept {
  lastcpu_handle_stop_irq(to_c(&regs));
}
void c_design::load(const storm_image& image) noexcept {
  (void)lastcpu_load_image(&image);
}

void c_design::come_online() noexcept {
  const storm_platform::irq_state before = storm_platform::irq_save();
  lastcpu_online();
  storm_platform::irq_restore(before);
}

void c_design::answer_for(bool asks_again) noexcept {
  questions::domain = &lastcpu::c::machine;
  hooks = {questions::holds_gate, questions::messages_are_due, nullptr, asks_again ? ask_for_states_again : nullptr,
           lastcpu::step::summary};
}
void c_design::be_impatient() noexcept {
  impatient = true;
}

}  // namespace storm

// --- The kernel's side.

using storm::fault_point;
using storm::may_fault;
using storm::storm_platform;

extern "C" {

uint32_t lastcpu_kernel_this_cpu() {
  return storm_platform::this_cpu();
}
uint32_t lastcpu_kernel_hardware_id() {
  return storm_platform::hardware_id();
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  lastcpu::cpu_set<storm_platform::max_cpus> one;
  one.add(cpu);
  storm_platform::send_stop(one, static_cast<lastcpu::stop_how>(how));
}
void lastcpu_kernel_park() {
  storm_platform::park();
}
uintptr_t lastcpu_kernel_irq_save() {
  return storm_platform::irq_save();
}
void lastcpu_kernel_irq_restore(uintptr_t saved) {
  storm_platform::irq_restore(saved);
}
void lastcpu_kernel_capture(LASTCPU_REGISTERS* regs) {
  storm_platform::capture_registers(reinterpret_cast<lastcpu::posix_registers&>(*regs));
}
void lastcpu_kernel_make_resettable() {
  storm_platform::make_resettable();
}
void lastcpu_kernel_restart() {
  storm_platform::emergency_restart();
}
void lastcpu_kernel_flush() {
  storm::storm_policy::flush();
}

uint64_t lastcpu_kernel_now() {
  return storm_platform::now();
}
// The budgets are the configuration's. An impatient kernel has a clock on which the second for the interrupt is over
// in 150 us.
uint64_t lastcpu_kernel_ticks_per_second() {
  const bool asks_by_irq =
      storm::step_now.load(lastcpu::order::relaxed) == static_cast<uint32_t>(lastcpu::step::rung_0);
  return storm::impatient && asks_by_irq ? 150'000 : storm_platform::ticks_per_second();
}

// Where a policy in C++ has a function of its own for a step, a kernel in C has this one before it.
void lastcpu_kernel_before_step(uint32_t step) {
  storm::step_now.store(step, lastcpu::order::relaxed);
  if (step == static_cast<uint32_t>(lastcpu::step::report)) {
    may_fault(fault_point::report, false);
    if (storm::area->reports.fetch_add(1, lastcpu::order::relaxed) != 0) note_wrong(storm::wrong::too_many_panics);
  }
  if (step == static_cast<uint32_t>(lastcpu::step::notifiers)) {
    may_fault(fault_point::notifiers, false);
    if (storm::hooks.stop_again != nullptr) storm::hooks.stop_again();
    may_fault(fault_point::notifiers, true);
  }
}
void lastcpu_kernel_report(const lastcpu_note* note) {
  storm::keep_note(lastcpu::test::note_from_c<lastcpu::posix_registers>(*note));
  may_fault(fault_point::report, true);
}

int lastcpu_kernel_image_intact(const void* image) {
  return storm_platform::image_intact(storm::image_from_c(image)) ? 1 : 0;
}
void lastcpu_kernel_save_note(const void* image, const lastcpu_note* note) {
  storm_platform::save_note(storm::image_from_c(image), lastcpu::test::note_from_c<lastcpu::posix_registers>(*note));
}
void lastcpu_kernel_crash_shutdown(const LASTCPU_REGISTERS* regs) {
  storm_platform::crash_shutdown(*storm::from_c(regs));
}
void lastcpu_kernel_jump(const void* image) {
  storm_platform::jump(storm::image_from_c(image));
}

}  // extern "C"
