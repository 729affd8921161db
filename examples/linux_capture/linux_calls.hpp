// SPDX-License-Identifier: BSL-1.0
#pragma once
// The few system calls that init makes, for a program without a library.

#include <stdint.h>

namespace calls {

enum class number : int64_t {
  read = 0,
  write = 1,
  open = 2,
  close = 3,
  lseek = 8,
  mmap = 9,
  pread = 17,
  pwrite = 18,
  nanosleep = 35,
  fork = 57,
  fsync = 74,
  mkdir = 83,
  mount = 165,
  reboot = 169,
  clock_gettime = 228,
};

constexpr int64_t write_only = 1, read_write = 2, direct = 0x4000;
constexpr int64_t no_such_device = -19;

/// An argument: a number or a pointer.
struct word {
  word(int n) noexcept : value(n) {}
  word(unsigned n) noexcept : value(n) {}
  word(int64_t n) noexcept : value(n) {}
  word(uint64_t n) noexcept : value(static_cast<int64_t>(n)) {}
  word(const volatile void* at) noexcept : value(reinterpret_cast<int64_t>(at)) {}
  int64_t value;
};

/// What the kernel returns: from -4095 to -1 an error.
inline int64_t make(number n, word a = 0, word b = 0, word c = 0, word d = 0, word e = 0, word f = 0) noexcept {
  int64_t out = static_cast<int64_t>(n);
  asm volatile(R"(
      mov %[d], %%r10
      mov %[e], %%r8
      mov %[f], %%r9
      syscall)"
               : "+a"(out)
               : "D"(a.value), "S"(b.value), "d"(c.value), [d] "r"(d.value), [e] "r"(e.value), [f] "r"(f.value)
               : "rcx", "r8", "r9", "r10", "r11", "memory");
  return out;
}

/// Milliseconds since the kernel has come up.
inline uint64_t now() noexcept {
  int64_t t[2] = {};
  (void)make(number::clock_gettime, 1, t);
  return static_cast<uint64_t>(t[0] * 1000 + t[1] / 1'000'000);
}

inline void sleep(uint64_t milliseconds) noexcept {
  const uint64_t t[2] = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  (void)make(number::nanosleep, t, nullptr);
}

}  // namespace calls
