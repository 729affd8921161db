// SPDX-License-Identifier: BSL-1.0
#pragma once
// The serial port as a line to send a file over: it may be missing, stick or be too slow, and each of these has an end.

#include <stdint.h>

enum class serial_problem : uint32_t { none, no_port, stuck, too_slow };

/// What has happened, and what helps; no full stop.
[[nodiscard]] constexpr const char* to_string(serial_problem p) noexcept {
  switch (p) {
    case serial_problem::none:
      return "nothing is wrong";
    case serial_problem::no_port:
      return "there is no serial port at 0x3f8; QEMU: -serial file:LOG";
    case serial_problem::stuck:
      return "the serial port takes no more characters; is anybody reading at the other end?";
    case serial_problem::too_slow:
      return "the serial port is ten times slower than 115200 baud; see its divisor";
  }
  return "for a reason without a name";
}

/// `Machine` has in8(port), out8(port, byte), pause(), now() and ticks_per_second(); 0 of these: a poll is a microsecond.
template <class Machine>
class serial_line {
 public:
  static constexpr uint16_t port = 0x3f8;
  static constexpr uint64_t characters_per_second = 11'520;  // 115200 baud, 10 bits each

  explicit serial_line(Machine& machine) noexcept : machine_(machine) {}

  /// Before the first put(), which is to come soon: `characters` are to be sent.
  void begin(uint64_t characters) noexcept {
    if (status() == 0xff) problem_ = serial_problem::no_port;
    bound_us_ = 10'000'000 + characters * 10 * 1'000'000 / characters_per_second;
    begin_ = now_us();
  }
  /// Behind the first problem nothing is sent any more. "\n" ends a line.
  void put(const char* text) noexcept {
    for (; *text != '\0'; ++text) {
      if (*text == '\n') put('\r');
      put(*text);
    }
  }
  [[nodiscard]] serial_problem problem() const noexcept { return problem_; }

 private:
  static constexpr uint8_t has_room = 0x20;
  static constexpr uint64_t patience_us = 1'000'000;  // for one character, which takes 87

  [[nodiscard]] uint8_t status() noexcept { return machine_.in8(port + 5); }
  [[nodiscard]] uint64_t now_us() noexcept {
    const uint64_t per_us = machine_.ticks_per_second() / 1'000'000;
    return per_us != 0 ? machine_.now() / per_us : polls_;
  }

  void put(char c) noexcept {
    if (problem_ != serial_problem::none) return;
    if ((status() & has_room) == 0) wait();
    if (problem_ == serial_problem::none) machine_.out8(port, static_cast<uint8_t>(c));
  }
  void wait() noexcept {
    const uint64_t from = now_us();
    while ((status() & has_room) == 0) {
      machine_.pause();
      ++polls_;
      const uint64_t now = now_us();
      if (now - from > patience_us) problem_ = serial_problem::stuck;
      if (now - begin_ > bound_us_) problem_ = serial_problem::too_slow;
      if (problem_ != serial_problem::none) return;
    }
  }

  Machine& machine_;
  uint64_t begin_ = 0;
  uint64_t bound_us_ = 0;
  uint64_t polls_ = 0;
  serial_problem problem_ = serial_problem::none;
};
