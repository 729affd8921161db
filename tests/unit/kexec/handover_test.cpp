// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/kexec/handover_writer.hpp>

#include <gtest/gtest.h>

#include <csetjmp>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include "unit/kexec/toy_crash.hpp"

namespace handover_test {
namespace {

using namespace lastcpu::kexec;
using lastcpu::cpu_note;
using lastcpu::stop_state;

using lastcpu::test::toy_crash;
using lastcpu::test::toy_machine;
using registers = toy_machine::registers;
using control = toy_machine::control;
using cpu_left = toy_crash::cpu_left;

struct handover_of_a_crash : toy_crash {};

TEST_F(handover_of_a_crash, cpus_are_found_in_the_order_they_were_saved) {
  EXPECT_TRUE(save(2, true, "boom", "nmi", "nested"));
  EXPECT_TRUE(save(0, false));
  ASSERT_TRUE(valid());
  ASSERT_EQ(left().cpu_count, 2u);
  const cpu_left& first = *cpu(0);
  EXPECT_EQ(first.cpu, 2u);
  EXPECT_EQ(first.state, stop_state::running);
  EXPECT_TRUE(first.has(handover_flag::crashing));
  EXPECT_TRUE(first.has(handover_flag::registers_valid));
  EXPECT_EQ(std::memcmp(&first.regs, &regs, sizeof regs), 0);
  EXPECT_STREQ(first.message, "boom");
  EXPECT_STREQ(first.nmi_message, "nmi");
  EXPECT_STREQ(first.nested_message, "nested");
  EXPECT_EQ(cpu(1)->cpu, 0u);
  EXPECT_EQ(cpu(1)->state, stop_state::by_nmi);
  EXPECT_FALSE(cpu(1)->has(handover_flag::crashing));
  EXPECT_EQ(cpu(2), nullptr);
}

TEST_F(handover_of_a_crash, cpu_without_registers_says_so) {
  std::memset(handover_of(record) + 1, 0xee, sizeof(cpu_left));
  EXPECT_TRUE(save({1, stop_state::silent, false, nullptr, "", "", "", true}));
  EXPECT_FALSE(cpu(0)->has(handover_flag::registers_valid));
  EXPECT_TRUE(cpu(0)->has(handover_flag::cut_short));
  const registers zero{};
  EXPECT_EQ(std::memcmp(&cpu(0)->regs, &zero, sizeof zero), 0);
}

TEST_F(handover_of_a_crash, cpus_beyond_the_room_are_counted_and_written_nowhere) {
  EXPECT_TRUE(save(0, true));
  for (lastcpu::cpu_id cpu = 1; cpu < 4; ++cpu) EXPECT_TRUE(save(cpu, false));
  const std::vector<uint64_t> full = words;
  EXPECT_FALSE(save(4, false, "one too many"));
  EXPECT_FALSE(save(5, false, "two too many"));
  EXPECT_EQ(left().cpu_count, 4u);
  EXPECT_EQ(left().cpus_left_out, 2u);
  room().cpus_left_out = 0;
  EXPECT_EQ(words, full);
}

TEST_F(handover_of_a_crash, text_that_is_too_long_is_cut_and_marked) {
  const std::string fits(handover_text_bytes - 1, 'a');
  EXPECT_TRUE(save(0, true, fits.c_str(), fits.c_str(), fits.c_str()));
  EXPECT_EQ(cpu(0)->message, fits);
  EXPECT_FALSE(cpu(0)->has(handover_flag::shortened));
  for (int which = 0; which < 3; ++which) {
    const std::string longer = fits + "b";
    const auto text = [&](int i) { return i == which ? longer.c_str() : ""; };
    EXPECT_TRUE(save(0, true, text(0), text(1), text(2)));
    const cpu_left& first = *cpu(0);
    EXPECT_EQ(which == 0 ? first.message : which == 1 ? first.nmi_message : first.nested_message, fits);
    EXPECT_TRUE(first.has(handover_flag::shortened)) << which;
  }
}

TEST_F(handover_of_a_crash, crashing_cpu_begins_anew_whatever_a_stray_write_has_done) {
  std::memset(memory + record.core, 0xff, record.core_bytes);
  EXPECT_FALSE(valid());
  EXPECT_TRUE(save(3, true));
  EXPECT_TRUE(valid());
  EXPECT_EQ(left().cpu_count, 1u);
  EXPECT_EQ(left().crashing_cpu, 3u);
  EXPECT_EQ(left().panic_ticks, 99u);
  EXPECT_EQ(left().cpus_left_out, 0u);
  EXPECT_EQ(left().jump_ticks, 0u);
  EXPECT_EQ(read_word<uint32_t>(memory + record.core), elf64_file::magic);
}

TEST_F(handover_of_a_crash, count_and_capacity_damaged_later_lead_to_no_write_outside) {
  EXPECT_TRUE(save(0, true));
  room().cpu_count = 0x7fff'ffff;
  room().cpu_capacity = 0xffff'ffff;
  const std::vector<uint64_t> full = words;
  EXPECT_FALSE(save(1, false));
  room().cpus_left_out = 0;
  EXPECT_EQ(words, full);
  room().cpu_capacity = 4;
  EXPECT_FALSE(valid());
}

TEST_F(handover_of_a_crash, is_refused_with_a_reason_unless_it_is_a_whole) {
  EXPECT_TRUE(save(0, true));
  const auto expect = [&](handover_error why, auto field, auto value) {
    const std::vector<uint64_t> good = words;
    room().*field = value;
    EXPECT_FALSE(valid());
    EXPECT_EQ(opened(), to_string(why));
    words = good;
    EXPECT_TRUE(valid());
  };
  const handover& good = left();
  expect(handover_error::no_handover, &handover::magic, good.magic ^ uint64_t{1} << 63);
  expect(handover_error::wrong_version, &handover::version, 1u);
  expect(handover_error::wrong_version, &handover::version, 3u);
  expect(handover_error::wrong_machine, &handover::machine, 62u);
  expect(handover_error::wrong_sizes, &handover::header_bytes, good.header_bytes + 8);
  expect(handover_error::wrong_sizes, &handover::cpu_entry_bytes, good.cpu_entry_bytes - 8);
  expect(handover_error::wrong_sizes, &handover::cpu_entry_bytes, good.cpu_entry_bytes + 8);
  expect(handover_error::wrong_sizes, &handover::cpu_capacity, 5u);
  expect(handover_error::wrong_sizes, &handover::bytes, good.bytes - 1);
  expect(handover_error::wrong_sizes, &handover::bytes, good.bytes + 1);
  expect(handover_error::too_many_cpus, &handover::cpu_count, 5u);
  expect(handover_error::bad_build_id, &handover::build_id_bytes, 33u);
  expect(handover_error::bad_ram, &handover::ram_count, 65u);
  expect(handover_error::bad_region, &handover::region_physical, ~uint64_t{0});
  expect(handover_error::bad_region, &handover::region_bytes, good.map_bytes);
  expect(handover_error::bad_region, &handover::map_bytes, physical + size - 1);
  expect(handover_error::bad_region, &handover::free_physical, physical - 1);
  expect(handover_error::bad_region, &handover::free_bytes, ~uint64_t{0});
  expect(handover_error::bad_core, &handover::core_physical, physical - 8);
  expect(handover_error::bad_core, &handover::core_header_bytes, size);
  expect(handover_error::bad_core, &handover::core_header_bytes, good.bytes - 1);
}

TEST_F(handover_of_a_crash, memory_map_that_wraps_is_refused) {
  room().ram_count = 2;
  room().ram[1] = {~uint64_t{0} - 100, 200};
  EXPECT_EQ(opened(), to_string(handover_error::bad_ram));
}

TEST_F(handover_of_a_crash, text_without_an_end_is_refused) {
  EXPECT_TRUE(save(0, true));
  for (const auto text : {&cpu_left::message, &cpu_left::nmi_message, &cpu_left::nested_message}) {
    cpu_left& first = const_cast<cpu_left&>(*cpu(0));
    std::memset(first.*text, 'a', handover_text_bytes);
    EXPECT_EQ(opened(), to_string(handover_error::endless_text));
    (first.*text)[handover_text_bytes - 1] = '\0';
    EXPECT_TRUE(valid());
  }
}

TEST_F(handover_of_a_crash, place_that_is_wrong_is_named_before_a_text_is_read) {
  EXPECT_TRUE(save(0, true));
  std::memset(const_cast<cpu_left*>(cpu(0))->message, 'a', handover_text_bytes);
  room().core_physical = physical - 8;
  EXPECT_EQ(opened(), to_string(handover_error::bad_core));
}

TEST_F(handover_of_a_crash, no_byte_behind_what_may_be_read_is_read) {
  EXPECT_TRUE(save(0, true));
  const uint64_t bytes = left().bytes;
  for (const uint64_t n : {uint64_t{0}, uint64_t{8}, sizeof(handover) - 1, sizeof(handover), bytes - 1}) {
    const std::vector<unsigned char> cut(memory + record.handover, memory + record.handover + n);
    EXPECT_EQ(open_handover<toy_machine>(cut.data(), n).error, handover_error::too_short) << n;
  }
}

// --- The seal.

TEST_F(handover_of_a_crash, without_a_seal_was_cut_off_and_can_be_used) {
  EXPECT_TRUE(save(0, true));
  EXPECT_EQ(opened(), to_string(handover_error::cut_off));
  EXPECT_TRUE(valid());
}

TEST_F(handover_of_a_crash, any_bit_that_is_flipped_after_the_seal_is_noticed) {
  EXPECT_TRUE(save(0, true, "why"));
  seal();
  EXPECT_EQ(opened(), to_string(handover_error::none));
  for (uint64_t i = 0; i < left().bytes; ++i) {
    const bool written_later = i >= offsetof(handover, core_valid_bytes) && i < offsetof(handover, panic_ticks);
    memory[record.handover + i] ^= 4;
    EXPECT_EQ(opened() == to_string(handover_error::none), written_later) << i;
    memory[record.handover + i] ^= 4;
  }
}

TEST_F(handover_of_a_crash, damaged_text_can_still_be_read) {
  EXPECT_TRUE(save(0, true, "why"));
  seal();
  const_cast<cpu_left&>(*cpu(0)).message[0] = 'W';
  EXPECT_EQ(opened(), to_string(handover_error::damaged));
  EXPECT_TRUE(valid());
}

TEST_F(handover_of_a_crash, is_valid_when_it_is_full) {
  for (lastcpu::cpu_id cpu = 0; cpu < 4; ++cpu) EXPECT_TRUE(save(cpu, cpu == 0));
  EXPECT_TRUE(valid());
  EXPECT_EQ(cpu(3)->cpu, 3u);
  EXPECT_EQ(cpu(4), nullptr);
}

TEST_F(handover_of_a_crash, begins_anew_with_everything_that_the_record_knows) {
  handover& h = room();
  std::memset(&h, 0xff, sizeof h);
  begin_handover(record);
  EXPECT_EQ(h.magic, 0x3276'6f68'7570'636cu) << "lcpuhov2";
  EXPECT_EQ(h.machine, static_cast<uint32_t>(toy_machine::machine));
  EXPECT_EQ(h.bytes, sizeof(handover) + 4 * sizeof(cpu_left));
  EXPECT_EQ(h.seal, 0u);
  EXPECT_EQ(h.core, core_state::not_written);
  EXPECT_EQ(h.core_valid_bytes, 0u);
  EXPECT_EQ(h.core_problem, 0u);
  EXPECT_EQ(h.page_tables, 0u);
  EXPECT_EQ(h.page_table_levels, 4u);
  EXPECT_EQ(h.crashing_cpu, lastcpu::no_cpu);
  EXPECT_EQ(h.jump_ticks, 0u);
  EXPECT_EQ(h.ticks_per_second, 88u);
  EXPECT_EQ(h.kernel_data, 77u);
  EXPECT_EQ(h.map_bytes, record.map_bytes);
  EXPECT_EQ(h.region_physical, physical);
  EXPECT_EQ(h.region_bytes, size);
  EXPECT_EQ(h.free_physical, physical + record.free);
  EXPECT_EQ(h.free_bytes, record.free_bytes);
  EXPECT_EQ(h.core_physical, physical + record.core);
  EXPECT_EQ(h.core_header_bytes, layout.header_bytes);
  EXPECT_EQ(h.cpu_capacity, 4u);
  EXPECT_EQ(h.cpu_count, 0u);
  EXPECT_EQ(h.core_sum, 0u);
}

sigjmp_buf fault_in_a_text;

TEST_F(handover_of_a_crash, cpu_whose_text_can_not_be_read_is_left_out) {
  EXPECT_TRUE(save(0, true));
  std::signal(SIGSEGV, [](int) { siglongjmp(fault_in_a_text, 1); });
  if (sigsetjmp(fault_in_a_text, 1) == 0) (void)save(1, false, "", "", reinterpret_cast<const char*>(0x10));
  std::signal(SIGSEGV, SIG_DFL);
  EXPECT_EQ(left().cpu_count, 1u) << "the entry is counted when it is whole";
  EXPECT_TRUE(save(2, false)) << "and the next one takes its place";
  EXPECT_EQ(cpu(1)->cpu, 2u);
}

// A crash kernel may come from another build than the kernel that dies.
TEST(handover_layout, of_version_2_stays_as_it_is) {
  EXPECT_EQ(handover_version, 2u);
  EXPECT_EQ(sizeof(handover), 1280u);
  EXPECT_EQ(offsetof(handover, machine), 12u);
  EXPECT_EQ(offsetof(handover, bytes), 16u);
  EXPECT_EQ(offsetof(handover, seal), 32u);
  EXPECT_EQ(offsetof(handover, core_valid_bytes), 40u);
  EXPECT_EQ(offsetof(handover, core), 48u);
  EXPECT_EQ(offsetof(handover, panic_ticks), 56u);
  EXPECT_EQ(offsetof(handover, page_tables), 80u);
  EXPECT_EQ(offsetof(handover, kernel_data), 96u);
  EXPECT_EQ(offsetof(handover, core_physical), 144u);
  EXPECT_EQ(offsetof(handover, rsdp), 160u);
  EXPECT_EQ(offsetof(handover, direct_map_virtual), 176u);
  EXPECT_EQ(offsetof(handover, build_id_bytes), 200u);
  EXPECT_EQ(offsetof(handover, cpu_count), 212u);
  EXPECT_EQ(offsetof(handover, build_id), 224u);
  EXPECT_EQ(offsetof(handover, ram), 256u);
  EXPECT_EQ(sizeof(cpu_left), 16 + sizeof(registers) + sizeof(control) + 3 * 128);
  EXPECT_EQ(offsetof(cpu_left, regs), 16u);
  EXPECT_EQ(offsetof(cpu_left, control), 16 + sizeof(registers));
  EXPECT_EQ(offsetof(cpu_left, message), 16 + sizeof(registers) + sizeof(control));
  EXPECT_EQ(offsetof(cpu_left, nested_message), 16 + sizeof(registers) + sizeof(control) + 256);
}

TEST_F(handover_of_a_crash, saving_leaves_the_image_intact) {
  EXPECT_TRUE(save(0, true, "boom"));
  EXPECT_TRUE(save(1, false));
  EXPECT_TRUE(image_intact(record));
}

}  // namespace
}  // namespace handover_test
