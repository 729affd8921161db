// SPDX-License-Identifier: BSL-1.0
#pragma once
// The end of the crash kernel, whatever has become of it: the machine restarts.

#include <stdint.h>

/// For a QEMU with -device isa-debug-exit,iobase=0xf4,iosize=4: its exit status is twice the value plus one.
enum class verdict : uint32_t { reported = 16, bad_handover = 18, dump_failed = 19, fault = 20 };

/// Any context, with nothing of this kernel in order but its code.
[[noreturn]] void leave(verdict v) noexcept;
