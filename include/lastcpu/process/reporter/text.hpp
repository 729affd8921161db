// SPDX-License-Identifier: BSL-1.0
#pragma once
// Text that is put together during a crash: a fixed room, no allocation, no stdio. What does not fit is cut.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/kernel_call.hpp>

#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

namespace lastcpu::reporter_detail {

[[nodiscard]] inline size_t length_of(const char* text) noexcept {
  size_t n = 0;
  while (text[n] != '\0') ++n;
  return n;
}

[[nodiscard]] inline bool same_text(const char* a, const char* b) noexcept {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}

/// What follows the last slash.
[[nodiscard]] inline const char* base_name(const char* path) noexcept {
  const char* base = path;
  for (; *path != '\0'; ++path)
    if (*path == '/') base = path + 1;
  return base;
}

class text {
 public:
  text(char* room, size_t bytes) noexcept : begin_(room), at_(room), end_(room + bytes - 1) { *at_ = '\0'; }
  template <size_t N>
  explicit text(char (&room)[N]) noexcept : text(room, N) {}

  text& put(char c) noexcept {
    if (at_ != end_) *at_++ = c;
    *at_ = '\0';
    return *this;
  }
  text& operator<<(const char* t) noexcept {
    while (*t != '\0') put(*t++);
    return *this;
  }
  text& operator<<(uint64_t value) noexcept { return digits(value, 10); }
  text& operator<<(uint32_t value) noexcept { return digits(value, 10); }
  text& operator<<(int value) noexcept {
    if (value < 0) put('-');
    return digits(value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value), 10);
  }
  text& hex(uint64_t value) noexcept {
    put('0').put('x');
    return digits(value, 16);
  }
  /// What somebody else has written: no control character comes through.
  text& foreign(const char* t, size_t at_most) noexcept {
    for (; *t != '\0' && at_most != 0; ++t, --at_most) put(*t < ' ' || *t == 0x7f ? '?' : *t);
    return *this;
  }
  /// Spaces up to this column of the line.
  text& column(size_t wanted) noexcept {
    const char* line = at_;
    while (line != begin_ && line[-1] != '\n') --line;
    while (static_cast<size_t>(at_ - line) < wanted && at_ != end_) put(' ');
    return *this;
  }

  [[nodiscard]] const char* begin() const noexcept { return begin_; }
  [[nodiscard]] size_t size() const noexcept { return static_cast<size_t>(at_ - begin_); }
  [[nodiscard]] bool is_full() const noexcept { return at_ == end_; }
  void clear() noexcept { *(at_ = begin_) = '\0'; }

 private:
  text& digits(uint64_t value, unsigned base) noexcept {
    char room[24];
    unsigned n = 0;
    do room[n++] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    while (n != 0) put(room[--n]);
    return *this;
  }

  char* begin_;
  char* at_;
  char* end_;
};

/// Writes all of it; false when nobody takes a piece within `ms`. It never blocks for longer: a pipe that has room takes a
/// piece of this size at once.
inline bool write_all(int fd, const void* data, size_t bytes, int ms = 2000) noexcept {
  constexpr size_t piece = PIPE_BUF;
  const uint64_t patience = static_cast<uint64_t>(ms) * 1'000'000;
  uint64_t until = now_ns() + patience;
  for (const char* at = static_cast<const char*>(data); bytes > 0;) {
    pollfd room{fd, POLLOUT, 0};
    const timespec limit{ms / 1000, ms % 1000 * 1'000'000};
    if (kernel_call(SYS_ppoll, &room, 1, &limit, nullptr, 0) <= 0 || (room.revents & POLLOUT) == 0) return false;
    const long n = kernel_call(SYS_write, fd, at, bytes < piece ? bytes : piece);
    if ((n == -EAGAIN || n == -EINTR) && now_ns() < until) continue;
    if (n <= 0) return false;
    until = now_ns() + patience;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

/// The number at `at`, which is moved behind it.
[[nodiscard]] inline uint64_t read_number(const char*& at, unsigned base) noexcept {
  uint64_t value = 0;
  for (;; ++at) {
    unsigned digit = 99;
    if (*at >= '0' && *at <= '9') digit = static_cast<unsigned>(*at - '0');
    if (*at >= 'a' && *at <= 'f') digit = static_cast<unsigned>(*at - 'a') + 10;
    if (digit >= base) return value;
    value = value * base + digit;
  }
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
