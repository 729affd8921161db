// SPDX-License-Identifier: BSL-1.0
// The constants are written out: they are what the manuals say, not what the code computes.
#include <lastcpu/platform/x86_64/lapic.hpp>

#include <gtest/gtest.h>

#include "recording_apic.hpp"

namespace lapic_test {
namespace {

using namespace lastcpu::x86;
using namespace recording_apic;

TEST(lapic_encoding, x2apic_registers_are_a_sixteenth_of_the_offset_above_0x800) {
  EXPECT_EQ(x2apic_msr(0x20), 0x802u);
  EXPECT_EQ(x2apic_msr(0x80), 0x808u);
  EXPECT_EQ(x2apic_msr(0xb0), 0x80bu);
  EXPECT_EQ(x2apic_msr(0xf0), 0x80fu);
  EXPECT_EQ(x2apic_msr(0x2f0), 0x82fu);
  EXPECT_EQ(x2apic_msr(0x300), 0x830u);
  EXPECT_EQ(x2apic_msr(0x320), 0x832u);
  EXPECT_EQ(x2apic_msr(0x370), 0x837u);
}

TEST(lapic_encoding, mode_is_told_by_two_bits_of_the_base_register) {
  EXPECT_EQ(mode_of(base_off), apic_mode::off);
  EXPECT_EQ(mode_of(base_xapic), apic_mode::xapic);
  EXPECT_EQ(mode_of(base_x2apic), apic_mode::x2apic);
  EXPECT_EQ(mode_of(0xfee0'0500), apic_mode::off) << "x2APIC without enable is no mode";
}

TEST(lapic_encoding, xapic_commands) {
  EXPECT_EQ(icr_value(apic_mode::xapic, 0, ipi_message::nmi()), 0x0000'0000'0000'4400u);
  EXPECT_EQ(icr_value(apic_mode::xapic, 5, ipi_message::nmi()), 0x0500'0000'0000'4400u);
  EXPECT_EQ(icr_value(apic_mode::xapic, 254, ipi_message::fixed(0xf0)), 0xfe00'0000'0000'40f0u);
  EXPECT_EQ(icr_value(apic_mode::xapic, 1, ipi_message::init()), 0x0100'0000'0000'4500u);
  EXPECT_EQ(icr_value(apic_mode::xapic, 1, ipi_message::startup(0x08)), 0x0100'0000'0000'4608u);
}

TEST(lapic_encoding, x2apic_clusters_have_sixteen_ids_with_a_bit_each) {
  EXPECT_EQ(logical_id(0), 0x0000'0001u);
  EXPECT_EQ(logical_id(15), 0x0000'8000u);
  EXPECT_EQ(logical_id(16), 0x0001'0001u);
  EXPECT_EQ(logical_id(4095), 0x00ff'8000u);
  EXPECT_EQ(logical_id(highest_clustered_id), 0xfffe'8000u);
  EXPECT_EQ(icr_value_for_cluster(logical_id(16) | logical_id(18), ipi_message::nmi()), 0x0001'0005'0000'4c00u);
  EXPECT_EQ(icr_value_for_cluster(logical_id(0), ipi_message::fixed(0xf0)), 0x0000'0001'0000'48f0u);
}

TEST(lapic_encoding, x2apic_commands) {
  EXPECT_EQ(icr_value(apic_mode::x2apic, 5, ipi_message::nmi()), 0x0000'0005'0000'4400u);
  EXPECT_EQ(icr_value(apic_mode::x2apic, 0x1234'5678, ipi_message::fixed(0xf0)), 0x1234'5678'0000'40f0u);
  EXPECT_EQ(icr_value(apic_mode::x2apic, 300, ipi_message::init()), 0x0000'012c'0000'4500u);
  EXPECT_EQ(icr_value(apic_mode::x2apic, 300, ipi_message::startup(0x9a)), 0x0000'012c'0000'469au);
}

TEST(lapic_encoding, all_excluding_self_is_the_same_in_both_modes) {
  EXPECT_EQ(icr_value_for_others(ipi_message::nmi()), 0x000c'4400u);
  EXPECT_EQ(icr_value_for_others(ipi_message::fixed(0xf0)), 0x000c'40f0u);
}

TEST_F(xapic, send_waits_for_idle_and_writes_the_destination_before_the_half_that_sends) {
  EXPECT_EQ(apic::send(3, ipi_message::nmi()), ipi_outcome::sent);
  EXPECT_EQ(bus::log.take(), (lines{"read 300", "write 310 3000000", "write 300 4400"}));
}

TEST_F(xapic, send_writes_the_destination_zero_too) {
  bus::page[0x310] = 0x0700'0000;
  EXPECT_EQ(apic::send(0, ipi_message::nmi()), ipi_outcome::sent);
  EXPECT_EQ(bus::log.take(), (lines{"read 300", "write 310 0", "write 300 4400"}));
}

TEST_F(xapic, send_reads_the_delivery_status_until_it_is_clear) {
  bus::busy_reads = 3;
  EXPECT_EQ(apic::send(3, ipi_message::nmi()), ipi_outcome::sent);
  EXPECT_EQ(bus::log.take(),
            (lines{"read 300", "read 300", "read 300", "read 300", "write 310 3000000", "write 300 4400"}));
}

TEST_F(xapic, a_stuck_delivery_status_is_waited_for_no_longer_than_the_bound_and_the_message_is_sent) {
  bus::busy_reads = ~uint32_t{0};
  const uint64_t begun = bus::clock;
  EXPECT_EQ(apic::send(3, ipi_message::nmi()), ipi_outcome::busy);
  EXPECT_LE(bus::clock - begun, 25u);
  EXPECT_GE(bus::clock - begun, 20u);
  const lines log = bus::log.take();
  EXPECT_EQ(log[log.size() - 2], "write 310 3000000");
  EXPECT_EQ(log.back(), "write 300 4400");
}

TEST_F(xapic, a_bound_over_the_end_of_the_clock_is_kept) {
  bus::busy_reads = ~uint32_t{0};
  bus::clock = ~uint64_t{0} - 5;
  EXPECT_EQ(apic::send(3, ipi_message::nmi()), ipi_outcome::busy);
  EXPECT_GE(bus::clock + 6, 20u);
  EXPECT_LE(bus::clock + 6, 25u);
}

TEST_F(xapic, send_others_needs_no_destination) {
  EXPECT_EQ(apic::send_others(ipi_message::nmi()), ipi_outcome::sent);
  EXPECT_EQ(bus::log.take(), (lines{"read 300", "write 300 c4400"}));
}

TEST_F(xapic, ids_that_would_mean_everybody_or_somebody_else_are_not_sent_to) {
  for (const uint32_t id : {0xffu, 0x100u, 0x103u, 0xffff'ffffu})
    EXPECT_EQ(apic::send(id, ipi_message::nmi()), ipi_outcome::unreachable) << id;
  EXPECT_EQ(bus::log.take(), lines{});
  EXPECT_EQ(apic::send(0xfe, ipi_message::nmi()), ipi_outcome::sent);
}

TEST_F(xapic, id_is_in_the_upper_byte) {
  bus::page[0x20] = 0x0b00'0000;
  EXPECT_EQ(apic::id(), 0x0bu);
}

TEST_F(xapic, eoi_writes_zero) {
  apic::eoi();
  EXPECT_EQ(bus::log.take(), lines{"write b0 0"});
}

TEST_F(xapic, enable_keeps_the_other_bits_of_the_spurious_vector_register) {
  bus::page[0xf0] = 0x1000 | 0x0f;
  EXPECT_TRUE(apic::enable(0xff));
  EXPECT_EQ(bus::log.take(), (lines{"write 80 0", "read f0", "write f0 11ff"}));
}

TEST_F(xapic, masks_the_four_sources_of_the_smallest_version_and_keeps_their_vectors) {
  bus::page[0x30] = 0x0003'0014;
  bus::page[0x320] = 0x2'00ef;
  bus::page[0x370] = 0xfe;
  apic::mask_local_sources();
  EXPECT_EQ(writes(bus::log.take()),
            (lines{"write 370 100fe", "write 320 300ef", "write 350 10000", "write 360 10000"}));
}

TEST_F(xapic, masks_the_further_sources_that_the_version_register_tells_of) {
  const lines all = {"write 370 10000", "write 320 10000", "write 350 10000", "write 360 10000",
                     "write 340 10000", "write 330 10000", "write 2f0 10000"};
  for (uint32_t last = 2; last <= 6; ++last) {
    bus::page.clear();
    bus::page[0x30] = last << 16 | 0x14;
    apic::mask_local_sources();
    lines expected(all.begin(), all.begin() + last + 1);
    if (last == 2) expected = {"write 320 10000", "write 350 10000", "write 360 10000"};
    EXPECT_EQ(writes(bus::log.take()), expected) << last;
  }
}

TEST_F(xapic, masks_the_extended_sources_of_amd_and_no_more_than_four) {
  bus::page[0x30] = 0x8005'0010;
  bus::page[0x400] = 0x0002'0000;
  apic::mask_local_sources();
  lines log = writes(bus::log.take());
  EXPECT_EQ(lines(log.end() - 2, log.end()), (lines{"write 500 10000", "write 510 10000"}));
  bus::page[0x400] = 0x00ff'0000;
  apic::mask_local_sources();
  EXPECT_EQ(writes(bus::log.take()).back(), "write 530 10000");
}

TEST_F(xapic, start_cpu_sends_init_and_two_start_ups_in_time) {
  EXPECT_EQ(apic::start_cpu(2, 0x08, 1'000'000), ipi_outcome::sent);
  EXPECT_EQ(writes(bus::log.take()), (lines{"write 310 2000000", "write 300 4500", "write 310 2000000",
                                            "write 300 4608", "write 310 2000000", "write 300 4608"}));
  EXPECT_GE(bus::clock, 1000u + 10'000 + 200);
  EXPECT_LE(bus::clock, 1000u + 10'000 + 200 + 50);
}

TEST_F(x2apic, send_fences_and_writes_the_command_at_once) {
  EXPECT_EQ(apic::send(300, ipi_message::nmi()), ipi_outcome::sent);
  EXPECT_EQ(bus::log.take(), (lines{"fence", "wrmsr 830 12c00004400"}));
  EXPECT_EQ(apic::send_others(ipi_message::fixed(0xf0)), ipi_outcome::sent);
  EXPECT_EQ(bus::log.take(), (lines{"fence", "wrmsr 830 c40f0"}));
}

TEST_F(x2apic, the_id_for_everybody_is_not_sent_to) {
  EXPECT_EQ(apic::send(0xffff'ffff, ipi_message::nmi()), ipi_outcome::unreachable);
  EXPECT_EQ(bus::log.take(), lines{});
  EXPECT_EQ(apic::send(0xff, ipi_message::nmi()), ipi_outcome::sent);
}

TEST_F(x2apic, id_is_the_whole_register) {
  bus::msr[0x802] = 0x0123'4567;
  EXPECT_EQ(apic::id(), 0x0123'4567u);
}

TEST_F(x2apic, the_other_registers_are_reached_as_msrs) {
  bus::msr[0x803] = 0x0006'0015;
  bus::msr[0x80f] = 0x0f;
  EXPECT_TRUE(apic::enable(0xff));
  apic::eoi();
  EXPECT_EQ(bus::log.take(), (lines{"wrmsr 808 0", "rdmsr 80f", "wrmsr 80f 1ff", "wrmsr 80b 0"}));
  apic::mask_local_sources();
  EXPECT_EQ(writes(bus::log.take()), (lines{"wrmsr 837 10000", "wrmsr 832 10000", "wrmsr 835 10000", "wrmsr 836 10000",
                                            "wrmsr 834 10000", "wrmsr 833 10000", "wrmsr 82f 10000"}));
}

TEST_F(apic_off, nothing_is_touched) {
  EXPECT_EQ(apic::send(0, ipi_message::nmi()), ipi_outcome::unreachable);
  EXPECT_EQ(apic::send_others(ipi_message::nmi()), ipi_outcome::unreachable);
  EXPECT_EQ(apic::start_cpu(1, 8, 1'000'000), ipi_outcome::unreachable);
  EXPECT_FALSE(apic::enable(0xff));
  apic::mask_local_sources();
  apic::eoi();
  EXPECT_EQ(bus::log.take(), lines{});
}

}  // namespace
}  // namespace lapic_test
