// SPDX-License-Identifier: BSL-1.0
#pragma once
// The signals that report a fault of the thread itself, and one line of text about each. Any context.

#include <lastcpu/detail/begin.hpp>

#include <signal.h>
#include <stdint.h>

namespace lastcpu::posix_detail {

inline constexpr int fault_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};

[[nodiscard]] constexpr uint64_t signal_bit(int number) noexcept {
  return uint64_t{1} << (number - 1);
}

[[nodiscard]] constexpr uint64_t fault_mask() noexcept {
  uint64_t mask = 0;
  for (const int s : fault_signals) mask |= signal_bit(s);
  return mask;
}

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

/// "SIGSEGV at 0x7f..", or "SIGSEGV from process 4711" for one that was sent. Not by printf, which may take a lock.
inline void describe_fault(char (&out)[48], const siginfo_t& info) noexcept {
  char* at = out;
  const auto put = [&at](const char* text) noexcept {
    while (*text != '\0') *at++ = *text++;
  };
  const auto put_number = [&at](uintptr_t value, unsigned base) noexcept {
    char digits[24];
    unsigned n = 0;
    do digits[n++] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    while (n != 0) *at++ = digits[--n];
  };
  put(fault_name(info.si_signo));
  const bool sent = info.si_code <= 0;
  if (info.si_code == SI_TIMER) {
    put(", a timer has expired");
  } else if (sent && info.si_signo != SIGABRT) {
    put(" from process ");
    put_number(static_cast<uintptr_t>(info.si_pid), 10);
  } else if (info.si_code == SI_KERNEL) {
    put(", the kernel names no address");
  } else if (info.si_signo != SIGABRT) {
    put(" at 0x");
    put_number(reinterpret_cast<uintptr_t>(info.si_addr), 16);
  }
  *at = '\0';
}

}  // namespace lastcpu::posix_detail

#include <lastcpu/detail/end.hpp>
