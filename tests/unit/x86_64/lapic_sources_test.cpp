// SPDX-License-Identifier: BSL-1.0
// What interrupts a CPU from its own APIC, when the highest class is free, and how another CPU is started.
#include <lastcpu/platform/x86_64/lapic.hpp>

#include <gtest/gtest.h>

#include <algorithm>

#include "recording_apic.hpp"

namespace lapic_sources_test {
namespace {

using namespace lastcpu::x86;
using namespace recording_apic;

const lines six_sources = {"write 370 10000", "write 320 10000", "write 350 10000",
                           "write 360 10000", "write 340 10000", "write 330 10000"};

TEST_F(xapic, a_source_that_is_masked_is_left_alone) {
  bus::page[0x30] = 0x0005'0014;
  for (const uint32_t offset : {0x370u, 0x350u, 0x330u}) bus::page[offset] = 0x1'0000;
  apic::mask_local_sources();
  EXPECT_EQ(writes(bus::log.take()), (lines{"write 320 10000", "write 360 10000", "write 340 10000"}));
  apic::mask_local_sources();
  EXPECT_EQ(writes(bus::log.take()), lines{}) << "a second time there is nothing to do";
}

TEST_F(xapic, the_number_of_sources_is_one_byte_of_the_version_register) {
  bus::page[0x30] = 0x7f05'ff14;
  apic::mask_local_sources();
  EXPECT_EQ(writes(bus::log.take()), six_sources);
}

TEST_F(xapic, an_apic_without_extended_registers_is_not_asked_for_them) {
  bus::page[0x30] = 0x0005'0014;
  bus::page[0x400] = 0x0004'0000;
  apic::mask_local_sources();
  const lines log = bus::log.take();
  EXPECT_EQ(writes(log), six_sources);
  EXPECT_EQ(std::count(log.begin(), log.end(), "read 400"), 0);
}

TEST_F(xapic, as_many_extended_sources_are_masked_as_there_are) {
  for (const uint32_t count : {0u, 1u, 3u, 4u, 5u}) {
    bus::page.clear();
    bus::page[0x30] = 0x8005'0010;
    bus::page[0x400] = count << 16 | 0xff00'0007;
    apic::mask_local_sources();
    lines expected = six_sources;
    const lines extended = {"write 500 10000", "write 510 10000", "write 520 10000", "write 530 10000"};
    expected.insert(expected.end(), extended.begin(), extended.begin() + std::min(count, 4u));
    EXPECT_EQ(writes(bus::log.take()), expected) << count;
  }
}

template <class F>
void expect_free_but_for_bits(uint32_t first, F set_in_service) {
  for (uint32_t bit = 0; bit < 32; ++bit) {
    set_in_service(1u << bit);
    EXPECT_EQ(apic::highest_class_is_free(), bit < first) << bit;
  }
}

TEST_F(xapic, the_highest_class_is_free_when_none_of_its_sixteen_vectors_is_in_service) {
  bus::page[0xf0] = 0x100;
  expect_free_but_for_bits(16, [](uint32_t v) { bus::page[0x170] = v; });
}

TEST_F(x2apic, the_highest_class_is_free_when_none_of_its_sixteen_vectors_is_in_service) {
  bus::msr[0x80f] = 0x100;
  expect_free_but_for_bits(16, [](uint32_t v) { bus::msr[0x817] = v; });
  bus::msr[0x817] = 0;
  bus::msr[0x80f] = 0xff;
  EXPECT_FALSE(apic::highest_class_is_free()) << "software has not enabled it";
}

TEST_F(xapic, enable_replaces_the_vector_and_leaves_the_rest) {
  bus::page[0xf0] = 0xffff'feff;
  EXPECT_TRUE(apic::enable(0xf0));
  EXPECT_EQ(bus::page[0xf0], 0xffff'fff0u);
  EXPECT_TRUE(apic::enable(0x0f));
  EXPECT_EQ(bus::page[0xf0], 0xffff'ff0fu);
}

TEST_F(xapic, a_wait_for_the_message_before_pauses_between_its_looks) {
  bus::busy_reads = 3;
  EXPECT_EQ(apic::send(3, ipi_message::nmi()), ipi_outcome::sent);
  EXPECT_EQ(bus::pauses, 3u);
}

TEST_F(xapic, start_cpu_waits_ten_milliseconds_behind_init_and_200_microseconds_behind_the_first_start_up) {
  EXPECT_EQ(apic::start_cpu(2, 0x08, 1'000'000), ipi_outcome::sent);
  ASSERT_EQ(bus::sent_at.size(), 3u);
  EXPECT_NEAR(static_cast<double>(bus::sent_at[1] - bus::sent_at[0]), 10'000, 5);
  EXPECT_NEAR(static_cast<double>(bus::sent_at[2] - bus::sent_at[1]), 200, 5);
  EXPECT_GE(bus::pauses, 10'000u);
}

TEST_F(xapic, start_cpu_says_so_when_any_of_its_messages_found_the_one_before_still_there) {
  for (uint32_t which = 0; which < 3; ++which) {
    bus::sent_at.clear();
    bus::stuck_behind = 1u << which;
    EXPECT_EQ(apic::start_cpu(2, 0x08, 1'000'000), ipi_outcome::busy) << which;
    EXPECT_EQ(bus::sent_at.size(), 3u) << "all three are sent all the same";
  }
}

struct switched_off_behind_init : bus {
  static void pause() noexcept { apic_base = base_off; }
};
TEST_F(xapic, start_cpu_that_cannot_send_behind_init_does_not_say_that_nothing_was_sent) {
  EXPECT_EQ(lastcpu::x86::lapic<switched_off_behind_init>::start_cpu(2, 0x08, 1'000'000), ipi_outcome::busy);
  EXPECT_EQ(bus::sent_at.size(), 1u);
}

TEST_F(xapic, start_cpu_of_an_id_that_is_nobodys_sends_nothing) {
  EXPECT_EQ(apic::start_cpu(0xff, 0x08, 1'000'000), ipi_outcome::unreachable);
  EXPECT_EQ(bus::log.take(), lines{});
}

}  // namespace
}  // namespace lapic_sources_test
