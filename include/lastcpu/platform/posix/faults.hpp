// SPDX-License-Identifier: BSL-1.0
#pragma once
// The signals that report a fault of the thread itself, and one line of text about each. Any context.

#include <lastcpu/detail/begin.hpp>

#include <signal.h>
#include <stdint.h>

namespace lastcpu::posix_detail {

inline constexpr int fault_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};

[[nodiscard]] constexpr bool is_fault(int number) noexcept {
  for (const int f : fault_signals)
    if (f == number) return true;
  return false;
}

[[nodiscard]] inline const char* fault_name(int number) noexcept {
  switch (number) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    case SIGTRAP:
      return "SIGTRAP";
    case SIGSYS:
      return "SIGSYS";
    case SIGABRT:
      return "SIGABRT";
    default:
      return "fault";
  }
}

/// "SIGSEGV at 0x7f..". Not by printf, which may take a lock.
inline void describe_fault(char (&out)[48], const siginfo_t& info) noexcept {
  char* at = out;
  const auto put = [&at](const char* text) noexcept {
    while (*text != '\0') *at++ = *text++;
  };
  put(fault_name(info.si_signo));
  if (info.si_signo != SIGABRT) {
    put(" at 0x");
    const auto address = reinterpret_cast<uintptr_t>(info.si_addr);
    int shift = static_cast<int>(sizeof address) * 8 - 4;
    while (shift > 0 && address >> shift == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[address >> shift & 15];
  }
  *at = '\0';
}

}  // namespace lastcpu::posix_detail

#include <lastcpu/detail/end.hpp>
