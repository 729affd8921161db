// SPDX-License-Identifier: BSL-1.0
// Messages that a kernel formats before its panic.
#include <cstring>

#include "panicking.hpp"

namespace formatted_message_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct formatted_message : panicking<> {
  // As a kernel's panic() does it; false when there was no room.
  bool format(const char* text, panic_context in = normal) {
    uint32_t room = 0;
    char* to = domain.message_begin(room, in);
    if (to == nullptr) return false;
    machine().say("formats");
    snprintf(to, room, "%s", text);
    domain.message_end(in);
    return true;
  }
  ending formatted_panic_on(cpu_id cpu, const char* text) {
    return m.as(cpu, [=, this] {
      (void)format(text);
      domain.panic(nullptr, &crash);
    });
  }
};

TEST_F(formatted_message, is_the_text_of_the_panic_that_follows) {
  EXPECT_EQ(formatted_panic_on(0, "bug 7"), ending::restarted);
  EXPECT_EQ(m.count("0 reports bug 7"), 1);
  EXPECT_EQ(message(0, normal), "bug 7");
  EXPECT_EQ(message(0, nested), "");
  EXPECT_EQ(saved_pc(0), crash.pc);
}

TEST_F(formatted_message, keeps_interrupts_off_from_its_beginning_on) {
  EXPECT_EQ(formatted_panic_on(0, "bug 7"), ending::restarted);
  EXPECT_LT(m.at("0 irqs off"), m.at("0 formats"));
  EXPECT_EQ(m.count("0 irqs back"), 0);
}

TEST_F(formatted_message, of_a_loser_is_kept) {
  m.when("0 reports first", [&] { EXPECT_EQ(formatted_panic_on(1, "second"), ending::waiting); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(message(1, normal), "second");
  EXPECT_EQ(domain.messages().state(1, normal), message_state::ready);
  EXPECT_EQ(saved_pc(1), crash.pc);
}

TEST_F(formatted_message, of_a_cpu_that_is_stopped_before_its_panic_is_whole) {
  m.as(1, [&] { EXPECT_TRUE(format("second")); });
  m.when("0 sends nmi", [&] { nmi_on(1); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(domain.messages().state(1, normal), message_state::formatted);
  EXPECT_STREQ(domain.messages().text(1, normal, false), "second");
}

TEST_F(formatted_message, of_a_cpu_that_is_stopped_while_it_formats_is_kept_as_far_as_it_is_written) {
  uint32_t room = 0;
  m.as(1, [&] {
    char* to = domain.message_begin(room);
    snprintf(to, room, "half");
  });
  m.when("0 sends nmi", [&] { nmi_on(1); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(domain.messages().state(1, normal), message_state::writing);
  EXPECT_STREQ(domain.messages().text(1, normal, false), "(being written)");
  EXPECT_EQ(message(1, normal), "half");
}

TEST_F(formatted_message, has_its_end_whatever_the_kernel_writes) {
  m.as(0, [&] {
    uint32_t room = 0;
    char* to = domain.message_begin(room);
    memset(to, 'x', room);
    domain.message_end();
  });
  EXPECT_EQ(message(0, normal), std::string(fake_policy::message_bytes - 1, 'x'));
}

TEST_F(formatted_message, stays_behind_a_panic_with_other_words) {
  m.as(0, [&] {
    EXPECT_TRUE(format("formatted"));
    domain.panic("other words", &crash);
  });
  EXPECT_EQ(message(0, normal), "formatted");
  EXPECT_EQ(message(0, nested), "other words");
}

TEST_F(formatted_message, that_faults_is_a_panic_inside_the_panic) {
  m.as(0, [&] {
    m.when("0 formats", [&] {
      EXPECT_TRUE(format("fault"));
      domain.panic(nullptr, &stopped);
    });
    (void)format("bug 7");
  });
  EXPECT_EQ(m.count("0 reports fault"), 1);
  EXPECT_EQ(domain.messages().state(0, normal), message_state::writing);
  EXPECT_EQ(message(0, nested), "fault");
  EXPECT_EQ(saved_pc(0), stopped.pc);
}

TEST_F(formatted_message, inside_a_panic_has_room_once_more_and_then_none) {
  bool third = true;
  m.when("0 reports first", [&] {
    EXPECT_TRUE(format("nested"));
    m.when("0 begins image", [&] {
      third = format("third");
      domain.panic(nullptr, &stopped);
    });
    domain.panic(nullptr, &stopped);
  });
  EXPECT_EQ(formatted_panic_on(0, "first"), ending::restarted);
  EXPECT_FALSE(third);
  EXPECT_EQ(message(0, normal), "first");
  EXPECT_EQ(message(0, nested), "nested");
}

TEST_F(formatted_message, in_nmi_is_that_of_the_nmi_panic) {
  m.as(0, [&] {
    EXPECT_TRUE(format("watchdog 3", nmi));
    domain.nmi_panic(nullptr, in_nmi);
  });
  EXPECT_EQ(m.count("0 reports watchdog 3"), 1);
  EXPECT_EQ(message(0, nmi), "watchdog 3");
  EXPECT_EQ(domain.messages().state(0, nmi), message_state::ready) << "not cut short";
  EXPECT_EQ(message(0, normal), "");
}

TEST_F(formatted_message, in_nmi_has_room_once_and_none_in_the_text_for_panics_inside_panics) {
  m.when("0 reports first", [&] {
    EXPECT_TRUE(format("nmi", nmi));
    EXPECT_FALSE(format("nmi again", nmi));
  });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(message(0, nested), "");
}

TEST_F(formatted_message, of_a_panic_in_two_halves_is_there_between_them) {
  m.as(0, [&] {
    EXPECT_TRUE(format("bug 7"));
    domain.panic_begin(nullptr, &crash);
    machine().say("says", domain.messages().text(0, normal, true));
    domain.panic_end();
  });
  EXPECT_EQ(m.count("0 says bug 7"), 1);
}

TEST_F(formatted_message, makes_a_crash_kexec_a_panic) {
  m.as(0, [&] {
    EXPECT_TRUE(format("bug 7"));
    (void)domain.crash_kexec(&crash, "in the formatting");
  });
  EXPECT_EQ(m.count("0 restarts"), 1);
}

TEST_F(formatted_message, of_a_cpu_without_a_number_is_kept_in_its_place) {
  EXPECT_EQ(formatted_panic_on(4, "who am I"), ending::restarted);
  EXPECT_EQ(message(4, normal), "who am I");
}

TEST_F(formatted_message, of_a_second_cpu_without_a_number_has_no_room) {
  m.when("4 reports first", [&] {
    m.as(5, [&] {
      uint32_t room = 1;
      EXPECT_EQ(domain.message_begin(room), nullptr);
      EXPECT_EQ(room, 0u);
      domain.message_end();
    });
  });
  EXPECT_EQ(formatted_panic_on(4, "first"), ending::restarted);
}

TEST_F(formatted_message, is_ready_with_the_registers_of_its_panic_wherever_a_stop_comes_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    machine.when("0 begins collect", [&] {
      machine.inject(1, n, [&] { d.handle_nmi(stopped); });
      machine.as(1, [&] {
        uint32_t room = 0;
        char* to = d.message_begin(room);
        snprintf(to, room, "second");
        d.message_end();
        d.panic(nullptr, &crash);
      });
    });
    machine.as(0, [&] { d.panic("first"); });
    if (!machine.injected()) return;
    machine.cpu = 1;
    const bool whole = d.messages().state(1, normal) == message_state::ready;
    EXPECT_TRUE(!whole || d.cpus().registers_of(1)->pc == crash.pc) << n;
  });
}

TEST_F(formatted_message, with_nothing_begun_ends_nothing) {
  m.as(0, [&] { domain.message_end(); });
  EXPECT_EQ(domain.messages().state(0, normal), message_state::none);
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  m.as(0, [&] { domain.message_end(); });
  EXPECT_EQ(domain.messages().state(0, normal), message_state::ready);
}

TEST_F(formatted_message, is_never_lost_wherever_an_nmi_panic_comes_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    machine.inject(0, n, [&] { d.nmi_panic("nmi", in_nmi); });
    machine.as(0, [&] {
      uint32_t room = 0;
      char* to = d.message_begin(room);
      snprintf(to, room, "bug 7");
      d.message_end();
      d.panic(nullptr, &crash);
    });
    const std::string text = d.messages().text(0, normal, true);
    EXPECT_TRUE(text == "bug 7" || d.messages().state(0, normal) < message_state::ready) << n << ": " << text;
    EXPECT_EQ(machine.lines_with({"restarts", "halts"}).size(), 1u) << n;
  });
}

// --- A machine that keeps no texts.

struct silent_policy : fake_policy {
  static constexpr uint32_t message_bytes = 0;
};
struct no_messages : panicking<fake_platform, silent_policy> {};

TEST_F(no_messages, have_no_room_and_no_text) {
  m.as(0, [&] {
    uint32_t room = 1;
    EXPECT_EQ(domain.message_begin(room), nullptr);
    EXPECT_EQ(room, 0u);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.count("0 reports oh no"), 1);
  EXPECT_EQ(message(0, normal), "");
}

TEST_F(no_messages, report_text_and_registers_of_one_crash) {
  m.when("0 captures", [&] { domain.panic("fault", &stopped); });
  EXPECT_EQ(panic_on(0, "oh no", nullptr), ending::restarted);
  EXPECT_EQ(m.lines_with({"reports"}), lines{"0 reports fault"});
  EXPECT_EQ(saved_pc(0), stopped.pc);
}

}  // namespace
}  // namespace formatted_message_test
