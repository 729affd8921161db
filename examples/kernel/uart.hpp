// SPDX-License-Identifier: BSL-1.0
#pragma once
// The first serial port, polled: what a kernel has to say for itself when nothing else works. No lock, any context.

#include <lastcpu/platform/x86_64/instructions.hpp>

namespace uart {

inline constexpr uint16_t port = 0x3f8;

/// 115200 baud, 8 bits, no parity, FIFO on, no interrupts.
inline void set_up() noexcept {
  namespace x86 = lastcpu::x86;
  x86::out8(port + 1, 0);
  x86::out8(port + 3, 0x80);  // the divisor is visible
  x86::out8(port + 0, 1);
  x86::out8(port + 1, 0);
  x86::out8(port + 3, 0x03);
  x86::out8(port + 2, 0x07);
  x86::out8(port + 4, 0x03);
}

/// Waits for room with a bound: a port that is not there swallows the text.
inline void put(char c) noexcept {
  for (int i = 0; i < 100'000 && (lastcpu::x86::in8(port + 5) & 0x20) == 0; ++i) lastcpu::x86::pause();
  lastcpu::x86::out8(port, static_cast<uint8_t>(c));
}

inline void put(const char* text) noexcept {
  for (; *text != '\0'; ++text) put(*text);
}

}  // namespace uart
