// SPDX-License-Identifier: BSL-1.0
// A panic from an NMI handler.
#include "panicking.hpp"

namespace nmi_panic_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct nmi_panic : panicking<> {};

TEST_F(nmi_panic, on_an_open_gate_goes_down_the_ladder) {
  EXPECT_EQ(nmi_panic_on(0, "nmi"), ending::restarted);
  EXPECT_EQ(m.count("0 reports nmi"), 1);
  EXPECT_EQ(message(0, nmi), "nmi");
  EXPECT_EQ(saved_pc(0), in_nmi.pc);
}

TEST_F(nmi_panic, on_a_trial_returns_and_the_release_becomes_this_panic) {
  load();
  m.broken_images = {7};
  bool returned = false;
  m.when("0 checks image 7", [&] {
    domain.nmi_panic("nmi", in_nmi);
    returned = true;
  });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash); }), ending::restarted);
  EXPECT_TRUE(returned);
  EXPECT_EQ(m.count("0 reports nmi"), 1);
  EXPECT_EQ(m.count("0 irqs back"), 0);
  EXPECT_EQ(saved_pc(0), in_nmi.pc);
  EXPECT_EQ(m.lines_with({"0 has no kernel"}), lines{"0 has no kernel: image_corrupt"});
}

TEST_F(nmi_panic, on_a_trial_that_finds_an_image_lets_it_boot) {
  load();
  m.when("0 checks image 7", [&] { domain.nmi_panic("nmi", in_nmi); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash); }), ending::jumped);
  EXPECT_EQ(message(0, nmi), "nmi");
}

TEST_F(nmi_panic, twice_on_a_trial_keeps_the_first) {
  load();
  m.broken_images = {7};
  m.when("0 checks image 7", [&] {
    domain.nmi_panic("nmi", in_nmi);
    domain.nmi_panic("nmi again", stopped);
  });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash); }), ending::restarted);
  EXPECT_EQ(m.count("0 reports nmi"), 1);
  EXPECT_EQ(saved_pc(0), in_nmi.pc);
}

TEST_F(nmi_panic, at_any_moment_of_a_crash_kexec_is_never_lost) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    machine.inject(0, n, [&] { d.nmi_panic("nmi", in_nmi); });
    const ending end = machine.as(0, [&] { (void)d.crash_kexec(&crash); });
    if (!machine.injected()) return;
    EXPECT_EQ(end, ending::restarted) << n;
    EXPECT_EQ(machine.count("0 reports nmi"), 1) << n;
    EXPECT_EQ(d.cpus().registers_of(0)->pc, in_nmi.pc) << n;
  });
}

TEST_F(nmi_panic, at_any_moment_of_the_owners_panic_returns) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    bool mine = false, returned = false;
    machine.inject(0, n, [&] {
      mine = d.gate().on_this_cpu();
      d.nmi_panic("nmi", in_nmi);
      returned = true;
    });
    EXPECT_EQ(machine.as(0, [&] { d.panic("outer", &crash); }), ending::restarted) << n;
    EXPECT_EQ(returned, mine) << n;
    EXPECT_EQ(machine.lines_with({"begins"}), begun(0, without_image)) << n;
  });
}

TEST_F(nmi_panic, on_a_loser_stops_it_with_these_registers) {
  claim_on(0, hold::final);
  EXPECT_EQ(nmi_panic_on(1, "nmi"), ending::waiting);
  m.cpu = 0;
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.commit());
  EXPECT_EQ(m.resume(1), ending::parked);
  EXPECT_EQ(saved_pc(1), in_nmi.pc);
  EXPECT_EQ(message(1, nmi), "nmi");
  EXPECT_TRUE(domain.cpus().acknowledged(1));
  EXPECT_TRUE(m.stops.empty());
}

TEST_F(nmi_panic, of_a_loser_takes_the_gate_that_is_given_back) {
  claim_on(0, hold::trial);
  EXPECT_EQ(nmi_panic_on(1, "nmi"), ending::waiting);
  m.cpu = 0;
  ASSERT_EQ(lastcpu::detail::inside::of(domain).gate.release(), release_outcome::released);
  EXPECT_EQ(m.resume(1), ending::restarted);
  EXPECT_EQ(m.count("1 reports nmi"), 1);
  EXPECT_EQ(m.count("1 withdraws"), 1);
}

TEST_F(nmi_panic, on_a_parked_loser_keeps_its_registers) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(1, "normal"), ending::waiting);
  EXPECT_EQ(m.interrupt(1, [&] { domain.nmi_panic("nmi", in_nmi); }), ending::waiting);
  EXPECT_EQ(saved_pc(1), crash.pc);
  EXPECT_EQ(message(1, normal), "normal");
  EXPECT_EQ(message(1, nmi), "nmi");
  EXPECT_EQ(m.count("1 answers 2"), 1);
}

TEST_F(nmi_panic, crash_kexec_of_a_handler_on_a_cpu_that_panics_never_returns) {
  at_every_moment([&](fake_machine& machine, uint32_t n) {
    domain_type d;
    machine.as(0, [&] { EXPECT_TRUE(lastcpu::detail::inside::of(d).gate.claim(hold::trial).won()); });
    bool returned = false, said = false;
    machine.inject(1, n, [&] {
      machine.as(0, [&] { (void)lastcpu::detail::inside::of(d).gate.release(); });
      said = d.messages().state(1, normal) != message_state::none;
      (void)d.crash_kexec(&in_nmi, "in nmi");
      returned = true;
    });
    const ending end = machine.as(1, [&] { d.panic("normal", &crash); });
    EXPECT_EQ(end, machine.injected() ? ending::restarted : ending::waiting) << n;
    EXPECT_FALSE(said && returned) << n;
  });
}

}  // namespace
}  // namespace nmi_panic_test
