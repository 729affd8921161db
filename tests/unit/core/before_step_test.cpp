// SPDX-License-Identifier: BSL-1.0
// Policy::before_step(): a hook before each step of a panic.
#include <lastcpu/ladder/step_hook.hpp>

#include <lastcpu/barebones.hpp>

#include "panicking.hpp"

namespace before_step_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct hooked_policy : fake_policy {
  static void before_step(step s) noexcept { machine().say("is before", to_string(s)); }
  template <class Note>
  static void summary(const Note&) noexcept {}
};

template <class Domain>
struct before_step : testing::Test {
  fake_machine m;
  Domain domain;

  ending panic_on(cpu_id cpu) {
    return m.as(cpu, [this] { domain.panic("oh no", &crash); });
  }
  [[nodiscard]] lines hooks_and_steps() const { return m.lines_with({"is before", "begins"}); }
};
using both = testing::Types<crash_domain<fake_platform, hooked_policy>, bare_domain<fake_platform, hooked_policy>>;
TYPED_TEST_SUITE(before_step, both);

TYPED_TEST(before_step, is_called_once_before_each_step_that_begins) {
  EXPECT_EQ(this->panic_on(0), ending::restarted);
  const lines all = this->hooks_and_steps();
  ASSERT_EQ(all.size() % 2, 0u);
  ASSERT_GE(all.size(), 14u);
  for (size_t i = 0; i < all.size(); i += 2) {
    const std::string name = all[i].substr(std::string("0 is before ").size());
    EXPECT_EQ(all[i], "0 is before " + name);
    EXPECT_EQ(all[i + 1], "0 begins " + name);
  }
}

TYPED_TEST(before_step, that_faults_goes_on_at_the_step) {
  for (const step s : {step::report, step::commit, step::rung_1, step::summary, step::restart}) {
    fake_machine machine;
    TypeParam d;
    const std::string name = to_string(s);
    machine.when("0 is before " + name, [&] { d.panic("fault", &stopped); });
    EXPECT_EQ(machine.as(0, [&] { d.panic("oh no", &crash); }), ending::restarted) << name;
    EXPECT_EQ(machine.count("0 is before " + name), 1) << name;
    EXPECT_EQ(machine.count("0 begins " + name), 1) << name;
  }
}

TYPED_TEST(before_step, that_faults_each_time_costs_no_step) {
  (void)this->panic_on(0);
  const lines wanted = this->m.lines_with({"begins"});
  fake_machine machine;
  TypeParam d;
  for (uint32_t i = 1; i < step_count; ++i)
    machine.when(std::string("0 is before ") + to_string(static_cast<step>(i)), [&] { d.panic("fault", &stopped); });
  EXPECT_EQ(machine.as(0, [&] { d.panic("oh no", &crash); }), ending::restarted);
  for (const std::string& line : wanted) EXPECT_EQ(machine.count(line), 1) << line;
}

TYPED_TEST(before_step, is_not_called_on_a_loser) {
  this->m.when("0 reports oh no", [&] { (void)this->panic_on(1); });
  EXPECT_EQ(this->panic_on(0), ending::restarted);
  EXPECT_TRUE(this->m.lines_with({"1 is before"}).empty());
}

static_assert(sizeof(bare_domain<fake_platform, hooked_policy>) > sizeof(bare_domain<fake_platform, fake_policy>));
static_assert(__is_empty(lastcpu::detail::step_hook<fake_platform, fake_policy>), "no cost where there is none");

}  // namespace
}  // namespace before_step_test
