// SPDX-License-Identifier: BSL-1.0
#pragma once
// A small core over the serial line, as S-records between the console's lines: tools/serial-vmcore makes a file of the log.

#include <lastcpu/kexec/handover.hpp>

namespace serial_dump {

/// `from` is in the core's beginning; open_handover() has let it pass. Says on the console how it goes. False: the core is
/// not complete; why has been said, if it could be.
[[nodiscard]] bool run(const lastcpu::kexec::handover& from) noexcept;

}  // namespace serial_dump
