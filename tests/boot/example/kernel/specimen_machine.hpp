// SPDX-License-Identifier: BSL-1.0
#pragma once
// The historical designs in the place of lastcpu's crash_domain, by the option `design=` of the kernel's command line: the
// machine's type of lastcpu_specimen_kernel. The example kernel's port.hpp includes this file.

#include <lastcpu/lastcpu.hpp>

#include "../../../race/specimens/double_read_2025.hpp"
#include "../../../race/specimens/panic_cpu_2015.hpp"
#include "../../../race/specimens/panic_lock_2011.hpp"
#include "../../../race/specimens/trylock_only.hpp"
#include "command_line.hpp"
#include "console.hpp"
#include "stage.hpp"

namespace lastcpu {

template <class P>
class specimens_of_all_years;

template <class P>
struct platform_of_specimens : P {
  /// An exchange takes two milliseconds, and what is relaxed, a look at the word again or its way back to nobody, four:
  /// as on a host that takes a virtual CPU away there. Between single instructions of two CPUs a race comes once in
  /// hundreds of boots, and never where two CPUs share one of the host's.
  template <class T>
  class atomic : public P::template atomic<T> {
    using word = typename P::template atomic<T>;

   public:
    using word::word;
    [[nodiscard]] T load(order o) const noexcept {
      if (o == order::relaxed) wait_ms(4);
      return word::load(o);
    }
    void store(T value, order o) noexcept {
      word::store(value, o);
      if (o == order::relaxed) wait_ms(4);
    }
    [[nodiscard]] bool compare_exchange(T& expected, T desired, order success, order failure) noexcept {
      const bool done = word::compare_exchange(expected, desired, success, failure);
      wait_ms(2);
      return done;
    }
  };

  /// A design that checks no image is over in a moment. Here it takes as long from its lock to its first stop request
  /// as lastcpu takes from its claim, about a millisecond, so that both run into the same races.
  static typename P::irq_state irq_save() noexcept {
    const typename P::irq_state before = P::irq_save();
    wait_ms(1);
    return before;
  }

  [[noreturn]] static void emergency_restart() noexcept {
    if (specimens_of_all_years<P>::is_without_gate()) console::line() << "kernel: restarts without the gate";
    P::emergency_restart();
    P::halt();
  }

 private:
  static void wait_ms(uint64_t milliseconds) noexcept {
    const uint64_t begun = P::now();
    while (P::now() - begun < P::ticks_per_second() / 1000 * milliseconds) {
    }
  }
};

/// The machine with each of the designs in it. One is at work: the one that the command line names, from its first use
/// on, which is behind the boot CPU's reading of the command line.
template <class P>
class specimens_of_all_years {
 public:
  /// Calls what(specimen); false: lastcpu's design is at work.
  template <class What>
  static bool with_the_chosen(What what) noexcept {
    switch (chosen()) {
      case design::trylock_only:
        return what(trylock_only_), true;
      case design::panic_lock_2011:
        return what(panic_lock_2011_), true;
      case design::panic_cpu_2015:
        return what(panic_cpu_2015_), true;
      case design::double_read_2025:
        return what(double_read_2025_), true;
      default:
        return false;
    }
  }

  /// This CPU is at the end of a panic and does not own the gate. The designs before 2015 have none to own.
  [[nodiscard]] static bool is_without_gate() noexcept {
    if (chosen() == design::panic_cpu_2015) return !panic_cpu_2015_.holds_gate();
    return chosen() == design::double_read_2025 && !double_read_2025_.holds_gate();
  }

 private:
  enum class design : uint32_t {
    unknown = 0,
    lastcpu,
    trylock_only,
    panic_lock_2011,
    panic_cpu_2015,
    double_read_2025
  };

  [[nodiscard]] static design chosen() noexcept {
    if (const uint32_t known = chosen_.load(order::relaxed); known != 0) [[likely]]
      return static_cast<design>(known);
    const design named = named_on_the_command_line();
    if (named == design::unknown) {
      console::line() << "kernel: there is no such design";
      stage::leave(4);
    }
    chosen_.store(static_cast<uint32_t>(named), order::relaxed);
    return named;
  }

  [[nodiscard]] static design named_on_the_command_line() noexcept {
    text name;
    command_line::value("design", "lastcpu", name);
    if (same(name.c_str(), "lastcpu")) return design::lastcpu;
    if (same(name.c_str(), "trylock")) return design::trylock_only;
    if (same(name.c_str(), "2011")) return design::panic_lock_2011;
    if (same(name.c_str(), "2015")) return design::panic_cpu_2015;
    if (same(name.c_str(), "2025")) return design::double_read_2025;
    return design::unknown;
  }

  using platform = platform_of_specimens<P>;
  static inline constinit typename P::template atomic<uint32_t> chosen_{};
  static inline constinit specimens::trylock_only<platform> trylock_only_{};
  static inline constinit specimens::panic_lock_2011<platform> panic_lock_2011_{};
  static inline constinit specimens::panic_cpu_2015<platform> panic_cpu_2015_{};
  static inline constinit specimens::double_read_2025<platform> double_read_2025_{};
};

/// Hides as much of crash_domain as the scenarios of specimen_test.py call; the others compile.
template <class P, class Policy>
class specimen_domain : public crash_domain<P, Policy> {
  using own = crash_domain<P, Policy>;
  using old = specimens_of_all_years<P>;

 public:
  using registers = typename P::registers;

  /// No design has a gate to look at: with one at work it is dumping, for nobody, from the first crash on.
  struct gate_view {
    specimen_domain& domain;
    [[nodiscard]] gate_word read() const noexcept {
      if (domain.crashed_.load(order::acquire) != 0) return gate_word{}.taken_by(P::max_cpus, phase::dumping);
      return gate().read();
    }
    [[nodiscard]] bool in_progress() const noexcept { return !read().is_open(); }
    [[nodiscard]] bool on_this_cpu() const noexcept { return gate().on_this_cpu(); }

   private:
    [[nodiscard]] auto& gate() const noexcept { return domain.own::gate(); }
  };

  struct slot {
    specimen_domain& domain;
    load_outcome load(const typename P::image& image) const noexcept {
      old::with_the_chosen([&image](auto& specimen) { specimen.load(image); });
      return domain.own::image().load(image);
    }
    template <class Make>
    load_outcome load_by(Make make) const noexcept {
      return domain.own::image().load_by([&make](typename P::image& image) noexcept {
        const bool made = make(image);
        if (made) old::with_the_chosen([&image](auto& specimen) { specimen.load(image); });
        return made;
      });
    }
    unload_outcome unload(typename P::image* out = nullptr) const noexcept { return domain.own::image().unload(out); }
    [[nodiscard]] bool ready() const noexcept { return domain.own::image().ready(); }
  };

  constexpr specimen_domain() noexcept = default;

  [[noreturn]] void panic(const char* message, const registers* regs = nullptr) noexcept {
    old::with_the_chosen([this, regs](auto& specimen) {
      crashed_.store(1, order::release);
      specimen.panic(regs);
    });
    own::panic(message, regs);
  }
  void nmi_panic(const char* message, const registers& regs) noexcept {
    if (!old::with_the_chosen([&regs](auto& specimen) { specimen.nmi_panic(regs); })) own::nmi_panic(message, regs);
  }
  kexec_outcome crash_kexec(const registers* regs = nullptr, const char* why = nullptr) noexcept {
    const bool done = old::with_the_chosen([this, regs](auto& specimen) {
      crashed_.store(1, order::release);
      specimen.crash_kexec(regs);
    });
    return done ? kexec_outcome::no_image : own::crash_kexec(regs, why);
  }
  void handle_nmi(const registers& regs) noexcept {
    if (!old::with_the_chosen([&regs](auto& specimen) { specimen.handle_nmi(regs); })) own::handle_nmi(regs);
  }
  void handle_stop_irq(const registers& regs) noexcept {
    if (!old::with_the_chosen([&regs](auto& specimen) { specimen.handle_stop_irq(regs); })) own::handle_stop_irq(regs);
  }
  [[nodiscard]] gate_view gate() noexcept { return {*this}; }
  [[nodiscard]] slot image() noexcept { return {*this}; }

 private:
  typename P::template atomic<uint32_t> crashed_{};  // with a historical design at work
};

}  // namespace lastcpu

using machine_type = lastcpu::specimen_domain<port, kernel_policy>;
