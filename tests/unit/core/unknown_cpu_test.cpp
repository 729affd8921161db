// SPDX-License-Identifier: BSL-1.0
// A CPU without a number: the first one that panics takes a place of its own and goes down the same ladder, behind the
// same gate.
#include <set>

#include "panicking.hpp"

namespace unknown_cpu_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct unknown_cpu : panicking<> {
  static constexpr cpu_id nobody = fake_platform::max_cpus;
  static constexpr cpu_id another = nobody + 1;
};

TEST_F(unknown_cpu, that_panics_goes_down_the_whole_ladder) {
  load();
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::jumped);
  EXPECT_EQ(steps(), begun(nobody, with_image));
  EXPECT_EQ(m.count("4 reports who am I"), 1);
  EXPECT_EQ(message(nobody, normal), "who am I");
  EXPECT_EQ(m.stops.front().targets, (std::vector<cpu_id>{0, 1, 2, 3}));
  EXPECT_EQ(m.count("4 shuts down " + std::to_string(crash.pc)), 1);
}

TEST_F(unknown_cpu, that_panics_in_nmi_goes_down_the_whole_ladder) {
  EXPECT_EQ(nmi_panic_on(nobody, nullptr), ending::restarted);
  EXPECT_EQ(steps(), begun(nobody, without_image));
  EXPECT_EQ(m.count("4 reports (no message)"), 1);
}

struct halting : fake_policy {
  static constexpr bool restarts = false;
};
TEST_F(unknown_cpu, obeys_the_policy_that_says_halt) {
  domain_of<fake_platform, halting> d;
  EXPECT_EQ(m.as(nobody, [&] { d.panic("who am I", &crash); }), ending::halted);
}

TEST_F(unknown_cpu, with_an_oops_is_refused) {
  load();
  m.cpu = nobody;
  EXPECT_EQ(domain.crash_kexec(&crash, "oops"), kexec_outcome::unknown_cpu);
  EXPECT_TRUE(domain.image().ready());
  EXPECT_FALSE(domain.gate().in_progress());
}

TEST_F(unknown_cpu, that_faults_in_its_report_ends_and_reports_once) {
  for (int i = 0; i < 5; ++i) m.when("4 reports who am I", [&] { domain.panic("fault", &stopped); });
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::restarted);
  EXPECT_EQ(m.count("4 reports who am I"), 1);
  EXPECT_EQ(steps(), begun(nobody, without_image));
  EXPECT_EQ(message(nobody, nested), "fault");
}

TEST_F(unknown_cpu, fault_at_any_moment_ends_and_repeats_no_step) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    domain_type d;
    machine.inject(nobody, n, [&] { d.panic("fault", &stopped); });
    const ending end = machine.as(nobody, [&] { d.panic("who am I", &crash); });
    EXPECT_EQ(end, machine.count("4 restarts") != 0 ? ending::restarted : ending::halted) << n;
    const lines steps = machine.lines_with({"begins"});
    EXPECT_EQ(std::set<std::string>(steps.begin(), steps.end()).size(), steps.size()) << n;
  });
}

TEST_F(unknown_cpu, that_oopses_inside_its_panic_goes_on_with_the_panic) {
  m.when("4 irqs off", [&] { (void)domain.crash_kexec(&stopped, "before it has the place"); });
  m.when("4 reports who am I", [&] {
    (void)domain.crash_kexec(&stopped, "oops");
    ADD_FAILURE() << "life goes on inside a panic";
  });
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::restarted);
  EXPECT_EQ(message(nobody, nested), "oops");
}

TEST_F(unknown_cpu, that_oopses_at_any_moment_behind_the_one_that_gives_it_the_place_does_not_lose_its_panic) {
  constexpr uint32_t before_it_has_the_place = 2;  // one look, and the exchange
  at_every_moment([](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    domain_type d;
    bool returned = false;
    machine.inject(nobody, n, [&] {
      (void)d.crash_kexec(&stopped, "inner");
      returned = true;
    });
    machine.as(nobody, [&] { d.panic("outer", &crash); });
    if (!machine.injected()) return;
    EXPECT_EQ(returned, n < before_it_has_the_place) << n;
  });
}

TEST_F(unknown_cpu, waits_for_a_trial_and_takes_the_gate_that_is_given_back) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::waiting);
  EXPECT_EQ(message(nobody, normal), "who am I");
  EXPECT_TRUE(domain.cpus().acknowledged(nobody));
  EXPECT_TRUE(m.lines_with({"4 reports", "4 restarts"}).empty());
  m.cpu = 0;
  ASSERT_EQ(lastcpu::detail::inside::of(domain).gate.release(), release_outcome::released);
  EXPECT_EQ(m.resume(nobody), ending::restarted);
  EXPECT_EQ(m.count("4 reports who am I"), 1);
  EXPECT_FALSE(domain.cpus().acknowledged(nobody));
}

TEST_F(unknown_cpu, parks_for_good_when_another_cpu_dumps) {
  load();
  m.when("0 reports outer", [&] { EXPECT_EQ(panic_on(nobody, "who am I"), ending::waiting); });
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  EXPECT_EQ(m.resume(nobody), ending::parked);
  EXPECT_TRUE(m.lines_with({"4 reports", "4 restarts", "4 begins"}).empty());
}

TEST_F(unknown_cpu, that_owns_the_gate_is_not_stopped_by_its_own_request) {
  load();
  m.when("4 sends nmi", [&] { domain.handle_nmi(stopped); });
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::jumped);
  EXPECT_EQ(m.count("4 parks"), 0);
}

TEST_F(unknown_cpu, that_owns_the_gate_is_told_so_by_the_domain_and_stops_the_others_once) {
  bool looked = false;
  m.when("4 flushes", [&] {
    looked = true;
    EXPECT_TRUE(domain.on_this_cpu());
    EXPECT_FALSE(domain.on_other_cpu());
    const size_t asked = m.stops.size();
    EXPECT_EQ(domain.stop_others().status(), stop_status::some_silent);
    EXPECT_EQ(m.stops.size(), asked);
    m.cpu = another;
    EXPECT_FALSE(domain.on_this_cpu());
    EXPECT_TRUE(domain.on_other_cpu());
    m.cpu = nobody;
  });
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::restarted);
  EXPECT_TRUE(looked);
}

TEST_F(unknown_cpu, in_nmi_inside_its_own_panic_returns) {
  m.when("4 reports who am I", [&] { domain.nmi_panic("nmi", in_nmi); });
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::restarted);
  EXPECT_EQ(message(nobody, nmi), "nmi");
}

TEST_F(unknown_cpu, of_two_one_goes_down_the_ladder_and_no_message_is_lost) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    ending second{};
    machine.inject(nobody, n, [&] { second = machine.as(another, [&] { d.panic("second", &stopped); }); });
    const ending first = machine.as(nobody, [&] { d.panic("first", &crash); });
    if (!machine.injected()) return;
    EXPECT_NE(first == ending::restarted, second == ending::restarted) << n;
    EXPECT_NE(first == ending::parked, second == ending::parked) << n;
    EXPECT_EQ(machine.lines_with({"reports"}).size(), 1u) << n;
    EXPECT_STREQ(d.messages().text(nobody, normal, true), first == ending::restarted ? "first" : "second") << n;
    EXPECT_STREQ(d.messages().spare(0), first == ending::restarted ? "second" : "first") << n;
  });
}

TEST_F(unknown_cpu, without_the_place_ends_within_a_fixed_depth_whatever_faults) {
  EXPECT_EQ(panic_on(nobody, "first"), ending::restarted);
  for (int i = 0; i < 9; ++i) m.when("5 parks", [&] { domain.panic("again", &stopped); });
  EXPECT_EQ(panic_on(another, "second"), ending::spinning);
  EXPECT_EQ(m.count("5 parks"), 1);
  EXPECT_STREQ(domain.messages().spare(0), "second");
  EXPECT_EQ(panic_on(another + 1, "third"), ending::parked);
  EXPECT_STREQ(domain.messages().spare(1), "third") << "one each";
  EXPECT_STREQ(domain.messages().spare(2), "");
  EXPECT_STREQ(domain.messages().spare(3), "");
}

TEST_F(unknown_cpu, that_cannot_restart_halts_and_then_parks) {
  m.restart_returns = m.halt_returns = true;
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::parked);
  EXPECT_LT(m.at("4 restarts"), m.at("4 halts"));
}

// --- A port that can't tell two such CPUs apart.

struct nameless : fake_platform {
  using hardware_id = void;  // hides the one that answers
};
static_assert(!detail::has_hardware_id<nameless>);
struct nameless_cpu : panicking<nameless> {};

TEST_F(nameless_cpu, goes_down_the_whole_ladder_all_the_same) {
  EXPECT_EQ(panic_on(no_cpu, "who am I"), ending::restarted);
  EXPECT_EQ(m.lines_with({"reports"}).size(), 1u);
}

// --- A port that adopts.

struct adopting : fake_platform {
  static cpu_id adopt_this_cpu() noexcept { return machine().cpu = 3; }
};
struct adopted_cpu : panicking<adopting> {};

TEST_F(adopted_cpu, panics_under_its_new_number) {
  EXPECT_EQ(panic_on(no_cpu, "late comer"), ending::restarted);
  EXPECT_EQ(message(3, normal), "late comer");
  EXPECT_EQ(m.count("3 reports late comer"), 1);
  EXPECT_EQ(saved_pc(3), crash.pc);
}

TEST_F(adopted_cpu, panics_in_nmi_under_its_new_number) {
  EXPECT_EQ(nmi_panic_on(no_cpu, "late comer"), ending::restarted);
  EXPECT_EQ(message(3, nmi), "late comer");
}

struct faulty_adoption : fake_platform {
  static cpu_id adopt_this_cpu() noexcept { return machine().say("adopts"), max_cpus; }
};
struct never_adopted_cpu : panicking<faulty_adoption> {};

TEST_F(never_adopted_cpu, is_not_adopted_again_where_that_faulted) {
  for (int i = 0; i < 9; ++i) m.when("4 adopts", [&] { domain.panic("fault", nullptr); });
  EXPECT_EQ(panic_on(4, "who am I"), ending::restarted);
  EXPECT_EQ(m.count("4 adopts"), 1);
}

TEST_F(adopted_cpu, leaves_the_place_to_the_next_one) {
  claim_on(0, hold::final);
  EXPECT_EQ(panic_on(no_cpu, "first"), ending::waiting);
  EXPECT_EQ(message(3, normal), "first");
  EXPECT_STREQ(domain.messages().spare(0), "");
}

TEST_F(adopted_cpu, keeps_the_number_it_has) {
  EXPECT_EQ(panic_on(1, "known"), ending::restarted);
  EXPECT_EQ(m.count("1 reports known"), 1);
}

struct full_house : fake_platform {
  static cpu_id adopt_this_cpu() noexcept { return max_cpus; }
};
struct refused_cpu : panicking<full_house> {};

TEST_F(refused_cpu, panics_without_a_number) {
  EXPECT_EQ(panic_on(no_cpu, "one too many"), ending::restarted);
  EXPECT_EQ(message(fake_platform::max_cpus, normal), "one too many");
}

struct forgetful : fake_platform {
  static cpu_id adopt_this_cpu() noexcept { return 3; }  // but this_cpu() still answers no_cpu
};
struct forgotten_cpu : panicking<forgetful> {};

TEST_F(forgotten_cpu, panics_without_a_number) {
  EXPECT_EQ(panic_on(no_cpu, "whom did you adopt"), ending::restarted);
  EXPECT_EQ(m.lines_with({"reports"}).size(), 1u);
  EXPECT_EQ(message(fake_platform::max_cpus, normal), "whom did you adopt");
}

}  // namespace
}  // namespace unknown_cpu_test
