// SPDX-License-Identifier: BSL-1.0
// The serial line that the example crash kernel sends a core over: each of its ends comes, and within a bound.
#include "crash_kernel/serial_line.hpp"

#include <gtest/gtest.h>

#include <string>

namespace serial_line_test {
namespace {

struct fake_port {
  uint64_t us_per_character = 0;
  uint64_t stuck_after = ~uint64_t{0};  // characters
  bool missing = false;
  uint64_t hertz = 1'000'000'000;

  std::string sent = {};
  uint64_t us = 0;
  uint64_t busy_until = 0;

  uint8_t in8(uint16_t port) {
    EXPECT_EQ(port, 0x3fd);
    us += 1;
    if (missing) return 0xff;
    return us < busy_until || sent.size() >= stuck_after ? 0x00 : 0x60;
  }
  void out8(uint16_t port, uint8_t byte) {
    EXPECT_EQ(port, 0x3f8);
    EXPECT_GE(us, busy_until) << "there was no room";
    sent += static_cast<char>(byte);
    busy_until = us + us_per_character;
  }
  void pause() {}
  [[nodiscard]] uint64_t now() const { return us * (hertz / 1'000'000); }
  [[nodiscard]] uint64_t ticks_per_second() const { return hertz; }
};

std::string text(serial_problem p) {
  return to_string(p);
}

struct serial : testing::Test {
  fake_port port;
  serial_line<fake_port> line{port};
  void send(uint64_t characters) {
    line.begin(characters);
    for (uint64_t i = 0; i < characters; i += 16) line.put("123456789012345\n");
  }
};

TEST_F(serial, characters_go_out_one_by_one_and_lines_end_in_two) {
  port.us_per_character = 87;
  line.begin(5);
  line.put("a\nb");
  EXPECT_EQ(port.sent, "a\r\nb");
  EXPECT_EQ(line.problem(), serial_problem::none);
}

TEST_F(serial, line_that_is_as_slow_as_it_should_be_is_waited_for) {
  port.us_per_character = 87;
  send(10'000);
  EXPECT_EQ(line.problem(), serial_problem::none);
}

TEST_F(serial, port_that_is_not_there_gets_nothing) {
  port.missing = true;
  send(100);
  EXPECT_EQ(text(line.problem()), text(serial_problem::no_port));
  EXPECT_EQ(port.sent, "");
}

TEST_F(serial, port_that_sticks_is_given_up_after_a_second) {
  for (const uint64_t hertz : {uint64_t{1'000'000'000}, uint64_t{0}}) {
    port = fake_port{};
    port.hertz = hertz;
    port.stuck_after = 10;
    serial_line<fake_port> other(port);
    other.begin(100);
    other.put("0123456789abc");
    EXPECT_EQ(text(other.problem()), text(serial_problem::stuck));
    EXPECT_NEAR(static_cast<double>(port.us), 1e6, 1e5) << "and not once for each character";
    port.stuck_after = ~uint64_t{0};
    other.put("more");
    EXPECT_EQ(port.sent, "0123456789") << "a row that is cut is not continued";
  }
}

TEST_F(serial, line_that_is_far_too_slow_is_given_up) {
  port.us_per_character = 200'000;  // 5 characters a second
  send(10'000);
  EXPECT_EQ(text(line.problem()), text(serial_problem::too_slow));
  EXPECT_LT(port.us, 25'000'000u) << "10 s, and ten times what it takes at 115200";
}

TEST(serial_problem, each_has_a_text_of_its_own) {
  for (uint32_t i = 0; i < 5; ++i)
    for (uint32_t k = 0; k < i; ++k) EXPECT_NE(text(serial_problem{i}), text(serial_problem{k}));
}

}  // namespace
}  // namespace serial_line_test
