// SPDX-License-Identifier: BSL-1.0
// What each step of the ladder is told, and in which phase the gate is meanwhile.
#include "panicking.hpp"

namespace told_in_steps_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct telling : fake_policy {
  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    machine().say("reports on", info.cpu == no_cpu ? 99 : info.cpu);
    machine().say("reports", info.message);
    machine().say("reports pc", info.registers == nullptr ? 0 : info.registers->pc);
  }
  template <class Report>
  static void notifiers(const Report& report) noexcept {
    machine().say("notifies of silent", report.count(stop_state::silent));
    machine().say("notifies of stopped", report.count(stop_state::by_irq));
    machine().say("notifies with status", static_cast<uint64_t>(report.status()));
  }
  template <class Messages>
  static void message_dump(const Messages& messages) noexcept {
    machine().say("dumps", messages.text(0, normal, true));
  }
  static void no_crash_kernel(kexec_outcome why) noexcept { machine().say("has no", to_string(why)); }
};
struct late : telling {
  static constexpr bool crash_kexec_post_notifiers = true;
};
struct told_in_steps : panicking<fake_platform, telling> {};
struct told_in_late_steps : panicking<fake_platform, late> {};

TEST_F(told_in_steps, report_has_the_cpu_its_message_and_its_registers) {
  EXPECT_EQ(panic_on(2, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"reports"}),
            (lines{"2 reports on 2", "2 reports oh no", "2 reports pc " + std::to_string(crash.pc)}));
}

TEST_F(told_in_steps, report_without_registers_has_those_of_the_caller) {
  EXPECT_EQ(panic_on(0, "oh no", nullptr), ending::restarted);
  EXPECT_EQ(m.count("0 reports pc " + std::to_string(fake_platform::captured_pc(0))), 1);
}

TEST_F(told_in_steps, report_after_a_fault_in_the_check_of_the_image_is_of_the_oops_alone) {
  load();
  m.when("0 checks image 7", [&] { domain.panic("fault in the check", &stopped); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "oops"); }), ending::jumped);
  EXPECT_EQ(m.lines_with({"reports"}),
            (lines{"0 reports on 0", "0 reports oops", "0 reports pc " + std::to_string(crash.pc)}));
}

// Whichever of the two crashes it is of. There is no text where the fault came before its first letter was kept.
template <class Crash>
void report_is_of_one_crash(Crash crash_on, const std::string& text, uintptr_t pc) {
  at_every_moment([&](fake_machine& machine, uint32_t n) {
    machine.misses_events();
    crash_domain<fake_platform, telling> d;
    machine.inject(0, n, [&] { d.panic("fault", &stopped); });
    machine.as(0, [&] { crash_on(d); });
    const lines said = machine.lines_with({"reports"});
    if (said.empty()) return;  // the fault came right behind the exchange that begins the report
    ASSERT_EQ(said.size(), 3u) << n;
    const bool of_fault = said[1] == "0 reports fault";
    EXPECT_TRUE(of_fault || said[1] == "0 reports " + text || said[1] == "0 reports (no message)")
        << n << ": " << said[1];
    EXPECT_EQ(said[2], "0 reports pc " + std::to_string(of_fault ? stopped.pc : pc)) << n << ": " << said[1];
  });
}
TEST_F(told_in_steps, report_has_message_and_registers_of_one_crash_wherever_a_fault_comes_in) {
  report_is_of_one_crash([](auto& d) { d.panic("outer", &crash); }, "outer", crash.pc);
  report_is_of_one_crash([](auto& d) { d.nmi_panic("in nmi", in_nmi); }, "in nmi", in_nmi.pc);
  report_is_of_one_crash([](auto& d) { (void)d.crash_kexec(&crash, "oops"); }, "oops", crash.pc);
}

TEST_F(told_in_steps, report_of_a_pending_panic_has_the_registers_of_the_nmi) {
  m.when("0 wins 1", [&] { domain.nmi_panic("in nmi", in_nmi); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "oops"); }), ending::restarted);
  EXPECT_EQ(m.lines_with({"reports"}),
            (lines{"0 reports on 0", "0 reports in nmi", "0 reports pc " + std::to_string(in_nmi.pc)}));
}

TEST_F(told_in_steps, report_of_a_cpu_without_a_number_says_so) {
  EXPECT_EQ(panic_on(fake_platform::max_cpus, "who am I", &stopped), ending::restarted);
  EXPECT_EQ(m.lines_with({"reports"}),
            (lines{"4 reports on 99", "4 reports who am I", "4 reports pc " + std::to_string(stopped.pc)}));
}

TEST_F(told_in_steps, notifiers_have_the_whole_report_of_the_stop) {
  m.when("0 sends irq", [&] { m.as(1, [&] { domain.handle_stop_irq(stopped); }); });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  const auto status = std::to_string(static_cast<int>(stop_status::some_silent));
  EXPECT_EQ(m.lines_with({"notifies"}),
            (lines{"0 notifies of silent 2", "0 notifies of stopped 1", "0 notifies with status " + status}));
  EXPECT_EQ(m.count("0 dumps oh no"), 1);
}

TEST_F(told_in_steps, image_that_is_being_replaced_is_named_busy) {
  load();
  m.when("0 reports oh no", [&] {
    m.inject(1, 3, [] { fake_platform::park(); });  // behind the exchange that takes the slot
    EXPECT_EQ(m.as(1, [&] { (void)domain.image().load(image{8}); }), ending::parked);
  });
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"has no"}), lines{"0 has no image_busy"});
}

TEST_F(told_in_steps, gate_says_how_far_the_owner_has_come) {
  load();
  m.jump_returns = true;
  uint32_t looked = 0;
  const auto in_phase = [&](const std::vector<step>& steps, phase p) {
    for (const step s : steps)
      m.when(std::string("0 begins ") + to_string(s), [&looked, p, s, this] {
        ++looked;
        EXPECT_EQ(domain.gate().read().phase(), p) << to_string(s);
        EXPECT_EQ(domain.gate().read().step(), static_cast<uint32_t>(s));
      });
  };
  in_phase({step::report, step::image, step::expect}, phase::panicking);
  in_phase(
      {step::commit, step::registers, step::rung_0, step::rung_1, step::collect, step::notes, step::crash_shutdown},
      phase::dumping);
  in_phase({step::jump, step::flush, step::restart}, phase::jumping);
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(looked, 13u);
}

TEST_F(told_in_steps, shutdown_has_the_registers_of_the_pending_nmi_where_none_could_be_saved) {
  load();
  // Three attempts to save the owner's registers break off: a fault comes in the middle of each.
  for (int i = 0; i < 2; ++i) m.when("0 captures", [&] { domain.panic("again", nullptr); });
  EXPECT_EQ(panic_on(0, "oh no", nullptr), ending::jumped);
  EXPECT_EQ(saved_pc(0), 0u);
  EXPECT_EQ(m.count("0 shuts down 0"), 1) << "zeros, for no NMI has panicked";
}

TEST_F(told_in_late_steps, notifiers_come_before_the_image_and_nothing_is_missing) {
  load();
  EXPECT_EQ(panic_on(0, "oh no"), ending::jumped);
  EXPECT_EQ(m.lines_with({"has no"}), lines{});
  EXPECT_EQ(m.lines_with({"dumps", "checks"}), (lines{"0 dumps oh no", "0 checks image 7"}));
}

TEST_F(told_in_late_steps, missing_image_is_named_behind_the_message_dump) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  EXPECT_EQ(m.lines_with({"has no", "dumps"}), (lines{"0 dumps oh no", "0 has no no_image"}));
}

TEST_F(told_in_late_steps, oops_alone_claims_no_gate) {
  load();
  EXPECT_EQ(m.as(1, [&] { EXPECT_EQ(domain.crash_kexec(&crash, "oops"), kexec_outcome::left_to_panic); }),
            ending::returned);
  EXPECT_EQ(m.log, (lines{"1 irqs off", "1 irqs back"}));
}

TEST(kexec_outcomes, have_names_that_are_their_own) {
  const char* names[] = {"no_image",       "image_busy",    "image_corrupt", "left_to_panic",
                         "left_to_policy", "held_by_other", "not_the_owner", "unknown_cpu"};
  for (uint32_t i = 0; i < 8; ++i) EXPECT_STREQ(to_string(static_cast<kexec_outcome>(i)), names[i]);
}

}  // namespace
}  // namespace told_in_steps_test
