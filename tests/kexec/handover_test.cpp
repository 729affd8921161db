// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/kexec/crash_loader.hpp>
#include <lastcpu/kexec/handover.hpp>

#include <gtest/gtest.h>

#include <csetjmp>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace lastcpu::kexec;
using lastcpu::cpu_note;
using lastcpu::stop_state;

struct registers {
  uint64_t pc, sp;
};
using left_behind = handover<registers>;
using cpu_left = handover_cpu<registers>;

/// An image in a region of noise, made by hand: the handover is the same on every machine.
struct handover_of_a_crash : testing::Test {
  static constexpr uint64_t physical = 64 << 20;
  static constexpr uint64_t size = 32 << 10;

  std::vector<unsigned char> memory = std::vector<unsigned char>(size, 0x5a);
  crash_image_record record{};
  registers regs{0x1234, 0x18};

  void SetUp() override {
    begin_record({physical, memory.data(), size}, {0x2000, 0x4000, 0x6000, size}, record);
    record.payload_bytes = 100;
    record.free = 0x1000;
    record.free_bytes = 0x1000;
    record.kernel_data = 77;
    record.ticks_per_second = 88;
    record.map_bytes = 128 << 20;
    record.cpu_capacity = 4;
    seal_image<xxh64>(record);
    stamp_panic<registers>(record, 0);
    begin_handover<registers>(record);
  }
  bool save(lastcpu::cpu_id cpu, bool crashing, const char* text = "", const char* nmi = "", const char* nested = "") {
    const auto state = crashing ? stop_state::running : stop_state::by_nmi;
    return save_note<registers>(record, {cpu, state, crashing, &regs, text, nmi, nested, false});
  }
  left_behind& room() { return *handover_of<registers>(record); }
  [[nodiscard]] const left_behind& left() const {
    return *reinterpret_cast<const left_behind*>(memory.data() + record.handover);
  }
};

TEST_F(handover_of_a_crash, cpus_are_found_in_the_order_they_were_saved) {
  EXPECT_TRUE(save(2, true, "boom", "nmi", "nested"));
  EXPECT_TRUE(save(0, false));
  ASSERT_TRUE(left().valid());
  ASSERT_EQ(left().cpu_count, 2u);
  const cpu_left& first = *left().cpu(0);
  EXPECT_EQ(first.cpu, 2u);
  EXPECT_EQ(first.state, stop_state::running);
  EXPECT_TRUE(first.has(handover_flag::crashing));
  EXPECT_TRUE(first.has(handover_flag::registers_valid));
  EXPECT_EQ(std::memcmp(&first.regs, &regs, sizeof regs), 0);
  EXPECT_STREQ(first.message, "boom");
  EXPECT_STREQ(first.nmi_message, "nmi");
  EXPECT_STREQ(first.nested_message, "nested");
  EXPECT_EQ(left().cpu(1)->cpu, 0u);
  EXPECT_EQ(left().cpu(1)->state, stop_state::by_nmi);
  EXPECT_FALSE(left().cpu(1)->has(handover_flag::crashing));
  EXPECT_EQ(left().cpu(2), nullptr);
}

TEST_F(handover_of_a_crash, cpu_without_registers_says_so) {
  std::memset(handover_of<registers>(record) + 1, 0xee, sizeof(cpu_left));
  EXPECT_TRUE(save_note<registers>(record, {1, stop_state::silent, false, nullptr, "", "", "", true}));
  EXPECT_FALSE(left().cpu(0)->has(handover_flag::registers_valid));
  EXPECT_TRUE(left().cpu(0)->has(handover_flag::cut_short));
  const registers zero{};
  EXPECT_EQ(std::memcmp(&left().cpu(0)->regs, &zero, sizeof zero), 0);
}

TEST_F(handover_of_a_crash, cpus_beyond_the_room_are_counted_and_written_nowhere) {
  EXPECT_TRUE(save(0, true));
  for (lastcpu::cpu_id cpu = 1; cpu < 4; ++cpu) EXPECT_TRUE(save(cpu, false));
  const std::vector<unsigned char> full = memory;
  EXPECT_FALSE(save(4, false, "one too many"));
  EXPECT_FALSE(save(5, false, "two too many"));
  EXPECT_EQ(left().cpu_count, 4u);
  EXPECT_EQ(left().cpus_left_out, 2u);
  room().cpus_left_out = 0;
  EXPECT_EQ(memory, full);
}

TEST_F(handover_of_a_crash, text_that_is_too_long_is_cut_and_marked) {
  const std::string fits(handover_text_bytes - 1, 'a');
  EXPECT_TRUE(save(0, true, fits.c_str(), fits.c_str(), fits.c_str()));
  EXPECT_EQ(left().cpu(0)->message, fits);
  EXPECT_FALSE(left().cpu(0)->has(handover_flag::shortened));
  for (int which = 0; which < 3; ++which) {
    const std::string longer = fits + "b";
    const auto text = [&](int i) { return i == which ? longer.c_str() : ""; };
    EXPECT_TRUE(save(0, true, text(0), text(1), text(2)));
    const cpu_left& cpu = *left().cpu(0);
    EXPECT_EQ(which == 0 ? cpu.message : which == 1 ? cpu.nmi_message : cpu.nested_message, fits);
    EXPECT_TRUE(cpu.has(handover_flag::shortened)) << which;
  }
}

TEST_F(handover_of_a_crash, crashing_cpu_begins_anew_whatever_a_stray_write_has_done) {
  stamp_panic<registers>(record, 99);
  left_behind& h = room();
  const uint64_t panic_ticks = h.panic_ticks;
  std::memset(&h, 0xff, sizeof h);
  h.panic_ticks = panic_ticks;
  EXPECT_FALSE(left().valid());
  EXPECT_TRUE(save(3, true));
  EXPECT_TRUE(left().valid());
  EXPECT_EQ(left().cpu_count, 1u);
  EXPECT_EQ(left().panic_ticks, 99u);
  EXPECT_EQ(left().kernel_data, 77u);
  EXPECT_EQ(left().ticks_per_second, 88u);
  EXPECT_EQ(left().cpus_left_out, 0u);
  EXPECT_EQ(left().jump_ticks, 0u);
  EXPECT_EQ(left().map_bytes, record.map_bytes);
  EXPECT_EQ(left().region_physical, physical);
  EXPECT_EQ(left().region_bytes, size);
}

TEST_F(handover_of_a_crash, count_and_capacity_damaged_later_lead_to_no_write_outside) {
  EXPECT_TRUE(save(0, true));
  room().cpu_count = 0x7fff'ffff;
  room().cpu_capacity = 0xffff'ffff;
  const std::vector<unsigned char> full = memory;
  EXPECT_FALSE(save(1, false));
  room().cpus_left_out = 0;
  EXPECT_EQ(memory, full);
  room().cpu_capacity = 4;
  EXPECT_FALSE(left().valid());
}

TEST_F(handover_of_a_crash, is_valid_only_as_a_whole) {
  EXPECT_TRUE(save(0, true));
  const left_behind good = left();
  const auto expect_invalid = [&](auto field, auto value) {
    left_behind& h = room();
    h.*field = value;
    EXPECT_FALSE(left().valid());
    h = good;
    EXPECT_TRUE(left().valid());
  };
  expect_invalid(&left_behind::magic, good.magic ^ uint64_t{1} << 63);
  expect_invalid(&left_behind::version, 2u);
  expect_invalid(&left_behind::version, 0u);
  expect_invalid(&left_behind::cpu_entry_bytes, good.cpu_entry_bytes - 8);
  expect_invalid(&left_behind::cpu_entry_bytes, good.cpu_entry_bytes + 8);
  expect_invalid(&left_behind::cpu_count, 5u);
  expect_invalid(&left_behind::cpu_capacity, 5u);
  expect_invalid(&left_behind::bytes, good.bytes - 1);
  expect_invalid(&left_behind::bytes, good.bytes + 1);
}

TEST_F(handover_of_a_crash, is_valid_when_it_is_full) {
  for (lastcpu::cpu_id cpu = 0; cpu < 4; ++cpu) EXPECT_TRUE(save(cpu, cpu == 0));
  EXPECT_TRUE(left().valid());
  EXPECT_EQ(left().cpu(3)->cpu, 3u);
  EXPECT_EQ(left().cpu(4), nullptr);
}

TEST_F(handover_of_a_crash, begins_anew_with_everything_that_the_record_knows) {
  left_behind& h = room();
  std::memset(&h, 0xff, sizeof h);
  begin_handover<registers>(record);
  EXPECT_EQ(h.page_tables, 0u);
  EXPECT_EQ(h.jump_ticks, 0u);
  EXPECT_EQ(h.reserved, 0u);
  EXPECT_EQ(h.cpu_capacity, 4u);
  EXPECT_EQ(h.cpu_count, 0u);
  EXPECT_EQ(h.free_physical, physical + record.free);
  EXPECT_EQ(h.free_bytes, record.free_bytes);
  EXPECT_EQ(h.bytes, sizeof(left_behind) + 4 * sizeof(cpu_left));
  EXPECT_EQ(h.magic, 0x3176'6f68'7570'636cu) << "lcpuhov1";
}

sigjmp_buf fault_in_a_text;

TEST_F(handover_of_a_crash, cpu_whose_text_can_not_be_read_is_left_out) {
  EXPECT_TRUE(save(0, true));
  std::signal(SIGSEGV, [](int) { siglongjmp(fault_in_a_text, 1); });
  if (sigsetjmp(fault_in_a_text, 1) == 0) (void)save(1, false, "", "", reinterpret_cast<const char*>(0x10));
  std::signal(SIGSEGV, SIG_DFL);
  EXPECT_EQ(left().cpu_count, 1u) << "the entry is counted when it is whole";
  EXPECT_TRUE(save(2, false)) << "and the next one takes its place";
  EXPECT_EQ(left().cpu(1)->cpu, 2u);
}

// A crash kernel may come from another build than the kernel that dies.
TEST(handover_layout, of_version_1_stays_as_it_is) {
  EXPECT_EQ(handover_version, 1u);
  EXPECT_EQ(sizeof(left_behind), 120u);
  EXPECT_EQ(offsetof(left_behind, cpu_count), 108u);
  EXPECT_EQ(sizeof(cpu_left), 16 + sizeof(registers) + 3 * 128);
  EXPECT_EQ(offsetof(cpu_left, message), 16 + sizeof(registers));
  EXPECT_EQ(offsetof(cpu_left, nested_message), 16 + sizeof(registers) + 256);
}

TEST_F(handover_of_a_crash, saving_leaves_the_image_intact) {
  EXPECT_TRUE(save(0, true, "boom"));
  EXPECT_TRUE(save(1, false));
  EXPECT_TRUE(image_intact(record));
}

}  // namespace
