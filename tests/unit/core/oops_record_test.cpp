// SPDX-License-Identifier: BSL-1.0
// What the owner of a trial remembers of its oops, for a fault inside its crash_kexec(): it is there while the gate is
// held and never when another CPU may hold it.
#include "panicking.hpp"

namespace oops_record_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct open_domain : domain_type {
  [[nodiscard]] bool remembers_nothing() const { return lastcpu::detail::inside::oops_of(*this).peek() == 0; }
};

struct oops_record : testing::Test {
  fake_machine m;
  open_domain domain;
};

TEST_F(oops_record, is_wiped_before_another_cpu_can_take_the_gate) {
  uint32_t looked = 0;
  const auto look = [&] {
    ++looked;
    EXPECT_FALSE(domain.gate().in_progress());
    EXPECT_TRUE(domain.remembers_nothing());
  };
  m.when("0 wakes", look);
  m.when("0 releases", look);
  m.as(0, [&] { (void)domain.crash_kexec(&crash, "oops"); });
  EXPECT_EQ(looked, 2u);
}

TEST_F(oops_record, is_wiped_when_an_nmi_panic_is_pending_and_the_oops_keeps_its_message) {
  bool looked = false;
  m.when("0 wins 1", [&] { domain.nmi_panic("in nmi", in_nmi); });
  m.when("0 reports in nmi", [&] {
    looked = true;
    EXPECT_TRUE(domain.remembers_nothing());
    EXPECT_STREQ(domain.messages().text(0, nested, true), "oops");
    domain.panic("fault in the report", &stopped);
  });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "oops"); }), ending::restarted);
  EXPECT_TRUE(looked);
  EXPECT_STREQ(domain.messages().text(0, normal, true), "") << "the registers that are kept are the NMI's";
  EXPECT_STREQ(domain.messages().text(0, nmi, true), "in nmi");
  EXPECT_STREQ(domain.messages().text(0, nested, true), "oops");
  EXPECT_EQ(domain.cpus().registers_of(0)->pc, in_nmi.pc);
}

TEST_F(oops_record, is_there_while_the_image_is_checked) {
  ASSERT_EQ(domain.image().load(image{7}), load_outcome::loaded);
  bool looked = false;
  m.when("0 checks image 7", [&] {
    looked = true;
    EXPECT_FALSE(domain.remembers_nothing());
  });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "oops"); }), ending::jumped);
  EXPECT_TRUE(looked);
}

TEST_F(oops_record, of_a_cpu_that_does_not_hold_the_gate_is_left_alone) {
  ASSERT_EQ(domain.image().load(image{7}), load_outcome::loaded);
  m.when("0 checks image 7", [&] {
    EXPECT_EQ(m.as(1, [&] { domain.panic("second", &stopped); }), ending::waiting);
    EXPECT_STREQ(domain.messages().text(1, normal, true), "second") << "not the oops of the other CPU";
    EXPECT_STREQ(domain.messages().text(1, nested, true), "");
  });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, "oops"); }), ending::jumped);
}

TEST_F(oops_record, without_registers_has_those_of_the_caller) {
  ASSERT_EQ(domain.image().load(image{7}), load_outcome::loaded);
  m.when("0 checks image 7", [&] { domain.panic("fault in the check", &stopped); });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(nullptr, "oops"); }), ending::jumped);
  EXPECT_STREQ(domain.messages().text(0, normal, true), "oops");
  EXPECT_EQ(domain.cpus().registers_of(0)->pc, fake_platform::captured_pc(0));
}

// --- What an NMI panic that is pending takes along.

TEST_F(oops_record, registers_of_the_pending_nmi_are_those_of_the_first_one) {
  m.when("0 wins 1", [&] {
    domain.nmi_panic("in nmi", in_nmi);
    domain.nmi_panic("in nmi again", stopped);
  });
  EXPECT_EQ(m.as(0, [&] { (void)domain.crash_kexec(&crash, nullptr); }), ending::restarted);
  EXPECT_EQ(domain.cpus().registers_of(0)->pc, in_nmi.pc);
  EXPECT_EQ(domain.cpus().registers_of(0)->sp, in_nmi.sp);
  EXPECT_STREQ(domain.messages().text(0, normal, true), "") << "the oops had no reason";
}

}  // namespace
}  // namespace oops_record_test
