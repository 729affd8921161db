// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/panic.hpp>

#include <gtest/gtest.h>

#include <set>

#include "support/fake_platform.hpp"

namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using image = fake_platform::image;
using lines = std::vector<std::string>;
using enum panic_context;

constexpr fake_registers crash{0xc0de, 1};
constexpr fake_registers in_nmi{0x2222, 2};
constexpr fake_registers stopped{0x5709, 3};

// The moment of a panic at which its message is written but not yet marked as whole.
constexpr uint32_t before_the_mark = 2;

using domain_type = crash_domain<fake_platform, fake_policy>;
static_assert(noexcept(std::declval<domain_type&>().panic("")));

template <class P = fake_platform, class Policy = fake_policy>
struct panicking : testing::Test {
  fake_machine m;
  crash_domain<P, Policy> domain;

  void load(uint32_t id = 7) {
    ASSERT_EQ(domain.image().load(image{id}), load_outcome::loaded);
    m.log.clear();
  }
  ending panic_on(cpu_id cpu, const char* message, const fake_registers* regs = &crash) {
    return m.as(cpu, [=, this] { domain.panic(message, regs); });
  }
  ending nmi_panic_on(cpu_id cpu, const char* message) {
    return m.as(cpu, [=, this] { domain.nmi_panic(message, in_nmi); });
  }
  // A CPU that obeys.
  void nmi_on(cpu_id cpu) {
    m.as(cpu, [&] { (void)domain.handle_nmi(stopped); });
  }
  void claim_on(cpu_id cpu, hold wanted) {
    m.cpu = cpu;
    ASSERT_TRUE(domain.gate().claim(wanted).won());
  }
  [[nodiscard]] std::string message(cpu_id cpu, panic_context c) const { return domain.messages().text(cpu, c, true); }
  [[nodiscard]] uintptr_t saved_pc(cpu_id cpu) {
    m.cpu = cpu;
    return domain.cpus().registers_of(cpu) == nullptr ? 0 : domain.cpus().registers_of(cpu)->pc;
  }
  [[nodiscard]] lines steps() const { return m.lines_with({"begins"}); }
};

lines begun(cpu_id cpu, const std::vector<step>& steps) {
  lines out;
  for (const step s : steps) out.push_back(std::to_string(cpu) + " begins " + to_string(s));
  return out;
}
const std::vector<step> without_image{step::report,    step::image,        step::expect, step::commit,
                                      step::registers, step::rung_0,       step::rung_1, step::collect,
                                      step::notifiers, step::message_dump, step::flush,  step::restart};
const std::vector<step> with_image{step::report,    step::image,          step::expect, step::commit,
                                   step::registers, step::rung_0,         step::rung_1, step::collect,
                                   step::notes,     step::crash_shutdown, step::jump};

struct panic : panicking<> {};

TEST_F(panic, without_an_image_goes_down_the_ladder_to_the_restart) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(steps(), begun(0, without_image));
  EXPECT_EQ(m.lines_with({"reports", "commits", "sends", "notifies", "dumps", "flushes", "restarts", "jumps"}),
            (lines{"0 reports oh no", "0 commits", "0 sends irq", "0 sends nmi", "0 notifies", "0 dumps messages",
                   "0 flushes", "0 restarts"}));
  EXPECT_EQ(saved_pc(0), crash.pc);
}

TEST_F(panic, with_an_image_reports_and_jumps) {
  load();
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(steps(), begun(0, with_image));
  EXPECT_EQ(m.lines_with({"reports", "checks", "commits", "sends", "notifies", "dumps", "shuts", "jumps"}),
            (lines{"0 reports oh no", "0 checks image 7", "0 commits", "0 sends irq", "0 sends nmi",
                   "0 shuts down " + std::to_string(crash.pc), "0 jumps to 7"}));
}

TEST_F(panic, with_a_corrupt_image_goes_on_without_it) {
  load();
  m.broken_images = {7};
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(steps(), begun(0, without_image));
}

TEST_F(panic, whose_jump_returns_flushes_and_restarts) {
  load();
  m.jump_returns = true;
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"jumps", "notifies", "flushes", "restarts"}),
            (lines{"0 jumps to 7", "0 flushes", "0 restarts"}));
}

TEST_F(panic, turns_interrupts_off_first_and_never_on) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.at("0 irqs off"), 0u);
  EXPECT_EQ(m.count("0 irqs back"), 0);
}

TEST_F(panic, without_a_message_says_so) {
  EXPECT_EQ(panic_on(0, nullptr), ending::restarted);
  EXPECT_EQ(m.count("0 reports (no message)"), 1);
}

TEST_F(panic, without_registers_takes_the_callers) {
  EXPECT_EQ(panic_on(0, "oh no", nullptr), ending::restarted);
  EXPECT_EQ(saved_pc(0), fake_platform::captured_pc(0));
}

TEST_F(panic, expects_silence_of_everybody_when_it_commits) {
  bool looked = false;
  m.when("0 commits", [&] {
    looked = true;
    EXPECT_EQ(domain.cpus().report().count(stop_state::silent), 3u);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_TRUE(looked);
}

TEST_F(panic, stops_obedient_cpus_through_their_handlers) {
  m.when("0 sends irq", [&] { m.as(1, [&] { (void)domain.handle_stop_irq(stopped); }); });
  m.when("0 sends nmi", [&] { nmi_on(2); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  const auto report = domain.cpus().report();
  EXPECT_EQ(report.state(1), stop_state::by_irq);
  EXPECT_EQ(report.state(2), stop_state::by_nmi);
  EXPECT_EQ(report.state(3), stop_state::silent);
  EXPECT_EQ(m.stops.back().targets, (std::vector<cpu_id>{2, 3}));
  EXPECT_EQ(m.count("1 parks") + m.count("2 parks"), 2);
}

// --- Panic against panic.

TEST_F(panic, of_a_second_cpu_keeps_its_message_and_registers_and_stops_nobody) {
  m.when("0 reports first", [&] { EXPECT_EQ(panic_on(1, "second", &stopped), ending::waiting); });
  EXPECT_EQ(panic_on(0, "first"), ending::restarted);
  EXPECT_EQ(m.resume(1), ending::parked);
  EXPECT_EQ(message(0, normal), "first");
  EXPECT_EQ(message(1, normal), "second");
  EXPECT_EQ(saved_pc(1), stopped.pc);
  EXPECT_EQ(domain.cpus().state_of(1), stop_state::parked);
  for (const fake_machine::sent& s : m.stops) {
    EXPECT_EQ(s.from, 0u);
    EXPECT_EQ(s.targets, (std::vector<cpu_id>{2, 3})) << "a parked loser gets no request";
  }
  EXPECT_TRUE(m.lines_with({"1 begins", "1 restarts", "1 reports"}).empty());
}

TEST_F(panic, of_two_cpus_is_run_by_exactly_one_wherever_the_second_comes_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    ending second{};
    machine.inject(0, n, [&] { second = machine.as(1, [&] { d.panic("second", &crash); }); });
    const ending first = machine.as(0, [&] { d.panic("first", &crash); });
    if (!machine.injected()) return;
    EXPECT_NE(first == ending::restarted, second == ending::restarted) << n;
    EXPECT_EQ(machine.lines_with({"begins report"}).size(), 1u) << n;
    EXPECT_STREQ(d.messages().text(0, normal, true), "first") << n;
    EXPECT_STREQ(d.messages().text(1, normal, true), "second") << n;
  });
}

TEST_F(panic, takes_the_gate_that_a_crash_kexec_gives_back) {
  load();
  m.broken_images = {7};
  m.when("0 checks image 7", [&] { EXPECT_EQ(panic_on(1, "second"), ending::waiting); });
  EXPECT_EQ(m.as(0, [&] { EXPECT_EQ(domain.crash_kexec(), kexec_outcome::image_corrupt); }), ending::returned);
  EXPECT_TRUE(domain.cpus().acknowledged(1));
  m.when("1 reports second", [&] { EXPECT_FALSE(domain.cpus().acknowledged(1)); });
  m.when("1 sends irq", [&] { nmi_on(0); });
  EXPECT_EQ(m.resume(1), ending::restarted);
  EXPECT_EQ(m.count("1 reports second"), 1);
  EXPECT_EQ(m.count("1 withdraws"), 1);
  EXPECT_LT(m.at("1 withdraws"), m.at("1 begins report"));
  EXPECT_EQ(domain.cpus().state_of(0), stop_state::by_nmi);
  EXPECT_EQ(domain.cpus().state_of(1), stop_state::running);
  EXPECT_EQ(saved_pc(1), crash.pc);
}

TEST_F(panic, during_a_crash_kexec_of_another_cpu_is_never_lost) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    ending second{};
    machine.inject(0, n, [&] { second = machine.as(1, [&] { d.panic("second", &crash); }); });
    machine.as(0, [&] { (void)d.crash_kexec(); });
    if (!machine.injected()) return;
    if (second == ending::waiting) second = machine.resume(1);
    EXPECT_EQ(second, ending::restarted) << n;
    EXPECT_EQ(machine.count("1 reports second"), 1) << n;
  });
}

// --- A panic inside a panic.

TEST_F(panic, inside_a_crash_kexec_of_its_own_cpu_takes_over) {
  load();
  m.when("0 checks image 7", [&] { domain.panic("in the check", &crash); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(); }), ending::restarted);
  EXPECT_EQ(m.count("0 reports in the check"), 1);
  EXPECT_EQ(steps(), begun(0, without_image));
}

TEST_F(panic, inside_a_panic_keeps_both_messages) {
  m.when("0 reports outer", [&] { domain.panic("inner", nullptr); });
  EXPECT_EQ(panic_on(0, "outer"), ending::restarted);
  EXPECT_EQ(message(0, normal), "outer");
  EXPECT_EQ(message(0, nested), "inner");
  EXPECT_EQ(saved_pc(0), crash.pc);
}

void faults_in_each(const std::vector<step>& ladder, bool with) {
  for (size_t k = 0; k < ladder.size(); ++k) {
    fake_machine m;
    domain_type d;
    if (with) {
      ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    }
    m.jump_returns = true;
    const std::string line = std::string("0 begins ") + to_string(ladder[k]);
    m.when(line, [&] { d.panic("nested", nullptr); });
    const ending end = m.as(0, [&] { d.panic("outer", &crash); });
    EXPECT_EQ(end, ladder[k] == step::restart ? ending::halted : ending::restarted) << line;

    const lines steps = m.lines_with({"begins"});
    EXPECT_EQ(std::set<std::string>(steps.begin(), steps.end()).size(), steps.size()) << line;
    const size_t at = static_cast<size_t>(std::find(steps.begin(), steps.end(), line) - steps.begin());
    ASSERT_LT(at + 1, steps.size()) << line;
    // Before the image is claimed a fault may lose it; behind that the ladder stays the same one.
    if (k + 1 < ladder.size() && ladder[k] != step::image) {
      EXPECT_EQ(steps[at + 1], std::string("0 begins ") + to_string(ladder[k + 1]));
    }
  }
}

TEST_F(panic, fault_in_any_step_goes_on_at_the_next) {
  faults_in_each(without_image, false);
}

TEST_F(panic, fault_in_any_step_with_an_image_goes_on_at_the_next) {
  std::vector<step> ladder = with_image;
  ladder.insert(ladder.end(), {step::flush, step::restart});
  faults_in_each(ladder, true);
}

TEST_F(panic, fault_behind_the_claim_of_the_image_still_reaches_the_jump) {
  for (const step s : {step::expect, step::commit, step::registers, step::rung_0, step::rung_1, step::collect,
                       step::notes, step::crash_shutdown}) {
    fake_machine machine;
    domain_type d;
    ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    machine.when(std::string("0 begins ") + to_string(s), [&] { d.panic("nested", nullptr); });
    EXPECT_EQ(machine.as(0, [&] { d.panic("outer", &crash); }), ending::jumped) << to_string(s);
    EXPECT_TRUE(d.gate().read().is_committed());
  }
}

TEST_F(panic, fault_in_every_step_ends_and_repeats_nothing) {
  m.restart_returns = m.halt_returns = true;
  std::vector<step> ladder = without_image;
  ladder.push_back(step::halt);
  for (const std::string& line : begun(0, ladder)) m.when(line, [&] { domain.panic("again", nullptr); });
  EXPECT_EQ(panic_on(0, "outer"), ending::parked);
  EXPECT_EQ(steps(), begun(0, ladder));
}

TEST_F(panic, fault_inside_what_a_step_calls_goes_on_at_the_next) {
  load();
  m.jump_returns = true;
  for (const char* line : {"0 reports outer", "0 checks image 7", "0 sends irq", "0 sends nmi", "0 notifies",
                           "0 dumps messages", "0 flushes", "0 restarts"})
    m.when(line, [&] { domain.panic("nested", nullptr); });
  EXPECT_EQ(panic_on(0, "outer"), ending::halted);
  EXPECT_EQ(m.lines_with({"reports", "checks", "sends", "notifies", "dumps", "flushes", "restarts", "halts"}),
            (lines{"0 reports outer", "0 checks image 7", "0 sends irq", "0 sends nmi", "0 notifies",
                   "0 dumps messages", "0 flushes", "0 restarts", "0 halts"}));
}

TEST_F(panic, fault_at_any_moment_ends_and_repeats_no_step) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    machine.inject(0, n, [&] { d.panic("nested", nullptr); });
    const ending end = machine.as(0, [&] { d.panic("outer", &crash); });
    EXPECT_TRUE(end == ending::restarted || end == ending::halted) << n;
    const lines steps = machine.lines_with({"begins"});
    EXPECT_EQ(std::set<std::string>(steps.begin(), steps.end()).size(), steps.size()) << n;
    // A fault right behind the exchange that begins a step: its line is missing, and it is not run.
    EXPECT_GE(steps.size() + 1, without_image.size()) << n;
  });
}

TEST_F(panic, fault_at_any_moment_of_a_crash_kexec_still_ends_the_machine) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    domain_type d;
    ASSERT_EQ(d.image().load(image{7}), load_outcome::loaded);
    machine.inject(0, n, [&] { d.panic("nested", nullptr); });
    const ending end = machine.as(0, [&] { (void)d.crash_kexec(&crash); });
    EXPECT_TRUE(end == ending::jumped || end == ending::restarted) << n;
    EXPECT_LE(machine.lines_with({"jumps"}).size(), 1u) << n;
  });
}

TEST_F(panic, fault_before_the_first_request_leaves_silent_entries) {
  m.when("0 commits", [&] { domain.panic("nested", nullptr); });
  bool silent = false;
  m.when("0 begins registers", [&] { silent = domain.cpus().report().count(stop_state::silent) == 3; });
  EXPECT_EQ(panic_on(0, "outer"), ending::restarted);
  EXPECT_TRUE(silent);
}

// --- A panic from an NMI handler.

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
  EXPECT_EQ(steps(), begun(0, without_image));
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
  ASSERT_TRUE(domain.gate().commit());
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
  ASSERT_EQ(domain.gate().release(), release_outcome::released);
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

TEST_F(nmi_panic, answer_that_a_crash_kexec_in_nmi_withdrew_is_given_again) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(1, "normal"), ending::waiting);
  m.cpu = 0;
  ASSERT_EQ(domain.gate().release(), release_outcome::released);
  EXPECT_EQ(m.interrupt(1,
                        [&] {
                          EXPECT_EQ(domain.crash_kexec(&in_nmi), kexec_outcome::no_image);
                          EXPECT_FALSE(domain.cpus().acknowledged(1));
                          m.as(2, [&] { EXPECT_TRUE(domain.gate().claim(hold::final).won()); });
                        }),
            ending::waiting);
  EXPECT_TRUE(domain.cpus().acknowledged(1));
  EXPECT_EQ(saved_pc(1), crash.pc);
}

// --- The handlers.

struct handle_nmi : panicking<> {
  void not_ours_on(cpu_id cpu) {
    const size_t logged = m.log.size();
    EXPECT_EQ(m.as(cpu,
                   [&] {
                     EXPECT_EQ(domain.handle_nmi(stopped), nmi_outcome::not_ours);
                     EXPECT_EQ(domain.handle_stop_irq(stopped), nmi_outcome::not_ours);
                   }),
              ending::returned);
    EXPECT_EQ(m.log.size(), logged);
    if (cpu < fake_platform::max_cpus) {
      EXPECT_FALSE(domain.cpus().acknowledged(cpu));
    }
  }
};

TEST_F(handle_nmi, is_one_read_while_nobody_stops_anybody) {
  m.accesses.clear();
  EXPECT_EQ(domain.handle_nmi(stopped), nmi_outcome::not_ours);
  ASSERT_EQ(m.accesses.size(), 1u);
  EXPECT_EQ(m.accesses[0].what, word_access::load);
  EXPECT_EQ(m.accesses[0].how, order::acquire);
}

TEST_F(handle_nmi, is_not_ours_until_another_cpu_has_committed) {
  not_ours_on(1);
  claim_on(0, hold::trial);
  m.log.clear();
  not_ours_on(1);
  not_ours_on(0);
  claim_on(0, hold::final);
  not_ours_on(1);
  not_ours_on(0);
}

TEST_F(handle_nmi, never_stops_the_owner) {
  claim_on(0, hold::final);
  ASSERT_TRUE(domain.gate().commit());
  not_ours_on(0);
  ASSERT_TRUE(domain.gate().begin_step(1, phase::jumping));
  not_ours_on(0);
}

TEST_F(handle_nmi, does_not_know_an_unknown_cpu) {
  claim_on(0, hold::final);
  ASSERT_TRUE(domain.gate().commit());
  not_ours_on(fake_platform::max_cpus);
  not_ours_on(no_cpu);
}

TEST_F(handle_nmi, stops_for_good_when_another_cpu_has_committed) {
  for (const phase p : {phase::dumping, phase::jumping}) {
    fake_machine machine;
    domain_type d;
    ASSERT_TRUE(d.gate().claim(hold::final).won());
    ASSERT_TRUE(d.gate().begin_step(1, p));
    machine.log.clear();
    EXPECT_EQ(machine.as(1, [&] { (void)d.handle_nmi(stopped); }), ending::parked);
    EXPECT_EQ(machine.as(2, [&] { (void)d.handle_stop_irq(stopped); }), ending::parked);
    EXPECT_EQ(d.cpus().registers_of(1)->pc, stopped.pc);
    d.cpus().expect_all(0);
    EXPECT_EQ(d.cpus().state_of(1), stop_state::by_nmi);
    EXPECT_EQ(d.cpus().state_of(2), stop_state::by_irq);
    EXPECT_TRUE(machine.waits.empty()) << "for good";
  }
}

TEST_F(handle_nmi, on_a_loser_that_waits_leaves_it_to_wait_until_the_commit) {
  claim_on(0, hold::final);
  EXPECT_EQ(panic_on(1, "second"), ending::waiting);
  EXPECT_EQ(m.interrupt(1, [&] { EXPECT_EQ(domain.handle_nmi(stopped), nmi_outcome::not_ours); }), ending::waiting);
  m.cpu = 0;
  ASSERT_TRUE(domain.gate().commit());
  EXPECT_EQ(m.interrupt(1, [&] { (void)domain.handle_nmi(stopped); }), ending::parked);
  EXPECT_EQ(saved_pc(1), crash.pc);
  EXPECT_EQ(m.count("1 answers 2"), 1);
}

TEST_F(handle_nmi, stops_a_cpu_in_the_middle_of_its_message_and_keeps_what_there_is) {
  claim_on(0, hold::final);
  ASSERT_TRUE(domain.gate().commit());
  m.inject(1, before_the_mark, [&] { (void)domain.handle_nmi(stopped); });
  EXPECT_EQ(panic_on(1, "cut"), ending::parked);
  EXPECT_EQ(domain.messages().state(1, normal), message_state::writing);
  EXPECT_EQ(message(1, normal), "cut");
  EXPECT_EQ(saved_pc(1), stopped.pc);
}

// --- A CPU without a number.

struct unknown_cpu : panicking<> {
  static constexpr cpu_id nobody = fake_platform::max_cpus;
};

TEST_F(unknown_cpu, that_panics_reports_and_restarts) {
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::restarted);
  EXPECT_EQ(m.count("4 reports who am I"), 1);
  EXPECT_EQ(message(nobody, normal), "who am I");
  EXPECT_TRUE(m.stops.empty());
  EXPECT_FALSE(domain.gate().in_progress());
}

TEST_F(unknown_cpu, that_panics_in_nmi_reports_and_restarts) {
  EXPECT_EQ(nmi_panic_on(nobody, nullptr), ending::restarted);
  EXPECT_EQ(m.count("4 reports (no message)"), 1);
}

TEST_F(unknown_cpu, waits_for_who_holds_the_gate) {
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::waiting);
  EXPECT_EQ(message(nobody, normal), "who am I");
  EXPECT_EQ(m.resume(nobody), ending::waiting);
  EXPECT_TRUE(m.lines_with({"4 reports", "4 restarts"}).empty());
  m.cpu = 0;
  ASSERT_EQ(domain.gate().release(), release_outcome::released);
  EXPECT_EQ(m.resume(nobody), ending::restarted);
  EXPECT_EQ(m.count("4 reports who am I"), 1);
}

TEST_F(unknown_cpu, never_disturbs_a_dump) {
  claim_on(0, hold::final);
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::waiting);
  m.cpu = 0;
  ASSERT_TRUE(domain.gate().commit());
  EXPECT_EQ(m.resume(nobody), ending::waiting);
  EXPECT_TRUE(m.lines_with({"4 reports", "4 restarts"}).empty());
}

TEST_F(unknown_cpu, that_cannot_restart_halts_and_then_parks) {
  m.restart_returns = m.halt_returns = true;
  EXPECT_EQ(panic_on(nobody, "who am I"), ending::parked);
  EXPECT_LT(m.at("4 restarts"), m.at("4 halts"));
}

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
  EXPECT_FALSE(domain.gate().in_progress());
  EXPECT_TRUE(m.stops.empty());
}

// --- What the crash kernel is told.

struct note {
  cpu_id cpu;
  stop_state state;
  bool crashing;
  uintptr_t pc;
  std::string message, nmi_message, nested_message;
  bool cut_short;
  bool operator==(const note&) const = default;
};
std::vector<note> notes;

struct noting : fake_platform {
  static void save_note(const image& i, const cpu_note<fake_registers>& n) noexcept {
    EXPECT_EQ(i.id, 7u);
    notes.push_back({n.cpu, n.state, n.crashing, n.registers == nullptr ? 0 : n.registers->pc, n.message, n.nmi_message,
                     n.nested_message, n.cut_short});
    machine().say("notes", n.cpu);
  }
};
struct panic_notes : panicking<noting> {
  panic_notes() { notes.clear(); }
};

TEST_F(panic_notes, tell_the_crashing_cpu_first_and_all_that_each_had_to_say) {
  load();
  m.when("2 reports outer", [&] {
    EXPECT_EQ(nmi_panic_on(0, "lost in nmi"), ending::waiting);
    domain.panic("inner", nullptr);
  });
  m.when("2 sends irq", [&] {
    m.inject(1, before_the_mark, [&] { (void)domain.handle_stop_irq(stopped); });
    EXPECT_EQ(panic_on(1, "cut"), ending::parked);
  });
  EXPECT_EQ(panic_on(2, "outer"), ending::jumped);
  EXPECT_EQ(notes, (std::vector<note>{{2, stop_state::running, true, crash.pc, "outer", "", "inner", false},
                                      {0, stop_state::parked, false, in_nmi.pc, "", "lost in nmi", "", false},
                                      {1, stop_state::by_irq, false, stopped.pc, "cut", "", "", true},
                                      {3, stop_state::silent, false, 0, "", "", "", false}}));
}

TEST_F(panic_notes, tell_what_a_cpu_without_a_number_had_to_say) {
  load();
  claim_on(0, hold::trial);
  EXPECT_EQ(panic_on(fake_platform::max_cpus, "who am I"), ending::waiting);
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 5u);
  EXPECT_EQ(notes[4], (note{no_cpu, stop_state::silent, false, 0, "who am I", "", "", false}));
}

TEST_F(panic_notes, show_no_half_written_text_of_a_cpu_that_may_still_be_writing) {
  load();
  m.inject(1, before_the_mark, [] { fake_platform::park(); });
  EXPECT_EQ(panic_on(1, "half"), ending::parked);
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  ASSERT_EQ(notes.size(), 4u);
  EXPECT_EQ(notes[1], (note{1, stop_state::silent, false, 0, "(being written)", "", "", true}));
}

TEST_F(panic_notes, pass_over_a_cpu_that_was_never_there) {
  load();
  m.online[3] = false;
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  EXPECT_EQ(m.lines_with({"notes 3"}).size(), 0u);
}

TEST_F(panic_notes, are_saved_before_the_machine_is_shut_down) {
  load();
  EXPECT_EQ(panic_on(0, "outer"), ending::jumped);
  EXPECT_LT(m.at("0 notes 3"), m.at("0 shuts down " + std::to_string(crash.pc)));
}

// --- Policies.

struct post_notifiers : fake_policy {
  static constexpr bool crash_kexec_post_notifiers = true;
};
struct panic_post_notifiers : panicking<fake_platform, post_notifiers> {};

TEST_F(panic_post_notifiers, notifies_and_dumps_before_it_takes_the_image) {
  load();
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.lines_with({"reports", "commits", "sends", "notifies", "dumps", "checks", "jumps"}),
            (lines{"0 reports oh no", "0 commits", "0 sends irq", "0 sends nmi", "0 notifies", "0 dumps messages",
                   "0 checks image 7", "0 jumps to 7"}));
}

TEST_F(panic_post_notifiers, restarts_without_an_image) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"notifies", "dumps", "flushes", "restarts"}),
            (lines{"0 notifies", "0 dumps messages", "0 flushes", "0 restarts"}));
}

TEST_F(panic_post_notifiers, fault_in_the_notifiers_still_reaches_the_jump) {
  load();
  m.when("0 notifies", [&] { domain.panic("nested", nullptr); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
}

TEST_F(panic_post_notifiers, fault_behind_the_late_claim_still_reaches_the_jump) {
  load();
  m.when("0 begins notes", [&] { domain.panic("nested", nullptr); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.count("0 notifies"), 1);
}

}  // namespace
