// SPDX-License-Identifier: BSL-1.0
// A kernel may move who panics to another CPU until interrupts are off: nothing may be decided about a CPU before that.
#include "panicking.hpp"

namespace migration_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

// Who asks for its number with interrupts on is on the next CPU when it has the answer.
struct restless : fake_platform {
  static cpu_id this_cpu() noexcept {
    const cpu_id asked = machine().cpu;
    if (asked < max_cpus && machine().irqs_on[asked]) machine().cpu = (asked + 1) % max_cpus;
    return asked;
  }
};
struct migration : panicking<restless> {
  // On the CPU where interrupts went off, and on no other, everything has happened.
  void all_on(cpu_id cpu) {
    for (const std::string& line : m.log) EXPECT_EQ(line.substr(0, 2), std::to_string(cpu) + " ") << line;
  }
};

TEST_F(migration, ends_before_a_panic_asks_on_which_cpu_it_is) {
  EXPECT_EQ(panic_on(0, "oh no"), ending::restarted);
  all_on(0);
  EXPECT_EQ(message(0, normal), "oh no");
  EXPECT_EQ(m.count("0 reports oh no"), 1);
}

TEST_F(migration, ends_before_a_crash_kexec_claims_the_gate) {
  EXPECT_EQ(m.as(2, [&] { EXPECT_EQ(domain.crash_kexec(&crash, "oops"), kexec_outcome::no_image); }), ending::returned);
  all_on(2);
  EXPECT_FALSE(domain.gate().in_progress());
  load();
  EXPECT_EQ(m.as(2, [&] { (void)domain.crash_kexec(&crash, "oops"); }), ending::jumped);
  EXPECT_EQ(message(2, normal), "oops");
}

TEST_F(migration, begins_again_when_a_crash_kexec_has_let_the_gate_go) {
  m.when("1 irqs back", [&] { EXPECT_FALSE(domain.gate().in_progress()); });
  EXPECT_EQ(m.as(1, [&] { (void)domain.crash_kexec(); }), ending::returned);
  EXPECT_TRUE(m.irqs_on[1]);
  EXPECT_LT(m.at("1 releases"), m.at("1 irqs back"));
}

}  // namespace
}  // namespace migration_test
