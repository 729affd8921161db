// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/report.hpp>

#include <lastcpu/barebones.hpp>

#include <algorithm>
#include <string>

#include "panicking.hpp"

namespace lastcpu::test {

// As a kernel beside its registers.
template <class F>
void for_each_register(const fake_registers& r, F f) noexcept {
  f("pc", r.pc);
}

}  // namespace lastcpu::test

namespace report_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

std::string printed;
std::vector<size_t> pieces;  // how long each was
std::string fault_at;        // the piece at which put() faults, once

void put(const char* piece) noexcept {
  printed += piece;
  pieces.push_back(std::string(piece).size());
  if (fault_at.empty() || fault_at != piece) return;
  fault_at.clear();
  machine().say("faults");
}

// A CPU's line without the registers below it.
std::string without_registers() {
  std::string out;
  size_t at = 0;
  for (size_t end; (end = printed.find('\n', at)) != std::string::npos; at = end + 1)
    if (printed.compare(at, 10, "lastcpu:  ") != 0) out += printed.substr(at, end + 1 - at);
  return out + printed.substr(at);
}

using reporting = reporting_policy<put>;

template <class P, class Policy>
struct reported : panicking<P, Policy> {
  reported() {
    printed.clear();
    pieces.clear();
    fault_at.clear();
  }
  void stop_by_irq(std::vector<cpu_id> which) {
    this->m.when("0 sends irq", [=, this] {
      for (const cpu_id cpu : which) this->m.as(cpu, [this] { this->domain.handle_stop_irq(stopped); });
    });
  }
};
struct report : reported<fake_platform, reporting> {};

TEST_F(report, has_a_line_for_each_cpu_and_what_became_of_it) {
  m.online[3] = false;
  m.when("2 sends irq", [&] { m.as(1, [&] { domain.handle_stop_irq(stopped); }); });
  EXPECT_EQ(panic_on(2, "out of memory"), ending::restarted);
  EXPECT_EQ(without_registers(),
            "lastcpu: CPU 2 panicked: out of memory\n"
            "lastcpu: CPU 0 is silent\n"
            "lastcpu: CPU 1 stopped by irq\n");
}

TEST_F(report, has_the_registers_of_each_cpu_that_saved_some_below_its_line) {
  stop_by_irq({1});
  EXPECT_EQ(panic_on(0, "x"), ending::restarted);
  EXPECT_EQ(printed,
            "lastcpu: CPU 0 panicked: x\n"
            "lastcpu:   pc 000000000000c0de\n"
            "lastcpu: CPU 1 stopped by irq\n"
            "lastcpu:   pc 0000000000005709\n"
            "lastcpu: CPU 2 is silent\n"
            "lastcpu: CPU 3 is silent\n");
}

TEST_F(report, says_what_a_loser_and_an_nmi_on_the_owner_had_to_say) {
  m.online[2] = m.online[3] = false;
  m.when("0 begins image", [&] { m.as(1, [&] { domain.panic("second", &stopped); }); });
  m.when("0 commits", [&] { domain.nmi_panic("watchdog", in_nmi); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(without_registers(),
            "lastcpu: CPU 0 panicked: first; in NMI: watchdog\n"
            "lastcpu: CPU 1 lost the race: second\n");
}

TEST_F(report, is_one_line_for_any_text) {
  EXPECT_EQ(panic_on(0, "two\nlines\tand \x7f a text that is longer than one piece"), ending::restarted);
  EXPECT_EQ(printed.substr(0, printed.find('\n')),
            "lastcpu: CPU 0 panicked: two lines and   a text that is longer than one piece");
}

TEST_F(report, knows_a_cpu_without_a_number) {
  EXPECT_EQ(panic_on(4, "who am I"), ending::restarted);
  EXPECT_EQ(printed.substr(0, printed.find('\n')), "lastcpu: CPU without a number panicked: who am I");
}

TEST_F(report, that_faults_in_a_line_goes_on_in_a_new_one) {
  stop_by_irq({1, 2, 3});
  fault_at = " stopped by irq";
  m.when("0 faults", [&] { domain.panic("fault", &stopped); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(without_registers(),
            "lastcpu: CPU 0 panicked: first\n"
            "lastcpu: CPU 1 stopped by irq\n"
            "lastcpu: CPU 2 stopped by irq\n"
            "lastcpu: CPU 3 stopped by irq\n");
}

TEST_F(report, says_why_a_crash_kernel_that_is_loaded_does_not_start) {
  load();
  m.broken_images = {7};
  EXPECT_EQ(panic_on(0, "x"), ending::restarted);
  EXPECT_NE(printed.find("lastcpu: no crash kernel: image_corrupt\n"), std::string::npos);
}

TEST_F(report, does_not_say_that_none_was_loaded) {
  EXPECT_EQ(panic_on(0, "x"), ending::restarted);
  EXPECT_EQ(printed.find("no crash kernel"), std::string::npos);
}

struct without_texts : report_style {
  static constexpr uint32_t message_bytes = 0;
  static void put(const char* piece) noexcept { report_test::put(piece); }
};
struct report_without_texts : reported<fake_platform, styled_report<without_texts>> {};
TEST_F(report_without_texts, prints_the_owners_before_the_stop) {
  m.online[2] = m.online[3] = false;
  m.when("0 sends irq", [&] { EXPECT_EQ(printed, "lastcpu: CPU 0 panicked: x\n"); });
  EXPECT_EQ(panic_on(0, "x"), ending::restarted);
  EXPECT_EQ(without_registers(), "lastcpu: CPU 0 panicked: x\nlastcpu: CPU 1 is silent\n");
}

struct short_style : report_style {
  static constexpr uint32_t piece_bytes = 2;
  static constexpr bool says_how = false;
  static cpu_id known_cpus() noexcept { return 1234567890; }
  static void put(const char* piece) noexcept { report_test::put(piece); }
};
struct short_report : reported<fake_platform, styled_report<short_style>> {};
TEST_F(short_report, says_only_that_a_cpu_has_stopped_and_how_many_are_known) {
  m.online[3] = false;
  stop_by_irq({1});
  EXPECT_EQ(panic_on(0, "x y"), ending::restarted);
  EXPECT_EQ(without_registers(),
            "lastcpu: CPU 0 panicked, CPUs known: 1234567890: x y\n"
            "lastcpu: CPU 1 has stopped\n"
            "lastcpu: CPU 2 is silent\n");
}

// As a policy is told of one CPU.
struct many_registers {
  uintptr_t first;
};
template <class F>
void for_each_register(const many_registers& r, F f) noexcept {
  for (uintptr_t i = 0; i < 5; ++i) f("r", r.first + i);
}
template <class Registers>
std::string report_of(const cpu_note<Registers>& note) {
  printed.clear();
  pieces.clear();
  reporting::summary(note);
  return printed;
}

TEST(report_of_a_note, says_each_text_and_that_one_was_cut_short) {
  EXPECT_EQ(report_of<int>({12, stop_state::parked, false, nullptr, "own", "of an NMI", "of a fault", true}),
            "lastcpu: CPU 12 lost the race: own; in NMI: of an NMI; inside the panic: of a fault (cut short)\n");
}

TEST(report_of_a_note, has_four_registers_in_a_line) {
  const many_registers regs = {static_cast<uintptr_t>(0xfedc'ba98'7654'3210)};
  EXPECT_EQ(report_of<many_registers>({0, stop_state::by_nmi, false, &regs, "", "", "", false}),
            "lastcpu: CPU 0 stopped by nmi\n"
            "lastcpu:   r fedcba9876543210 r fedcba9876543211 r fedcba9876543212 r fedcba9876543213\n"
            "lastcpu:   r fedcba9876543214\n");
}

TEST(report_of_a_note, cuts_a_text_into_pieces_that_fit) {
  const std::string text(100, 'x');
  (void)report_of<int>({0, stop_state::parked, false, nullptr, text.c_str(), "", "", false});
  EXPECT_EQ(printed, "lastcpu: CPU 0 lost the race: " + text + "\n");
  EXPECT_EQ(std::count(pieces.begin(), pieces.end(), report_style::piece_bytes - 1), 4);
}

}  // namespace
}  // namespace report_test
