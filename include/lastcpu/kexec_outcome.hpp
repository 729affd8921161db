// SPDX-License-Identifier: BSL-1.0
#pragma once
// The answer to an oops that has not led to the crash kernel.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu {

/// Why crash_kexec() returns and starts no crash kernel. Nothing has changed then.
enum class kexec_outcome : uint8_t {
  no_image,        ///< none is loaded
  image_busy,      ///< it is being replaced right now
  image_corrupt,   ///< it is not what was loaded
  left_to_panic,   ///< Policy::crash_kexec_post_notifiers: only a panic starts the crash kernel
  left_to_policy,  ///< Policy::on_oops() answers oops_action::go_on
  held_by_other,   ///< another CPU holds the gate, and may stop this one for its dump; or a panic waits for the gate
  not_the_owner,   ///< __crash_kexec() by a CPU that does not hold the gate
  unknown_cpu,     ///< this_cpu() is not below max_cpus
};

namespace detail {
// At namespace scope: a table inside the function costs a call of memcpy with gcc for RISC-V.
constexpr const char* const kexec_outcome_names[] = {"no_image",      "image_busy",     "image_corrupt",
                                                     "left_to_panic", "left_to_policy", "held_by_other",
                                                     "not_the_owner", "unknown_cpu"};
}  // namespace detail

/// A name to print; "?" for a value that is none of these, never null.
[[nodiscard]] constexpr const char* to_string(kexec_outcome o) noexcept {
  constexpr uint32_t names = sizeof detail::kexec_outcome_names / sizeof *detail::kexec_outcome_names;
  return static_cast<uint32_t>(o) < names ? detail::kexec_outcome_names[static_cast<uint32_t>(o)] : "?";
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
