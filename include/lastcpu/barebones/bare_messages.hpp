// SPDX-License-Identifier: BSL-1.0
#pragma once
// The messages of a bare_domain, where keeping none costs nothing.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/panic_message.hpp>

namespace lastcpu::detail {

template <class P, uint32_t Bytes>
class bare_messages : public panic_messages<P, Bytes> {
 public:
  constexpr bare_messages() noexcept = default;
};

template <class P>
class bare_messages<P, 0> {
 public:
  static constexpr uint32_t room = 0;
  template <class Rest>
  static bool keep(cpu_id, panic_context, const char*, Rest keep_the_rest) noexcept {
    keep_the_rest();
    return true;
  }
  static bool keep(cpu_id, panic_context, const char*) noexcept { return true; }
  [[nodiscard]] static char* format(cpu_id, panic_context) noexcept { return nullptr; }
  static bool formatted(cpu_id, panic_context) noexcept { return false; }
  [[nodiscard]] static const char* text(cpu_id, panic_context, bool) noexcept { return ""; }
  static bool describe(cpu_id, bool, cpu_note<typename P::registers>& out) noexcept {
    out.message = out.nmi_message = out.nested_message = "";
    out.cut_short = false;
    return false;
  }
};

}  // namespace lastcpu::detail

#include <lastcpu/detail/end.hpp>
