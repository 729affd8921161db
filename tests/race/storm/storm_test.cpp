// SPDX-License-Identifier: BSL-1.0
// A few storms of each kind, and the proof that a storm can see failure. tools/soak runs as many as one likes.

#include "tally.hpp"

#include <lastcpu/platform/posix/futex.hpp>

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace storm;

class storms : public testing::TestWithParam<uint32_t> {};
class storms_by_c : public storms {};

constexpr uint64_t base = 20261122;

void prepare() {
  if (area != nullptr) return;
  ASSERT_EQ(prepare_trials(), "");
}

// Where a trial is slow, fewer of them.
void all_complete(design d, scenario s, uint64_t most, uint64_t ns) {
  prepare();
  const uint64_t until = lastcpu::posix_detail::monotonic_ns() + ns;
  for (uint64_t n = 0; n < most && !testing::Test::HasFailure() && lastcpu::posix_detail::monotonic_ns() < until; ++n) {
    const trial t{d, s, seed_of(base, s, n)};
    const verdict v = run_trial(t);
    if (v.what == outcome::completed) continue;
    report_failure(t, v);
    ADD_FAILURE() << to_string(v.what) << ": " << v.why;
  }
}

const auto name_of_scenario = [](const auto& i) { return to_string(static_cast<scenario>(i.param)); };

TEST_P(storms, end_as_promised) {
  all_complete(design::lastcpu, static_cast<scenario>(GetParam()), 60, 1'500'000'000);
}
INSTANTIATE_TEST_SUITE_P(lastcpu, storms, testing::Range(0u, scenario_count), name_of_scenario);

TEST_P(storms_by_c, end_as_promised) {
  all_complete(design::lastcpu_by_c, static_cast<scenario>(GetParam()), 20, 500'000'000);
}
INSTANTIATE_TEST_SUITE_P(lastcpu, storms_by_c, testing::Range(0u, scenario_count), name_of_scenario);

// The first outcome of `wanted` kind among many trials.
[[nodiscard]] bool is_caught(design d, scenario s, outcome wanted) {
  prepare();
  for (uint64_t n = 0; n < 300; ++n)
    if (run_trial({d, s, seed_of(base, s, n)}).what == wanted) return true;
  return false;
}

TEST(storm, stop_of_the_dumper_with_a_trylock_only_is_caught) {
  EXPECT_TRUE(is_caught(design::trylock_only, scenario::panic_vs_panic, outcome::lost));
}

TEST(storm, stop_of_the_oopsing_dumper_in_2011_is_caught) {
  EXPECT_TRUE(is_caught(design::panic_lock_2011, scenario::oops_vs_panic, outcome::lost));
}

TEST(storm, nmi_that_never_returns_to_the_dumper_in_2011_is_caught) {
  EXPECT_TRUE(is_caught(design::panic_lock_2011, scenario::nmi_on_dumper, outcome::lost));
}

TEST(storm, loser_that_answers_nobody_in_nmi_in_2011_is_caught) {
  EXPECT_TRUE(is_caught(design::panic_lock_2011, scenario::nmi_loser, outcome::wrong));
}

TEST(storm, nested_panic_behind_its_own_lock_in_2011_is_caught) {
  EXPECT_TRUE(is_caught(design::panic_lock_2011, scenario::nested_in_step, outcome::hung));
}

TEST(storm, waiter_left_behind_by_a_release_in_2015_is_caught) {
  EXPECT_TRUE(is_caught(design::panic_cpu_2015, scenario::released_under_waiter, outcome::lost));
}

TEST(storm, pending_nmi_panic_forgotten_in_2015_is_caught) {
  EXPECT_TRUE(is_caught(design::panic_cpu_2015, scenario::nmi_panic_pending, outcome::lost));
}

TEST(storm, waiter_left_behind_by_a_release_in_2025_is_caught) {
  EXPECT_TRUE(is_caught(design::double_read_2025, scenario::released_under_waiter, outcome::lost));
}

TEST(storm, same_seed_writes_the_same_script) {
  for (uint32_t i = 0; i < scenario_count; ++i) {
    const auto s = static_cast<scenario>(i);
    const script a = write_script(s, 7), b = write_script(s, 7);
    for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) EXPECT_EQ(a.roles[cpu], b.roles[cpu]) << to_string(s);
    EXPECT_EQ(a.shot_count, b.shot_count) << to_string(s);
    EXPECT_EQ(a.chaos.faults, b.chaos.faults) << to_string(s);
  }
}

}  // namespace

// A race that ThreadSanitizer finds ends the trial at once, so that it is not overlooked in a process that dies anyway.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "die_after_fork=0 halt_on_error=1";
}
