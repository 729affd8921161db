// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/crash_kexec.hpp>

#include <gtest/gtest.h>

#include "tested.hpp"

namespace crash_kexec_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using image = fake_platform::image;
using lines = std::vector<std::string>;

constexpr fake_registers stopped{0x5709, 2};

template <class P = fake_platform, class Policy = fake_policy>
struct crashing : testing::Test {
  fake_machine m;
  path_of<P, Policy> path;

  void load(uint32_t id = 7) {
    m.cpu = 0;
    ASSERT_EQ(path.image().load(image{id}), load_outcome::loaded);
    m.log.clear();
  }
  kexec_outcome kexec_on(cpu_id cpu) {
    m.cpu = cpu;
    return path.crash_kexec(&crash);
  }
  ending ends_on(cpu_id cpu) {
    return m.as(cpu, [this] { (void)path.crash_kexec(&crash); });
  }
  void answer(cpu_id cpu, stop_state how) {
    m.as(cpu, [&] {
      if constexpr (by_c)
        how == stop_state::by_irq ? path.handle_stop_irq(stopped) : path.handle_nmi(stopped);
      else
        stop_for_good(lastcpu::detail::inside::of(path).cpus, stopped, how);
    });
  }
  [[nodiscard]] lines steps() const { return m.lines_with({"begins"}); }
  void nothing_happened() {
    EXPECT_FALSE(path.gate().in_progress());
    EXPECT_TRUE(m.stops.empty());
    EXPECT_TRUE(steps().empty());
    EXPECT_EQ(path.cpus().report().count(stop_state::absent), fake_platform::max_cpus);
    EXPECT_EQ(path.image().held(), nullptr);
    for (const bool on : m.irqs_on) EXPECT_TRUE(on);
  }
};

struct crash_kexec : crashing<> {};

TEST_F(crash_kexec, without_an_image_returns_as_if_nothing_had_been) {
  EXPECT_EQ(kexec_on(1), kexec_outcome::no_image);
  nothing_happened();
  EXPECT_EQ(kexec_on(2), kexec_outcome::no_image);
  EXPECT_EQ(path.gate().read().epoch(), 2u);
}

TEST_F(crash_kexec, goes_from_the_claim_to_the_jump_in_order) {
  load();
  m.when("0 sends irq", [&] {
    for (const cpu_id cpu : {1u, 2u, 3u}) answer(cpu, stop_state::by_irq);
  });
  EXPECT_EQ(ends_on(0), ending::jumped);
  EXPECT_EQ(m.lines_with({"0 irqs", "wins", "checks", "commits", "sends", "wakes losers", "shuts", "jumps"}),
            (lines{"0 irqs off", "0 wins 1", "0 checks image 7", "0 commits", "0 sends irq", "0 checks image 7",
                   "0 wakes losers", "0 shuts down 49374", "0 jumps to 7"}));
  EXPECT_EQ(steps(), (lines{"0 begins expect", "0 begins commit", "0 begins registers", "0 begins rung 0",
                            "0 begins rung 1", "0 begins collect", "0 begins check", "0 begins notes",
                            "0 begins crash shutdown", "0 begins jump"}));
  EXPECT_EQ(path.cpus().report().status(), stop_status::stopped);
  EXPECT_EQ(path.gate().read().phase(), phase::jumping);
}

TEST_F(crash_kexec, has_the_image_before_it_stops_anybody) {
  load();
  m.when("0 checks image 7", [&] {
    EXPECT_FALSE(path.gate().read().is_committed());
    EXPECT_TRUE(m.stops.empty());
  });
  EXPECT_EQ(ends_on(0), ending::jumped);
  EXPECT_LT(m.at("0 checks image 7"), m.at("0 commits"));
}

TEST_F(crash_kexec, sends_its_first_request_after_the_commit) {
  load();
  uint32_t asked = 0;
  const auto look = [&] {
    ++asked;
    EXPECT_EQ(path.gate().read().phase(), phase::dumping);
  };
  m.when("0 sends irq", look);
  m.when("0 sends nmi", look);
  EXPECT_EQ(ends_on(0), ending::jumped);
  EXPECT_EQ(asked, 2u);
}

TEST_F(crash_kexec, expects_silence_of_everybody_when_it_commits) {
  load();
  bool looked = false;
  m.when("0 commits", [&] {
    looked = true;
    for (const cpu_id cpu : {1u, 2u, 3u}) EXPECT_EQ(path.cpus().state_of(cpu), stop_state::silent);
  });
  EXPECT_EQ(ends_on(0), ending::jumped);
  EXPECT_TRUE(looked);
}

TEST_F(crash_kexec, hands_a_corrupt_image_back_and_boots_the_next_one) {
  load();
  m.broken_images = {7};
  EXPECT_EQ(kexec_on(0), kexec_outcome::image_corrupt);
  nothing_happened();
  load(8);
  EXPECT_EQ(ends_on(1), ending::jumped);
  EXPECT_EQ(m.count("1 jumps to 8"), 1);
}

TEST_F(crash_kexec, during_a_reload_boots_a_whole_image_or_says_busy) {
  bool busy = false;
  at_every_moment([&](fake_machine& machine, uint32_t n) {
    path_of<fake_platform, fake_policy> p;
    ASSERT_EQ(p.image().load(image{7}), load_outcome::loaded);
    kexec_outcome out{};
    ending end{};
    machine.inject(0, n, [&] { end = machine.as(1, [&] { out = p.crash_kexec(); }); });
    const load_outcome load = p.image().load(image{8});
    if (!machine.injected()) return;
    if (end == ending::returned) {
      busy = true;
      EXPECT_EQ(out, kexec_outcome::image_busy) << n;
      EXPECT_FALSE(p.gate().in_progress()) << n;
    } else {
      EXPECT_EQ(machine.count(load == load_outcome::loaded ? "1 jumps to 8" : "1 jumps to 7"), 1) << n;
    }
  });
  EXPECT_TRUE(busy);
}

TEST_F(crash_kexec, leaves_it_to_another_cpu_that_holds_the_gate) {
  load();
  m.cpu = 0;
  ASSERT_TRUE(lastcpu::detail::inside::of(path).gate.claim(hold::trial).won());
  const uintptr_t before = path.gate().read().bits();
  EXPECT_EQ(kexec_on(1), kexec_outcome::held_by_other);
  EXPECT_EQ(path.gate().read().bits(), before);
  EXPECT_TRUE(m.stops.empty());
  EXPECT_TRUE(path.image().ready());
  EXPECT_TRUE(m.irqs_on[1]);
}

TEST_F(crash_kexec, of_an_unknown_cpu_is_refused) {
  load();
  for (const cpu_id cpu : {fake_platform::max_cpus, no_cpu}) {
    EXPECT_EQ(kexec_on(cpu), kexec_outcome::unknown_cpu);
    m.as(cpu, [&] { EXPECT_EQ(path.__crash_kexec(&crash), kexec_outcome::not_the_owner); });
  }
  nothing_happened();
  EXPECT_TRUE(path.image().ready());
}

TEST_F(crash_kexec, for_owners_is_refused_to_everybody_else) {
  load();
  EXPECT_EQ(path.__crash_kexec(&crash), kexec_outcome::not_the_owner);
  nothing_happened();
  ASSERT_TRUE(lastcpu::detail::inside::of(path).gate.claim(hold::final).won());
  m.cpu = 1;
  EXPECT_EQ(path.__crash_kexec(&crash), kexec_outcome::not_the_owner);
  EXPECT_TRUE(path.image().ready());
}

TEST_F(crash_kexec, for_owners_leaves_them_the_gate_when_it_returns) {
  ASSERT_TRUE(lastcpu::detail::inside::of(path).gate.claim(hold::trial).won());
  EXPECT_EQ(path.__crash_kexec(&crash), kexec_outcome::no_image);
  EXPECT_EQ(path.gate().read().phase(), phase::trial);
  load();
  m.broken_images = {7};
  EXPECT_EQ(path.__crash_kexec(&crash), kexec_outcome::image_corrupt);
  m.when("0 checks image 7", [&] { (void)path.image().load(image{8}); });
  EXPECT_EQ(path.__crash_kexec(&crash), kexec_outcome::image_corrupt);
  EXPECT_TRUE(path.gate().on_this_cpu());
  EXPECT_EQ(path.gate().read().phase(), phase::trial);
}

TEST_F(crash_kexec, holds_the_gate_with_interrupts_off_only) {
  uint32_t looked = 0;
  const auto look = [&] {
    ++looked;
    EXPECT_FALSE(m.irqs_on[0]);
  };
  m.when("0 wins 1", look);
  m.when("0 releases", look);
  EXPECT_EQ(kexec_on(0), kexec_outcome::no_image);
  EXPECT_EQ(looked, 2u);
}

TEST_F(crash_kexec, puts_interrupts_back_as_they_were_on_every_return) {
  for (const bool on : {true, false}) {
    const auto returns = [&](kexec_outcome expected, cpu_id cpu) {
      m.irqs_on.fill(on);
      EXPECT_EQ(kexec_on(cpu), expected);
      EXPECT_EQ(m.irqs_on[cpu], on) << static_cast<int>(expected);
    };
    returns(kexec_outcome::no_image, 0);
    load();
    m.broken_images = {7};
    returns(kexec_outcome::image_corrupt, 0);
    m.when("0 checks image 7", [&] { m.as(1, [&] { returns(kexec_outcome::held_by_other, 1); }); });
    (void)kexec_on(0);
    m.broken_images.clear();
    ASSERT_EQ(path.image().unload(), unload_outcome::unloaded);
  }
}

TEST_F(crash_kexec, takes_the_callers_registers_where_none_are_given) {
  load();
  EXPECT_EQ(m.as(0, [&] { (void)path.crash_kexec(); }), ending::jumped);
  const std::string pc = std::to_string(fake_platform::captured_pc(0));
  EXPECT_EQ(m.count("0 shuts down " + pc), 1);
}

TEST_F(crash_kexec, keeps_why_when_it_does_not_return) {
  EXPECT_EQ(path.crash_kexec(&crash, "oops"), kexec_outcome::no_image);
  EXPECT_EQ(path.messages().state(0, panic_context::normal), message_state::none);
  load();
  EXPECT_EQ(m.as(0, [&] { (void)path.crash_kexec(&crash, "oops"); }), ending::jumped);
  EXPECT_STREQ(path.messages().text(0, panic_context::normal, true), "oops");
}

TEST_F(crash_kexec, keeps_why_when_it_ends_as_a_pending_panic) {
  load();
  m.broken_images = {7};
  m.when("0 checks image 7", [&] { (void)lastcpu::detail::inside::of(path).gate.claim_from_nmi(); });
  EXPECT_EQ(m.as(0, [&] { (void)path.crash_kexec(&crash, "oops"); }), ending::restarted);
  EXPECT_STREQ(path.messages().text(0, panic_context::nested, true), "oops");
}

TEST_F(crash_kexec, whose_jump_returns_flushes_and_restarts) {
  load();
  m.jump_returns = true;
  EXPECT_EQ(ends_on(0), ending::restarted);
  EXPECT_EQ(m.lines_with({"jumps", "notifies", "dumps", "flushes", "restarts", "halts"}),
            (lines{"0 jumps to 7", "0 flushes", "0 restarts"}));
}

TEST_F(crash_kexec, that_cannot_even_restart_halts_and_then_parks) {
  load();
  m.jump_returns = m.restart_returns = true;
  EXPECT_EQ(ends_on(0), ending::halted);
  EXPECT_LT(m.at("0 restarts"), m.at("0 halts"));

  fake_machine second;
  path_of<fake_platform, fake_policy> p;
  ASSERT_EQ(p.image().load(image{7}), load_outcome::loaded);
  second.jump_returns = second.restart_returns = second.halt_returns = true;
  EXPECT_EQ(second.as(0, [&] { (void)p.crash_kexec(); }), ending::parked);
  EXPECT_EQ(second.count("0 halts"), 1);
}

TEST_F(crash_kexec, stops_the_others_once_whoever_asks) {
  load();
  m.when("0 begins crash shutdown", [&] {
    const auto first = path.cpus().report();
    const size_t asked = m.stops.size();
    EXPECT_EQ(path.stop_others().status(), first.status());
    EXPECT_EQ(m.stops.size(), asked);
  });
  EXPECT_EQ(ends_on(0), ending::jumped);
}

TEST_F(crash_kexec, stop_is_refused_to_who_has_not_committed) {
  EXPECT_EQ(path.stop_others().status(), stop_status::not_the_arbiter);
  nothing_happened();
}

// --- Policies.

struct post_notifiers : fake_policy {
  static constexpr bool crash_kexec_post_notifiers = true;
};
struct crash_kexec_post_notifiers : crashing<fake_platform, post_notifiers> {};

TEST_F(crash_kexec_post_notifiers, leaves_an_oops_alone) {
  load();
  EXPECT_EQ(kexec_on(0), kexec_outcome::left_to_panic);
  nothing_happened();
  EXPECT_TRUE(path.image().ready());
}

TEST_F(crash_kexec_post_notifiers, names_an_unknown_cpu_as_that) {
  EXPECT_EQ(kexec_on(no_cpu), kexec_outcome::unknown_cpu);
}

struct slow_restart : fake_policy {
  static constexpr uint32_t restart_delay_us = 5000;
};
struct crash_kexec_slow_restart : crashing<fake_platform, slow_restart> {};

TEST_F(crash_kexec_slow_restart, restarts_after_the_delay_not_before) {
  load();
  m.jump_returns = true;
  uint64_t start = 0;
  m.when("0 begins delay", [&] {
    start = m.clock;
    m.early_returns = 3;
  });
  EXPECT_EQ(ends_on(0), ending::restarted);
  EXPECT_EQ(m.clock, start + 5000 + 1);
  EXPECT_EQ(m.early_returns, 0u);
}

struct no_restart : fake_policy {
  static constexpr bool restarts = false;
};
struct crash_kexec_no_restart : crashing<fake_platform, no_restart> {};

TEST_F(crash_kexec_no_restart, halts_at_once) {
  load();
  m.jump_returns = true;
  EXPECT_EQ(ends_on(0), ending::halted);
  EXPECT_EQ(m.count("0 restarts"), 0);
}

struct four_rungs : fake_policy {
  static constexpr rung rungs[] = {{stop_how::irq, 1}, {stop_how::nmi, 2}, {stop_how::nmi, 3}, {stop_how::nmi, 4}};
};
struct crash_kexec_four_rungs : crashing<fake_platform, four_rungs> {};

TEST_F(crash_kexec_four_rungs, climbs_all_of_them_with_their_budgets) {
  load();
  const uint64_t before = m.clock;
  EXPECT_EQ(ends_on(0), ending::jumped);
  EXPECT_EQ(m.stops.size(), 4u);
  EXPECT_EQ(m.clock, before + 1 + 2 + 3 + 4 + 4);
  EXPECT_EQ(m.lines_with({"begins rung"}),
            (lines{"0 begins rung 0", "0 begins rung 1", "0 begins rung 2", "0 begins rung 3"}));
}

TEST(kexec_outcome, has_names_for_people) {
  EXPECT_STREQ(to_string(kexec_outcome::no_image), "no_image");
  EXPECT_STREQ(to_string(kexec_outcome::image_corrupt), "image_corrupt");
  EXPECT_STREQ(to_string(kexec_outcome::unknown_cpu), "unknown_cpu");
  EXPECT_STREQ(to_string(static_cast<kexec_outcome>(8)), "?");
}

}  // namespace
}  // namespace crash_kexec_test
