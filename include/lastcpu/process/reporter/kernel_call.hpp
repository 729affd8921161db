// SPDX-License-Identifier: BSL-1.0
#pragma once
// System calls of the crash path. They leave errno alone: the capture process shares it with the thread that waits for
// it. No sanitizer sees them. Any context.

#include <lastcpu/detail/begin.hpp>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace lastcpu::reporter_detail {

[[nodiscard]] inline long to_word(const volatile void* p) noexcept {
  return static_cast<long>(reinterpret_cast<intptr_t>(p));
}
template <class T>
requires(__is_enum(T) || T(1) == 1) [[nodiscard]] long to_word(T value) noexcept {
  return static_cast<long>(value);
}

inline long call_of_six(long number, long a, long b, long c, long d, long e, long f) noexcept {
#if defined(__x86_64__)
  long answer;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(answer)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return answer;
#elif defined(__aarch64__)
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
#error "the crash reporter knows x86-64 and aarch64; use lastcpu/platform/posix.hpp here"
#endif
}

/// The answer, or an error number below zero.
template <class... Words>
long kernel_call(long number, Words... words) noexcept {
  const long w[6] = {to_word(words)...};
  return call_of_six(number, w[0], w[1], w[2], w[3], w[4], w[5]);
}

[[nodiscard]] inline uint32_t own_tid() noexcept {
  return static_cast<uint32_t>(kernel_call(SYS_gettid));
}
[[nodiscard]] inline uint32_t own_pid() noexcept {
  return static_cast<uint32_t>(kernel_call(SYS_getpid));
}

[[nodiscard]] inline uint64_t now_ns() noexcept {
  timespec t{};
  kernel_call(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

/// A page of this kernel: 4 KiB, on aarch64 16 or 64 KiB as well.
[[nodiscard]] inline size_t page_bytes() noexcept {
  return getauxval(AT_PAGESZ);
}
[[nodiscard]] inline size_t in_whole_pages(size_t bytes) noexcept {
  return (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
}

/// Sleeps while the word holds `value`, for `ms` at most.
inline void sleep_on(const void* word, uint32_t value, long ms) noexcept {
  const timespec t{ms / 1000, ms % 1000 * 1'000'000};
  kernel_call(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &t, nullptr, 0);
}
inline void wake_sleepers(const void* word) noexcept {
  kernel_call(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fff'ffff, nullptr, nullptr, 0);
}

/// The mask of every signal, for the calls that take one.
inline constexpr uint64_t every_signal = ~uint64_t{0};

/// The mask that was there before.
inline uint64_t set_mask(uint64_t mask) noexcept {
  uint64_t before = 0;
  kernel_call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &mask, &before, sizeof mask);
  return before;
}

/// Sleeps for good; no handler runs on this thread any more.
[[noreturn]] inline void sleep_for_ever() noexcept {
  set_mask(every_signal);
  const uint32_t never = 0;
  for (;;) kernel_call(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
}

/// Copies without a call of the C library, which a crash may have come from.
inline void copy_bytes(void* to, const void* from, size_t bytes) noexcept {
  auto* t = static_cast<volatile unsigned char*>(to);
  const auto* f = static_cast<const volatile unsigned char*>(from);
  for (size_t i = 0; i < bytes; ++i) t[i] = f[i];
}

/// Reads another place of this process's memory; false where it can't be read. Never faults.
[[nodiscard]] inline bool read_memory(uintptr_t at, void* to, size_t bytes) noexcept {
  struct {
    uintptr_t base;
    size_t length;
  } here{reinterpret_cast<uintptr_t>(to), bytes}, there{at, bytes};
  const long n = kernel_call(SYS_process_vm_readv, own_pid(), &here, 1, &there, 1, 0);
  if (n != -EPERM && n != -ENOSYS) return n == static_cast<long>(bytes);
  const long memory = kernel_call(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);  // in a sandbox
  if (memory < 0) return false;
  const long m = kernel_call(SYS_pread64, memory, to, bytes, at);
  kernel_call(SYS_close, memory);
  return m == static_cast<long>(bytes);
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
