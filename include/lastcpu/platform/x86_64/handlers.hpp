// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the handlers of the stop interrupt, the NMI and the machine check do for lastcpu, as one line each in the kernel's:
//
//     void on_stop(registers* regs) { port::handlers::stop(machine, *regs); }                    // stop_vector
//     void on_nmi(registers* regs) {                                                             // vector 2
//       port::handlers::nmi(machine, *regs);  // does not come back on a CPU that is to stop
//       if (!mine(*regs)) port::handlers::panic_in_nmi(machine, "unknown NMI", *regs);
//     }
//     void on_machine_check(registers* regs) { port::handlers::machine_check(machine, *regs); }  // vector 18
//
// The stacks are the kernel's: NMI and machine check have two each, for a panic may run on the one that it began on while
// the next NMI comes. `Kernel::next_stack(which, choice)` says where: it points the gate of this CPU at the usual or at the
// spare one and returns which it was (TSS.IST). Called in the handler itself, on a CPU that may have no number.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/hardware.hpp>
#include <lastcpu/platform/x86_64/kernel_check.hpp>
#include <lastcpu/platform/x86_64/lapic.hpp>
#include <lastcpu/platform/x86_64/machine_check.hpp>
#include <lastcpu/platform/x86_64/registers.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// Whose stack Kernel::next_stack() is asked for.
enum class handler_stack : uint8_t {
  nmi,            ///< of vector 2
  machine_check,  ///< of vector 18
};
/// Which of the two the gate is to point at.
enum class stack_choice : uint8_t {
  usual,  ///< that of every day
  spare,  ///< while a panic may run on the usual one
};

namespace detail {

// The spare stack for the next one, as long as this is in scope: for ever on a CPU that does not come back.
template <class Kernel>
class on_spare_stack {
  static_assert(has_next_stack<Kernel>,
                "lastcpu x86_64: next_stack() is missing or wrong: static lastcpu::x86::stack_choice "
                "next_stack(lastcpu::x86::handler_stack, lastcpu::x86::stack_choice) noexcept;");

 public:
  explicit on_spare_stack(handler_stack which) noexcept
      : which_(which), before_(Kernel::next_stack(which, stack_choice::spare)) {}
  on_spare_stack(const on_spare_stack&) = delete;
  on_spare_stack& operator=(const on_spare_stack&) = delete;
  ~on_spare_stack() { (void)Kernel::next_stack(which_, before_); }

 private:
  handler_stack which_;
  stack_choice before_;
};

}  // namespace detail

/// For a kernel's own handlers, in their context, on the CPU that takes the interrupt. `Domain` is a
/// lastcpu::crash_domain<Kernel>.
template <class Kernel, class Bus = lapic_bus<Kernel>, class Hw = hardware>
struct handlers {
  /// The handler of stop_vector. The end of the interrupt comes first: who stops here does not come back.
  template <class Domain>
  static void stop(Domain& domain, const registers& regs) noexcept {
    lapic<Bus>::eoi();
    domain.handle_stop_irq(regs);
  }

  /// First of all that the handler of vector 2 does. Comes back where this CPU is not to stop: IRET is right then, also
  /// on the owner.
  template <class Domain>
  static void nmi(Domain& domain, const registers& regs) noexcept {
    domain.handle_nmi(regs);
  }

  /// An NMI that is a reason to panic. Comes back on the owner of the gate only. Where this CPU wins, now or later, the
  /// whole panic runs here, and an IRET of a fault in it lets the next NMI in, which must not have this stack.
  template <class Domain>
  static void panic_in_nmi(Domain& domain, const char* message, const registers& regs) noexcept {
    const detail::on_spare_stack<Kernel> next(handler_stack::nmi);
    domain.nmi_panic(message, regs);
  }

  /// The whole handler of vector 18. Comes back on the owner of the gate only, whose dump goes on where it was, or at
  /// its next step where it can't. The error is ended first, so that another one neither shuts the machine down nor has
  /// this stack: on a CPU that has stopped, in a panic that runs here, and in the crash kernel.
  template <class Domain>
  static void machine_check(Domain& domain, const registers& regs) noexcept {
    const detail::on_spare_stack<Kernel> next(handler_stack::machine_check);
    const bool way_back = end_machine_check<Hw>();
    domain.handle_nmi(regs);
    domain.nmi_panic("machine check", regs);
    if (!way_back) domain.panic("machine check, and no way back", &regs);
  }
};

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
