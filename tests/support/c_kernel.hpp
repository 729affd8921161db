// SPDX-License-Identifier: BSL-1.0
#pragma once
// The C interface on the scripted machine: an instance of it, and a kernel's side that plays fake_platform. For one
// source file of a program; c_domain.hpp has it in the shape of a crash_domain.
//
// What C has no say in comes from the same machine, where the port and the policy of the interface have it from:
// shared words, waits, the trace, halt(), and the steps in which a policy in C++ is called and a kernel in C is not.

#include <lastcpu/panic.hpp>
#include <lastcpu/platform_defaults.hpp>
#include <lastcpu/report.hpp>

#include "support/fake_platform.hpp"

namespace lastcpu::test {

/// The policy and the port of the test whose domain is alive; null: it has no such member.
struct kernel_of_a_test {
  void (*report)(const panic_info<fake_registers>&) noexcept = nullptr;
  void (*summary)(const cpu_note<fake_registers>&) noexcept = nullptr;
  void (*notifiers)() noexcept = nullptr;
  void (*message_dump)() noexcept = nullptr;
  void (*no_crash_kernel)(kexec_outcome) noexcept = nullptr;
  void (*flush)() noexcept = nullptr;
  oops_action (*on_oops)() noexcept = panic_policy::on_oops;
  void (*save_note)(const fake_platform::image&, const cpu_note<fake_registers>&) noexcept = nullptr;
};
inline kernel_of_a_test kernel_now;

}  // namespace lastcpu::test

namespace lastcpu {

template <class Port>
struct defaults_of_a_test : platform_defaults<Port> {
  template <class T>
  using atomic = test::fake_atomic<T>;
  template <class T>
  static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    return test::fake_platform::wait_while(word, value, at);
  }
  template <class T>
  static void wake(const atomic<T>& word, wake_reason why) noexcept {
    test::fake_platform::wake(word, why);
  }
  static void trace(const trace_event& e) noexcept { test::log_trace(e); }
  static void halt() noexcept { test::fake_platform::halt(); }

  /// As one request in the log, whichever CPUs the kernel's function was called for.
  template <cpu_id N>
  static void send_stop(const cpu_set<N>& cpus, stop_how how) noexcept {
    test::machine().stops.push_back({test::machine().cpu, {}, how});
    platform_defaults<Port>::send_stop(cpus, how);
    test::machine().say("sends", how == stop_how::irq ? "irq" : "nmi");
  }
};

struct policy_of_a_test : panic_policy {
  template <class Registers>
  static void report(const panic_info<Registers>& p) noexcept {
    test::kernel_now.report({p.cpu, p.message, reinterpret_cast<const test::fake_registers*>(p.registers)});
  }
  template <class Report>
  static void notifiers(const Report&) noexcept {
    test::kernel_now.notifiers();
  }
  template <class Messages>
  static void message_dump(const Messages&) noexcept {
    test::kernel_now.message_dump();
  }
};

}  // namespace lastcpu

#define LASTCPU_CONFIG "support/c_config.h"
#define platform_defaults defaults_of_a_test  // what c/port.hpp and c/report.hpp derive from
#define panic_policy policy_of_a_test
#include <lastcpu/c/report.hpp>
#undef panic_policy
#undef platform_defaults
#include <lastcpu/c/instance.hpp>

#include "support/c_note.hpp"

static_assert(LASTCPU_MAX_CPUS == lastcpu::test::fake_platform::max_cpus &&
              LASTCPU_IMAGE_BYTES == sizeof(lastcpu::test::fake_platform::image));

namespace lastcpu::test {

[[nodiscard]] inline const LASTCPU_REGISTERS* to_c(const fake_registers* regs) noexcept {
  return reinterpret_cast<const LASTCPU_REGISTERS*>(regs);
}
[[nodiscard]] inline const fake_registers* from_c(const LASTCPU_REGISTERS* regs) noexcept {
  return reinterpret_cast<const fake_registers*>(regs);
}
[[nodiscard]] inline fake_platform::image image_from_c(const void* image) noexcept {
  return *static_cast<const fake_platform::image*>(image);
}

/// The machine's CPUs come and go in its table, and in C by lastcpu_online() and _offline().
inline void tell_who_is_online() noexcept {
  for (cpu_id cpu = 0; cpu < fake_platform::max_cpus; ++cpu) {
    if (fake_platform::is_online(cpu))
      c::online.add(cpu);
    else
      c::online.remove(cpu);
  }
}

}  // namespace lastcpu::test

// --- The kernel's side. Not inline: a weak reference alone would not keep it.

extern "C" {

uint32_t lastcpu_kernel_this_cpu() {
  return lastcpu::test::fake_platform::this_cpu();
}
uint32_t lastcpu_kernel_hardware_id() {
  return lastcpu::test::fake_platform::hardware_id();
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  auto& sent = lastcpu::test::machine().stops.back();
  if (how == static_cast<uint32_t>(sent.how)) sent.targets.push_back(cpu);
}
void lastcpu_kernel_park() {
  lastcpu::test::fake_platform::park();
}
uintptr_t lastcpu_kernel_irq_save() {
  const auto was = lastcpu::test::fake_platform::irq_save();
  return uintptr_t{was.cpu} << 1 | (was.on ? 1 : 0);
}
void lastcpu_kernel_irq_restore(uintptr_t saved) {
  lastcpu::test::fake_platform::irq_restore({static_cast<lastcpu::cpu_id>(saved >> 1), (saved & 1) != 0});
}
void lastcpu_kernel_capture(LASTCPU_REGISTERS* regs) {
  lastcpu::test::fake_platform::capture_registers(reinterpret_cast<lastcpu::test::fake_registers&>(*regs));
}
uint64_t lastcpu_kernel_now() {
  return lastcpu::test::fake_platform::now();
}
uint64_t lastcpu_kernel_ticks_per_second() {
  return lastcpu::test::fake_platform::ticks_per_second();
}
void lastcpu_kernel_make_resettable() {
  lastcpu::test::fake_platform::make_resettable();
}
void lastcpu_kernel_restart() {
  lastcpu::test::fake_platform::emergency_restart();
}
void lastcpu_kernel_flush() {
  lastcpu::test::kernel_now.flush();
}
void lastcpu_kernel_before_step(uint32_t) {
  lastcpu::test::tell_who_is_online();
}
void lastcpu_kernel_report(const lastcpu_note* note) {
  if (lastcpu::test::kernel_now.summary != nullptr)
    lastcpu::test::kernel_now.summary(lastcpu::test::note_from_c<lastcpu::test::fake_registers>(*note));
}
void lastcpu_kernel_no_crash_kernel(lastcpu_outcome why) {
  lastcpu::test::kernel_now.no_crash_kernel(static_cast<lastcpu::kexec_outcome>(why));
}
int lastcpu_kernel_image_intact(const void* image) {
  return lastcpu::test::fake_platform::image_intact(lastcpu::test::image_from_c(image)) ? 1 : 0;
}
void lastcpu_kernel_crash_shutdown(const LASTCPU_REGISTERS* regs) {
  lastcpu::test::fake_platform::crash_shutdown(*lastcpu::test::from_c(regs));
}
void lastcpu_kernel_jump(const void* image) {
  lastcpu::test::fake_platform::jump(lastcpu::test::image_from_c(image));
}
void lastcpu_kernel_save_note(const void* image, const lastcpu_note* note) {
  if (lastcpu::test::kernel_now.save_note != nullptr)
    lastcpu::test::kernel_now.save_note(lastcpu::test::image_from_c(image),
                                        lastcpu::test::note_from_c<lastcpu::test::fake_registers>(*note));
}

}  // extern "C"
