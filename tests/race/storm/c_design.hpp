// SPDX-License-Identifier: BSL-1.0
#pragma once
// lastcpu by its C interface, as a design in the storm. Each member is a call of lastcpu.h; the kernel's side of the
// interface (c_design.cpp) is the storm's machine. CPUs with odd numbers panic as a C kernel does: the text is
// formatted in place, and the panic has two halves.

#include "storm_platform.hpp"

#include <lastcpu/kexec_outcome.hpp>

namespace storm {

struct c_design {
  using registers = lastcpu::posix_registers;

  static lastcpu::kexec_outcome crash_kexec(const registers* regs, const char* why) noexcept;
  [[noreturn]] static void panic(const char* message, const registers* regs) noexcept;
  [[noreturn]] static void panic_in_halves(const char* message, const registers* regs) noexcept;
  static void nmi_panic(const char* message, const registers& regs) noexcept;
  static void handle_nmi(const registers& regs) noexcept;
  static void handle_stop_irq(const registers& regs) noexcept;
  static void load(const storm_image& image) noexcept;

  /// On each CPU, once it can be asked to stop.
  static void come_online() noexcept;

  /// Before the CPUs start: the judge's questions go to the object behind the interface. With `asks_again` the owner
  /// asks for everybody's state again and again; C has no stop_others().
  static void answer_for(bool asks_again) noexcept;
  /// Before the CPUs start: gives up the interrupt so soon that answers come late, as impatient_policy.
  static void be_impatient() noexcept;
};

}  // namespace storm
