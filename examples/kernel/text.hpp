// SPDX-License-Identifier: BSL-1.0
#pragma once
// A line of text, put together on the stack: no heap, no lock, any context. What is too long is cut.

#include <stddef.h>
#include <stdint.h>

struct hex {
  uint64_t value;
};

class text {
 public:
  text& operator<<(char c) noexcept {
    if (length_ + 1 < sizeof bytes_) bytes_[length_++] = c;
    bytes_[length_] = '\0';
    return *this;
  }
  text& operator<<(const char* s) noexcept {
    for (; *s != '\0'; ++s) *this << *s;
    return *this;
  }
  text& operator<<(uint64_t n) noexcept { return digits(n, 10); }
  text& operator<<(uint32_t n) noexcept { return digits(n, 10); }
  text& operator<<(hex h) noexcept { return (*this << "0x").digits(h.value, 16); }

  [[nodiscard]] const char* c_str() const noexcept { return bytes_; }

 private:
  text& digits(uint64_t n, unsigned base) noexcept {
    char reversed[20];
    unsigned count = 0;
    do {
      reversed[count++] = "0123456789abcdef"[n % base];
      n /= base;
    } while (n != 0);
    while (count != 0) *this << reversed[--count];
    return *this;
  }

  char bytes_[256] = {};
  size_t length_ = 0;
};

[[nodiscard]] inline bool same(const char* a, const char* b) noexcept {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}
