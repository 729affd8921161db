// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the crash path hands out while it runs, brought to the scenario: the report, each CPU's note, the registers that
// the machine is shut down with. crash_machine.hpp says what must hold of it.

#include <lastcpu/model/explore.hpp>
#include <lastcpu/panic.hpp>

#include <string_view>

namespace lastcpu::test {

/// Registers are handed on as their program counter, 0 for none. What these read is no operation of the model.
struct witness : model::scenario {
  virtual void reported(cpu_id cpu, std::string_view message, uintptr_t pc) = 0;
  virtual void told_why(kexec_outcome why) = 0;
  virtual void noted(const cpu_note<uintptr_t>& n) = 0;
  virtual void shut_down(uintptr_t pc) = 0;

 protected:
  ~witness() = default;
};

/// `Port`, and the scenario sees what it is given.
template <class Port>
struct witnessed : Port {
  using registers = typename Port::registers;
  static void save_note(const typename Port::image& i, const cpu_note<registers>& n) noexcept {
    Port::save_note(i, n);
    const uintptr_t* pc = n.registers == nullptr ? nullptr : &n.registers->pc;
    model::running().look([&] {
      model::current<witness>().noted(
          {n.cpu, n.state, n.crashing, pc, n.message, n.nmi_message, n.nested_message, n.cut_short});
    });
  }
  static void crash_shutdown(const registers& r) noexcept {
    Port::crash_shutdown(r);
    model::running().look([&] { model::current<witness>().shut_down(r.pc); });
  }
};

/// One way of asking and short texts: fewer moments, the same decisions.
struct model_policy : panic_policy {
  static constexpr uint32_t message_bytes = 16;
  static constexpr rung rungs[] = {{stop_how::nmi, 1000}};

  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    const uintptr_t pc = info.registers == nullptr ? 0 : model::uses(*info.registers).pc;
    model::running().look([&] { model::current<witness>().reported(info.cpu, info.message, pc); });
  }
  static void no_crash_kernel(kexec_outcome why) noexcept {
    model::running().look([&] { model::current<witness>().told_why(why); });
  }
};

}  // namespace lastcpu::test
