// SPDX-License-Identifier: BSL-1.0
// What a policy is told of every CPU behind the stop.
#include "panicking.hpp"

namespace summary_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct summing_policy : fake_policy {
  template <class Note>
  static void summary(const Note& n) noexcept {
    const std::string who = n.cpu == no_cpu ? "nobody" : std::to_string(n.cpu);
    const std::string line = who + (n.crashing ? " crashed " : " ") + to_string(n.state) + " " + n.message;
    machine().say("sums up", line.c_str());
  }
};
struct summary : panicking<fake_platform, summing_policy> {
  void stop_by_irq(const std::vector<cpu_id>& which) {
    m.when("0 sends irq", [=, this] {
      for (const cpu_id cpu : which) m.as(cpu, [this] { domain.handle_stop_irq(stopped); });
    });
  }
  [[nodiscard]] lines said() const { return m.lines_with({"sums up"}); }
};

TEST_F(summary, has_a_line_for_each_cpu_and_begins_with_the_one_that_crashed) {
  m.when("2 sends irq", [&] { m.as(1, [&] { domain.handle_stop_irq(stopped); }); });
  m.online[3] = false;
  EXPECT_EQ(panic_on(2, "oh no"), ending::restarted);
  EXPECT_EQ(said(), (lines{"2 sums up 2 crashed running oh no", "2 sums up 0 silent ", "2 sums up 1 by irq "}));
}

TEST_F(summary, comes_behind_the_stop_and_before_the_crash_kernel) {
  load();
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.lines_with({"collect", "checks", "summary", "notes", "jumps"}),
            (lines{"0 begins collect", "0 checks image 7", "0 begins summary", "0 begins notes", "0 jumps to 7"}));
}

TEST_F(summary, of_an_oops_that_dumps_is_given_too) {
  load();
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "oops"); }), ending::jumped);
  EXPECT_EQ(said().front(), "0 sums up 0 crashed running oops");
}

TEST_F(summary, that_faults_goes_on_with_the_next_cpu) {
  stop_by_irq({1, 2, 3});
  m.when("0 sums up 1 by irq ", [&] { domain.panic("fault", &stopped); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(said(), (lines{"0 sums up 0 crashed running oh no", "0 sums up 1 by irq ", "0 sums up 2 by irq ",
                           "0 sums up 3 by irq "}));
}

TEST_F(summary, that_faults_twice_is_left_and_the_panic_goes_on) {
  m.when("0 sums up 1 silent ", [&] { domain.panic("fault", &stopped); });
  m.when("0 sums up 2 silent ", [&] { domain.panic("fault", &stopped); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(said().size(), 3u);
  EXPECT_EQ(m.count("0 notifies"), 1);
}

TEST_F(summary, that_is_complete_is_not_begun_again) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.count("0 begins summary"), 1);
  EXPECT_EQ(m.count("0 begins summary again"), 0);
}

TEST_F(summary, has_the_cpu_without_a_number_and_what_further_ones_said) {
  m.when("4 reports who am I", [&] { m.as(5, [&] { domain.panic("me too"); }); });
  EXPECT_EQ(panic_on(4, "who am I"), ending::restarted);
  EXPECT_EQ(said().front(), "4 sums up nobody crashed running who am I");
  EXPECT_EQ(said().back(), "4 sums up nobody silent me too");
}

struct summary_without_one : panicking<> {};
TEST_F(summary_without_one, costs_no_step) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_TRUE(m.lines_with({"summary"}).empty());
}

// --- Who is known to be stopped.

struct is_stopped : panicking<> {};

TEST_F(is_stopped, says_no_before_anybody_has_committed) {
  m.when("0 reports oh no", [&] {
    EXPECT_EQ(panic_on(1, "me too"), ending::waiting);
    EXPECT_FALSE(domain.is_stopped(1));
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_TRUE(domain.is_stopped(1));
}

TEST_F(is_stopped, says_no_of_the_owner_and_of_who_has_not_answered) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_FALSE(domain.is_stopped(0));
  EXPECT_FALSE(domain.is_stopped(1));
  EXPECT_FALSE(domain.is_stopped(77));
}

TEST_F(is_stopped, says_yes_of_one_that_answers_behind_the_report) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  nmi_on(1);
  EXPECT_EQ(domain.cpus().report().state(1), stop_state::silent);
  EXPECT_TRUE(domain.is_stopped(1));
}

TEST_F(is_stopped, says_no_of_the_owner_that_was_parked_before) {
  m.when("0 wins 1", [&] { EXPECT_EQ(panic_on(1, "second"), ending::waiting); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash); }), ending::returned);
  m.when("1 commits", [&] { EXPECT_FALSE(domain.is_stopped(1)); });
  EXPECT_EQ(m.resume(1), ending::restarted);
}

}  // namespace
}  // namespace summary_test
