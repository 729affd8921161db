// SPDX-License-Identifier: BSL-1.0
#pragma once
// What is wrong with a handover or with the beginning of a core, in words for the crash kernel's console.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// What is wrong with a handover. With `cut_off` and `damaged` it can be used, with care: all of it is inside its
/// bounds.
enum class handover_error : uint32_t {
  none,           ///< nothing
  cut_off,        ///< no seal: a fault came before the jump, and CPUs may be missing
  damaged,        ///< something has written to it since it was sealed
  too_short,      ///< fewer bytes than it needs
  no_handover,    ///< another magic
  wrong_version,  ///< of other headers
  wrong_machine,  ///< of another processor
  wrong_sizes,    ///< its sizes don't fit each other
  too_many_cpus,  ///< it counts more CPUs than it has room for
  bad_region,     ///< its region is not mapped
  bad_core,       ///< the beginning of the core is not in the region
  bad_ram,        ///< its memory map has too many ranges, or one that wraps
  bad_build_id,   ///< its build id is longer than its room
  endless_text,   ///< a text has no closing zero
};

/// A sentence for the console, with a remedy where there is one; never null.
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
