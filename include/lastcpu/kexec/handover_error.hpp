// SPDX-License-Identifier: BSL-1.0
#pragma once
// What is wrong with a handover or with the beginning of a core, in words for the crash kernel's console.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

enum class handover_error : uint32_t {
  none,
  // it can be used, with care: all of it is inside its bounds
  cut_off,
  damaged,
  // it can't be used
  too_short,
  no_handover,
  wrong_version,
  wrong_machine,
  wrong_sizes,
  too_many_cpus,
  bad_region,
  bad_core,
  bad_ram,
  bad_build_id,
  endless_text,
};

/// Never null.
[[nodiscard]] constexpr const char* to_string(handover_error e) noexcept {
  switch (e) {
    case handover_error::none:
      return "the handover is whole";
    case handover_error::cut_off:
      return "the handover has no seal: a fault cut the dying kernel off before the jump, so CPUs may be missing";
    case handover_error::damaged:
      return "the handover does not have the bytes that were sealed: something wrote to it, so doubt what it says";
    case handover_error::too_short:
      return "there are fewer bytes than the handover needs: the file or the memory ends too early";
    case handover_error::no_handover:
      return "no handover here: the magic is wrong";
    case handover_error::wrong_version:
      return "a handover of another version: build the crash kernel with the headers of the kernel that died";
    case handover_error::wrong_machine:
      return "a handover of another machine: build the crash kernel for the machine of the kernel that died";
    case handover_error::wrong_sizes:
      return "the handover's sizes don't fit each other: it is damaged, or of a kernel with other registers";
    case handover_error::too_many_cpus:
      return "the handover counts more CPUs than it has room for: it is damaged";
    case handover_error::bad_region:
      return "the reserved region of the handover is no memory that is mapped: it is damaged";
    case handover_error::bad_core:
      return "the beginning of the core is not in the reserved region: the handover is damaged";
    case handover_error::bad_ram:
      return "the handover's memory map has too many ranges, or one that wraps around: it is damaged";
    case handover_error::bad_build_id:
      return "the handover's build id is longer than its room: it is damaged";
    case handover_error::endless_text:
      return "a text of the handover has no end: it is damaged";
  }
  return "unknown error: the value is damaged";
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
