// SPDX-License-Identifier: BSL-1.0
#pragma once
// A historical design in the place of lastcpu's crash_domain: included before every file of the example kernel, which
// does not know. LASTCPU_SPECIMEN names the design, a template of tests/specimens.

#include <lastcpu/lastcpu.hpp>

#include "../specimens/double_read_2025.hpp"
#include "../specimens/panic_cpu_2015.hpp"
#include "../specimens/panic_lock_2011.hpp"
#include "../specimens/trylock_only.hpp"

namespace lastcpu {

template <class P, class Policy>
class specimen_domain {
 public:
  using registers = typename P::registers;

  /// The design has no slot: what is loaded stays.
  struct slot {
    specimens::LASTCPU_SPECIMEN<P>& design;
    load_outcome load(const typename P::image& image) noexcept {
      design.load(image);
      return load_outcome::loaded;
    }
    unload_outcome unload(typename P::image* = nullptr) noexcept { return unload_outcome::empty; }
  };

  constexpr specimen_domain() noexcept = default;

  [[noreturn]] void panic(const char* message, const registers* regs = nullptr) noexcept {
    (void)message;
    design_.panic(regs);
    for (;;) P::park();
  }
  void nmi_panic(const char*, const registers& regs) noexcept { design_.nmi_panic(regs); }
  kexec_outcome crash_kexec(const registers* regs = nullptr, const char* = nullptr) noexcept {
    design_.crash_kexec(regs);
    return kexec_outcome::no_image;
  }
  nmi_outcome handle_nmi(const registers& regs) noexcept { return design_.handle_nmi(regs); }
  nmi_outcome handle_stop_irq(const registers& regs) noexcept { return design_.handle_stop_irq(regs); }
  void stop_others() noexcept { design_.stop_others(); }
  [[nodiscard]] slot image() noexcept { return {design_}; }

 private:
  specimens::LASTCPU_SPECIMEN<P> design_{};
};

}  // namespace lastcpu

#define crash_domain specimen_domain
