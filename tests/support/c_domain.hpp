// SPDX-License-Identifier: BSL-1.0
#pragma once
// The C interface in the shape of a crash_domain, for unit tests that are built once more with LASTCPU_TESTED_BY_C.
// What acts on the machine is a call of lastcpu.h. What a test only looks at, or sets up by hand, is the object
// behind the interface, where C shows nothing of it.

#include <gtest/gtest.h>

#include "support/c_kernel.hpp"

#include <string.h>

namespace lastcpu::test {

/// `P` and `Policy` as a crash_domain has them; what they hide of the machine's is heard where C has a function for
/// it. One at a time is the machine's: a newer one until it is gone.
template <class P, class Policy>
class c_domain {
  using object = decltype(c::machine);

 public:
  using registers = fake_registers;
  using image_type = fake_platform::image;

  c_domain() noexcept : before_(kernel_now) {
    memcpy(bytes_before_, bytes(), sizeof bytes_before_);
    memset(bytes(), 0, sizeof bytes_before_);
    tell_who_is_online();
    install();
  }
  c_domain(const c_domain&) = delete;
  c_domain& operator=(const c_domain&) = delete;
  ~c_domain() {
    memcpy(bytes(), bytes_before_, sizeof bytes_before_);
    kernel_now = before_;
  }

  [[noreturn]] void panic(const char* message, const registers* regs = nullptr) noexcept {
    lastcpu_panic(message, to_c(regs));
  }
  void panic_begin(const char* message, const registers* regs = nullptr) noexcept {
    lastcpu_panic_begin(message, to_c(regs));
  }
  [[noreturn]] void panic_end() noexcept { lastcpu_panic_end(); }
  void nmi_panic(const char* message, const registers& regs) noexcept { lastcpu_nmi_panic(message, to_c(&regs)); }
  [[nodiscard]] bool nmi_panic_begin(const char* message, const registers& regs) noexcept {
    return lastcpu_nmi_panic_begin(message, to_c(&regs)) != 0;
  }
  [[nodiscard]] char* message_begin(uint32_t& room, panic_context in = panic_context::normal) noexcept {
    size_t bytes = 0;
    char* text = in == panic_context::nmi ? lastcpu_nmi_message_begin(&bytes) : lastcpu_message_begin(&bytes);
    room = static_cast<uint32_t>(bytes);
    return text;
  }
  void message_end(panic_context in = panic_context::normal) noexcept {
    in == panic_context::nmi ? lastcpu_nmi_message_end() : lastcpu_message_end();
  }
  void handle_nmi(const registers& regs) noexcept { lastcpu_handle_nmi(to_c(&regs)); }
  void handle_stop_irq(const registers& regs) noexcept { lastcpu_handle_stop_irq(to_c(&regs)); }
  kexec_outcome oops(const registers& regs, const char* why) noexcept {
    return static_cast<kexec_outcome>(lastcpu_oops(why, to_c(&regs)));
  }
  kexec_outcome crash_kexec(const registers* regs = nullptr, const char* why = nullptr) noexcept {
    return static_cast<kexec_outcome>(lastcpu_crash_kexec(why, to_c(regs)));
  }
  [[nodiscard]] bool on_this_cpu() const noexcept { return lastcpu_on_this_cpu() != 0; }
  [[nodiscard]] bool on_other_cpu() const noexcept { return lastcpu_on_other_cpu() != 0; }
  [[nodiscard]] bool is_stopped(cpu_id cpu) const noexcept { return lastcpu_is_stopped(cpu) != 0; }

  struct gate_view {
    [[nodiscard]] bool in_progress() const noexcept { return lastcpu_in_progress() != 0; }
    [[nodiscard]] bool on_this_cpu() const noexcept { return lastcpu_on_this_cpu() != 0; }
    [[nodiscard]] gate_word read() const noexcept { return c::machine.gate().read(); }
  };
  [[nodiscard]] gate_view gate() const noexcept { return {}; }

  struct cpus_view {
    [[nodiscard]] stop_state state_of(cpu_id cpu) const noexcept {
      return static_cast<stop_state>(lastcpu_state_of(cpu));
    }
    [[nodiscard]] const registers* registers_of(cpu_id cpu) const noexcept { return from_c(lastcpu_registers_of(cpu)); }
    [[nodiscard]] bool acknowledged(cpu_id cpu) const noexcept { return c::machine.cpus().acknowledged(cpu); }
    [[nodiscard]] auto report() const noexcept { return c::machine.cpus().report(); }
  };
  [[nodiscard]] cpus_view cpus() const noexcept { return {}; }
  [[nodiscard]] const auto& messages() const noexcept { return c::machine.messages(); }

  struct image_view {
    /// C has one answer for all that is not loaded.
    load_outcome load(const image_type& i) const noexcept {
      return lastcpu_load_image(&i) != 0 ? load_outcome::loaded : load_outcome::refused;
    }
    unload_outcome unload() const noexcept {
      return lastcpu_unload_image() != 0 ? unload_outcome::unloaded : unload_outcome::busy;
    }
    [[nodiscard]] bool ready() const noexcept { return c::machine.image().ready(); }
    [[nodiscard]] const void* held() const noexcept { return c::machine.image().held(); }
  };
  [[nodiscard]] image_view image() const noexcept { return {}; }

  // What C has no call for: tests that make it are left out, and fail if they are not.
  stop_report<fake_platform::max_cpus> stop_others() noexcept {
    ADD_FAILURE() << "C has no stop_others()";
    return {};
  }
  kexec_outcome __crash_kexec(const registers*, const char* = nullptr) noexcept {
    ADD_FAILURE() << "C has no __crash_kexec()";
    return {};
  }

  // detail::inside
  decltype(detail::inside::of(c::machine)) ladder_ = detail::inside::of(c::machine);
  decltype(detail::inside::oops_of(c::machine)) oops_ = detail::inside::oops_of(c::machine);

 private:
  [[nodiscard]] static void* bytes() noexcept { return &c::machine; }

  static void install() noexcept {
    kernel_now = {};
    kernel_now.report = [](const panic_info<registers>& p) noexcept { Policy::report(p); };
    kernel_now.notifiers = []() noexcept { Policy::notifiers(c::machine.cpus().report()); };
    kernel_now.message_dump = []() noexcept { Policy::message_dump(c::machine.messages()); };
    kernel_now.no_crash_kernel = [](kexec_outcome why) noexcept { Policy::no_crash_kernel(why); };
    kernel_now.flush = []() noexcept { Policy::flush(); };
    kernel_now.on_oops = []() noexcept { return Policy::on_oops(); };
    if constexpr (detail::has_summary<Policy, cpu_note<registers>>)
      kernel_now.summary = [](const cpu_note<registers>& n) noexcept { Policy::summary(n); };
    if constexpr (detail::has_save_note<P>)
      kernel_now.save_note = [](const image_type& i, const cpu_note<registers>& n) noexcept { P::save_note(i, n); };
  }

  kernel_of_a_test before_;
  alignas(object) unsigned char bytes_before_[sizeof(object)];
};

}  // namespace lastcpu::test
