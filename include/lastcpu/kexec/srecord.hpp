// SPDX-License-Identifier: BSL-1.0
#pragma once
// Motorola S-records: bytes of a file as lines of text, each with its place and a checksum, for a line that may lose
// some of them. Any terminal keeps them, and objcopy -I srec makes the file again:
//
//   S0  a name, first                        S5  how many S3 there were, in 16 bits; S6 in 24 bits
//   S3  up to 64 bytes, the place in 32 bits S7  the end
//
// Zeros are left out where that makes the text shorter; who reads it takes for zero what is not there. So a row that the
// line has lost would go unnoticed, but for their number: tools/serial-vmcore checks it, objcopy does not.
// No state outside the object; any context.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// Why a file can't be sent.
enum class srecord_problem : uint32_t {
  none,             ///< it can
  place_too_large,  ///< beyond 4 GiB
  too_many_rows,    ///< more than can be counted in 24 bits
};

/// What has happened; no full stop. Never null.
[[nodiscard]] constexpr const char* to_string(srecord_problem p) noexcept {
  switch (p) {
    case srecord_problem::none:
      return "nothing is wrong";
    case srecord_problem::place_too_large:
      return "a place in the file has more than 32 bits: leave some of the file out";
    case srecord_problem::too_many_rows:
      return "there are more rows than can be counted in 24 bits: leave some of the file out";
  }
  return "unknown problem: the value is damaged";
}

/// `put(const char*)` gets whole lines that end with "\n". In this order: begin(), add() any number of times, end().
/// After a problem, which nothing has been written for, there is no end() that would make it look whole.
template <class Put>
class srecord_writer {
 public:
  /// Bytes of the file in a row, at most.
  static constexpr uint32_t row_bytes = 64;
  /// As many as S6 can count.
  static constexpr uint32_t most_rows = 0xff'ffff;

  /// Writes by `put`.
  explicit srecord_writer(Put put) noexcept : put_(put) {}

  /// S0. The name is cut behind 64 characters.
  void begin(const char* name) noexcept {
    uint32_t n = 0;
    for (const char* at = name; n < row_bytes && *at != '\0'; ++at) ++n;
    write('0', 2, 0, reinterpret_cast<const unsigned char*>(name), n);
  }

  /// Bytes `place` to `place + n` of the file.
  [[nodiscard]] srecord_problem add(uint64_t place, const unsigned char* data, uint64_t n) noexcept {
    for (uint64_t i = 0; i < n; ++i) {
      if (data[i] == 0) continue;
      const uint32_t bytes = length_of_row(data + i, n - i);
      const srecord_problem p = add_row(place + i, data + i, bytes);
      if (p != srecord_problem::none) return p;
      i += bytes - 1;
    }
    return srecord_problem::none;
  }

  /// Behind the last add(). `file_bytes`: how long the file is to be, zeros at its end included.
  [[nodiscard]] srecord_problem end(uint64_t file_bytes) noexcept {
    constexpr unsigned char zero = 0;
    if (file_bytes > end_of_rows_) {
      const srecord_problem p = add_row(file_bytes - 1, &zero, 1);
      if (p != srecord_problem::none) return p;
    }
    const bool is_short = rows_ <= 0xffff;
    write(is_short ? '5' : '6', is_short ? 2 : 3, rows_, &zero, 0);
    write('7', 4, 0, &zero, 0);
    return srecord_problem::none;
  }

  /// Rows of data, so far.
  [[nodiscard]] uint32_t rows() const noexcept { return rows_; }
  /// Characters that put() was given, so far.
  [[nodiscard]] uint64_t characters() const noexcept { return characters_; }

 private:
  static constexpr uint32_t most_zeros_inside = 8;  // of a row: another row costs as much as these

  // No zero at its end.
  [[nodiscard]] static uint32_t length_of_row(const unsigned char* data, uint64_t n) noexcept {
    uint32_t last = 0;
    for (uint32_t i = 1; i < n && i < row_bytes && i - last <= most_zeros_inside + 1; ++i)
      if (data[i] != 0) last = i;
    return last + 1;
  }

  [[nodiscard]] srecord_problem add_row(uint64_t place, const unsigned char* data, uint32_t n) noexcept {
    if (place + n - 1 > 0xffff'ffff) return srecord_problem::place_too_large;
    if (rows_ == most_rows) return srecord_problem::too_many_rows;
    write('3', 4, static_cast<uint32_t>(place), data, n);
    if (place + n > end_of_rows_) end_of_rows_ = place + n;
    ++rows_;
    return srecord_problem::none;
  }

  // The count is of the bytes behind it; the checksum makes all of them, and the count, add up to 0xff.
  void write(char kind, uint32_t address_bytes, uint32_t address, const unsigned char* data, uint32_t n) noexcept {
    length_ = sum_ = 0;
    line_[length_++] = 'S';
    line_[length_++] = kind;
    add_byte(address_bytes + n + 1);
    for (uint32_t i = address_bytes; i != 0; --i) add_byte(address >> (8 * (i - 1)) & 0xff);
    for (uint32_t i = 0; i < n; ++i) add_byte(data[i]);
    add_byte(~sum_ & 0xff);
    line_[length_++] = '\n';
    line_[length_] = '\0';
    characters_ += length_;
    put_(static_cast<const char*>(line_));
  }
  void add_byte(uint32_t byte) noexcept {
    line_[length_++] = digit(byte >> 4);
    line_[length_++] = digit(byte & 15);
    sum_ += byte;
  }
  [[nodiscard]] static char digit(uint32_t n) noexcept { return static_cast<char>(n < 10 ? '0' + n : 'A' + (n - 10)); }

  Put put_;
  uint64_t characters_ = 0;
  uint64_t end_of_rows_ = 0;
  uint32_t rows_ = 0;
  uint32_t length_ = 0;
  uint32_t sum_ = 0;
  char line_[2 + 2 + 8 + 2 * row_bytes + 2 + 2];  // kind, count, place, data, checksum, end
};

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
