// SPDX-License-Identifier: BSL-1.0
#pragma once
// A historical design in the place of lastcpu's crash_domain. The build includes this file before every file of the
// example kernel, which does not know. LASTCPU_SPECIMEN names the design, a template of tests/specimens.

#include <lastcpu/lastcpu.hpp>

#include "../specimens/double_read_2025.hpp"
#include "../specimens/panic_cpu_2015.hpp"
#include "../specimens/panic_lock_2011.hpp"
#include "../specimens/trylock_only.hpp"

namespace lastcpu {

/// A design that checks no image is over in a moment. Here it takes as long from its lock to its first stop request as
/// lastcpu takes from its claim, about a millisecond, so that both run into the same races.
template <class P>
struct unhurried : P {
  static typename P::irq_state irq_save() noexcept {
    const typename P::irq_state before = P::irq_save();
    const uint64_t begun = P::now();
    while (P::now() - begun < P::ticks_per_second() / 1000) {
    }
    return before;
  }
};

/// Hides as much of crash_domain as the scenarios panic_vs_panic, oops_vs_panic and nmi_on_dumper call; the others
/// compile.
template <class P, class Policy>
class specimen_domain : public crash_domain<P, Policy> {
 public:
  using registers = typename P::registers;

  /// No design has a gate to look at: "committed" is from the first crash on.
  struct gate_view {
    specimen_domain& domain;
    [[nodiscard]] gate_view read() const noexcept { return *this; }
    [[nodiscard]] bool is_open() const noexcept { return !is_committed(); }
    [[nodiscard]] cpu_id owner() const noexcept { return no_cpu; }
    [[nodiscard]] bool is_committed() const noexcept { return domain.crashed_.load(order::acquire) != 0; }
    [[nodiscard]] bool in_progress() const noexcept { return is_committed(); }
    [[nodiscard]] bool on_this_cpu() const noexcept { return false; }
    [[nodiscard]] uint32_t step() const noexcept { return is_committed() ? step_count : 0; }
    claim_result claim(hold) const noexcept { return {}; }
    bool commit() const noexcept { return false; }
    release_outcome release() const noexcept { return release_outcome::not_mine; }
  };

  struct records {
    [[nodiscard]] bool acknowledged(cpu_id) const noexcept { return false; }
  };

  struct slot {
    specimens::LASTCPU_SPECIMEN<unhurried<P>>& design;
    load_outcome load(const typename P::image& image) const noexcept {
      design.load(image);
      return load_outcome::loaded;
    }
    unload_outcome unload(typename P::image* = nullptr) const noexcept { return unload_outcome::empty; }
    [[nodiscard]] bool ready() const noexcept { return false; }
  };

  constexpr specimen_domain() noexcept = default;

  [[noreturn]] void panic(const char*, const registers* regs = nullptr) noexcept {
    crashed_.store(1, order::release);
    design_.panic(regs);
  }
  void nmi_panic(const char*, const registers& regs) noexcept { design_.nmi_panic(regs); }
  kexec_outcome crash_kexec(const registers* regs = nullptr, const char* = nullptr) noexcept {
    crashed_.store(1, order::release);
    design_.crash_kexec(regs);
    return kexec_outcome::no_image;
  }
  nmi_outcome handle_nmi(const registers& regs) noexcept { return design_.handle_nmi(regs); }
  nmi_outcome handle_stop_irq(const registers& regs) noexcept { return design_.handle_stop_irq(regs); }
  stop_report<P::max_cpus> stop_others() noexcept {
    design_.stop_others();
    return {};
  }
  [[nodiscard]] gate_view gate() noexcept { return {*this}; }
  [[nodiscard]] records cpus() noexcept { return {}; }
  [[nodiscard]] slot image() noexcept { return {design_}; }

 private:
  specimens::LASTCPU_SPECIMEN<unhurried<P>> design_{};
  typename P::template atomic<uint32_t> crashed_{};
};

}  // namespace lastcpu

#define crash_domain specimen_domain
