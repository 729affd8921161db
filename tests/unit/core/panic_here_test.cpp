// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/panic_here.hpp>

#include <lastcpu/barebones.hpp>

#include "panicking.hpp"

namespace panic_here_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct panic_at_a_place : panicking<> {};

TEST_F(panic_at_a_place, has_captured_its_registers_before_it_claims_or_reports) {
  EXPECT_EQ(m.as(0, [&] { panic_here(domain, "the end"); }), ending::restarted);
  const lines said = m.lines_with({"captures", "claims", "reports"});
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said.front(), "0 captures");
  EXPECT_EQ(said.back(), "0 reports the end");
  EXPECT_EQ(m.count("0 captures"), 1);
  EXPECT_EQ(saved_pc(0), fake_platform::captured_pc(0));
}

TEST(bare_panic_at_a_place, has_its_registers) {
  fake_machine m;
  bare_domain<fake_platform, fake_policy> domain;
  EXPECT_EQ(m.as(0, [&] { panic_here(domain, "the end"); }), ending::restarted);
  m.cpu = 0;
  ASSERT_NE(domain.registers_of(0), nullptr);
  EXPECT_EQ(domain.registers_of(0)->pc, fake_platform::captured_pc(0));
}

}  // namespace
}  // namespace panic_here_test
