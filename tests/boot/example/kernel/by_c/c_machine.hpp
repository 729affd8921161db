// SPDX-License-Identifier: BSL-1.0
#pragma once
// lastcpu by its C interface in the place of crash_domain: the machine's type of lastcpu_c_scenario_kernel. What the
// kernel and its scenarios call are functions of lastcpu.h here, and what C has no call for ends the machine;
// tests/boot/example/by_c.py has the list. The kernel's side of the interface is c_kernel.cpp. The example kernel's
// port.hpp includes this file.

#include <lastcpu/c/lastcpu.h>
#include <lastcpu/lastcpu.hpp>

#include "console.hpp"
#include "stage.hpp"

/// The step of the ladder that the kernel was told of last (lastcpu_kernel_before_step).
[[nodiscard]] lastcpu::step last_step() noexcept;

namespace lastcpu {

[[noreturn]] inline void refuse_in_c() noexcept {
  console::line() << "kernel: C has no call for it";
  stage::leave(5);
  for (;;) asm volatile("cli\n\thlt");
}

template <class P, class Policy>
class c_domain {
 public:
  using registers = typename P::registers;

  constexpr c_domain() noexcept = default;

  [[noreturn]] void panic(const char* message, const registers* regs = nullptr) noexcept {
    lastcpu_panic(message, to_c(regs));
  }
  void nmi_panic(const char* message, const registers& regs) noexcept { lastcpu_nmi_panic(message, to_c(&regs)); }
  kexec_outcome crash_kexec(const registers* regs = nullptr, const char* why = nullptr) noexcept {
    return static_cast<kexec_outcome>(lastcpu_crash_kexec(why, to_c(regs)));
  }
  void handle_nmi(const registers& regs) noexcept { lastcpu_handle_nmi(to_c(&regs)); }
  void handle_stop_irq(const registers& regs) noexcept { lastcpu_handle_stop_irq(to_c(&regs)); }
  void come_online() noexcept { lastcpu_online(); }

  /// As much of the gate as C shows, and the step.
  struct gate_view {
    [[nodiscard]] bool in_progress() const noexcept { return lastcpu_in_progress() != 0; }
    [[nodiscard]] bool on_this_cpu() const noexcept { return lastcpu_on_this_cpu() != 0; }
    [[nodiscard]] gate_view read() const noexcept { return *this; }
    [[nodiscard]] uint32_t step() const noexcept { return static_cast<uint32_t>(last_step()); }
    [[nodiscard]] bool is_committed() const noexcept { return last_step() > lastcpu::step::commit; }
  };
  [[nodiscard]] gate_view gate() const noexcept { return {}; }

  /// For another CPU than the one that asks.
  struct cpus_view {
    [[nodiscard]] bool acknowledged(cpu_id cpu) const noexcept { return lastcpu_registers_of(cpu) != nullptr; }
  };
  [[nodiscard]] cpus_view cpus() const noexcept { return {}; }

  /// C hands no image out again: the kernel keeps its own.
  class slot {
   public:
    load_outcome load(const typename P::image& image) noexcept {
      if (lastcpu_load_image(&image) == 0) return load_outcome::busy;
      kept_ = image;
      loaded_ = true;
      return load_outcome::loaded;
    }
    template <class Make>
    load_outcome load_by(Make make) noexcept {
      typename P::image made{};
      const unload_outcome before = unload(&made);
      if (before != unload_outcome::unloaded && before != unload_outcome::empty) return load_outcome::busy;
      if (make(made)) return load(made);
      if (before == unload_outcome::unloaded) (void)load(made);
      return load_outcome::refused;
    }
    unload_outcome unload(typename P::image* out = nullptr) noexcept {
      if (lastcpu_unload_image() == 0) return unload_outcome::claimed;
      if (!loaded_) return unload_outcome::empty;
      if (out != nullptr) *out = kept_;
      loaded_ = false;
      return unload_outcome::unloaded;
    }
    [[nodiscard]] bool ready() const noexcept { return loaded_; }

   private:
    typename P::image kept_{};
    bool loaded_ = false;
  };
  [[nodiscard]] slot& image() noexcept { return slot_; }

  // Each ends the machine.
  struct words_of_others {
    [[nodiscard]] const char* text(cpu_id, panic_context, bool) const noexcept { refuse_in_c(); }
    [[nodiscard]] message_state state(cpu_id, panic_context) const noexcept { refuse_in_c(); }
  };
  [[nodiscard]] words_of_others messages() const noexcept { return {}; }
  [[nodiscard]] stop_report<P::max_cpus> stop_others() noexcept { refuse_in_c(); }
  struct gate_by_hand {
    [[nodiscard]] claim_result claim(hold) const noexcept { refuse_in_c(); }
    [[nodiscard]] release_outcome release() const noexcept { refuse_in_c(); }
    [[nodiscard]] bool commit() const noexcept { refuse_in_c(); }
    [[nodiscard]] gate_word read() const noexcept { refuse_in_c(); }
  };
  struct {
    gate_by_hand gate;
  } ladder_;  // detail::inside

 private:
  [[nodiscard]] static const LASTCPU_REGISTERS* to_c(const registers* regs) noexcept {
    return reinterpret_cast<const LASTCPU_REGISTERS*>(regs);
  }

  slot slot_{};
};

}  // namespace lastcpu

using machine_type = lastcpu::c_domain<port, kernel_policy>;
