// SPDX-License-Identifier: BSL-1.0
// Who is named in a message: every bit of an id arrives, and an id that is not one CPU's is not sent to.
#include <lastcpu/platform/x86_64/lapic.hpp>

#include <gtest/gtest.h>

#include "recording_apic.hpp"

namespace lapic_ids_test {
namespace {

using namespace lastcpu::x86;
using namespace recording_apic;

TEST_F(xapic, send_names_every_bit_of_an_id) {
  for (uint32_t bit = 0; bit < 8; ++bit) {
    EXPECT_EQ(apic::send(1u << bit, ipi_message::nmi()), ipi_outcome::sent);
    EXPECT_EQ(bus::page[0x310], 0x0100'0000u << bit);
    EXPECT_EQ(bus::page[0x300], 0x4400u);
  }
}

TEST_F(xapic, id_has_every_bit_of_the_upper_byte_and_no_other) {
  for (uint32_t bit = 0; bit < 32; ++bit) {
    bus::page[0x20] = 1u << bit;
    EXPECT_EQ(apic::id(), bit < 24 ? 0u : 1u << (bit - 24)) << bit;
  }
}

TEST_F(xapic, no_id_above_eight_bits_is_sent_to_whichever_bits_it_has) {
  for (uint32_t bit = 8; bit < 32; ++bit)
    EXPECT_EQ(apic::send(1u << bit | 3, ipi_message::nmi()), ipi_outcome::unreachable) << bit;
  EXPECT_EQ(bus::log.take(), lines{});
}

TEST_F(x2apic, send_names_every_bit_of_an_id) {
  for (uint32_t bit = 0; bit < 32; ++bit) {
    EXPECT_EQ(apic::send(1u << bit, ipi_message::nmi()), ipi_outcome::sent);
    EXPECT_EQ(bus::msr[0x830], (uint64_t{1} << (32 + bit)) | 0x4400) << bit;
  }
}

TEST_F(x2apic, id_has_every_bit_of_the_register) {
  for (uint32_t bit = 0; bit < 32; ++bit) {
    bus::msr[0x802] = 1u << bit;
    EXPECT_EQ(apic::id(), 1u << bit) << bit;
  }
}

TEST_F(x2apic, the_highest_id_of_one_cpu_is_sent_to) {
  EXPECT_EQ(highest_apic_id(apic_mode::x2apic), 0xffff'fffeu);
  EXPECT_EQ(apic::send(0xffff'fffe, ipi_message::nmi()), ipi_outcome::sent);
  EXPECT_EQ(bus::log.take(), (lines{"fence", "wrmsr 830 fffffffe00004400"}));
}

TEST_F(x2apic, send_cluster_to_nobody_is_nothing) {
  apic::send_cluster(0, ipi_message::fixed(0xf0));
  EXPECT_EQ(bus::log.take(), lines{});
  apic::send_cluster(0xffff'8001, ipi_message::fixed(0xf0));
  EXPECT_EQ(bus::log.take(), (lines{"fence", "wrmsr 830 ffff8001000048f0"}));
}

TEST(lapic_encoding, each_id_of_a_cluster_has_its_own_bit_and_each_cluster_its_own_number) {
  for (uint32_t i = 0; i < 16; ++i) EXPECT_EQ(logical_id(0x30 + i), 0x3'0000u | 1u << i);
  for (uint32_t bit = 0; bit < 16; ++bit) EXPECT_EQ(logical_id(16u << bit), 0x1'0000u << bit | 1) << bit;
}

TEST(lapic_encoding, a_vector_or_a_page_may_have_any_bit) {
  for (uint32_t bit = 0; bit < 8; ++bit) {
    EXPECT_EQ(ipi_message::fixed(static_cast<uint8_t>(1u << bit)).bits, 0x4000u | 1u << bit);
    EXPECT_EQ(ipi_message::startup(static_cast<uint8_t>(1u << bit)).bits, 0x4600u | 1u << bit);
  }
}

TEST_F(apic_off, there_is_no_id) {
  bus::page[0x20] = 0x0b00'0000;
  bus::msr[0x802] = 0x0b;
  EXPECT_EQ(apic::id(), 0u);
  EXPECT_EQ(highest_apic_id(apic_mode::off), 0u);
}

}  // namespace
}  // namespace lapic_ids_test
