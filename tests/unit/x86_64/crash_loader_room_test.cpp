// SPDX-License-Identifier: BSL-1.0
// Where the loader's limits are: the region, the map, flat files, and the number of levels.
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include <gtest/gtest.h>

#include <string>

#include "privileged.hpp"
#include "unit/x86_64/reserved_memory.hpp"

namespace crash_loader_room_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::x86;
using namespace lastcpu::test;

constexpr uint64_t base = reserved_memory::physical;

struct crash_loader_room : testing::Test {
  reserved_memory memory;
  crash_image_record record{};
  crash_region region = memory.region();
  load_options options = reserved_memory::options();

  std::string load(const bytes& file) {
    return to_string(load_crash_kernel(region, file.data(), file.size(), options, record));
  }
  std::string load_flat(size_t size) {
    options.flat = true;
    return load(bytes(size, 1));
  }
};
std::string text(load_error e) {
  return to_string(e);
}
const std::string fine = text(load_error::none);

// Counted by hand: tables (the root, one of pointers and one directory, and one less than the levels for the trampoline),
// 4 pages of stack, IDT, trampoline, template of the core, two of the core, and one page of payload.
TEST_F(crash_loader_room, region_may_be_as_small_as_one_page_and_what_the_jump_needs) {
  for (const auto& [levels, tables] : {std::pair{paging::four_levels, 6u}, {paging::five_levels, 8u}}) {
    options.levels = levels;
    region.bytes = (tables + 4 + 5 + 1) * page_bytes;
    EXPECT_EQ(load_flat(page_bytes), fine);
    EXPECT_EQ(record.free_bytes, 0u);
    EXPECT_EQ(record.core + record.core_bytes, region.bytes);
    EXPECT_TRUE(image_intact(record));
    EXPECT_NE(open_handover<core_registers>(handover_of(record), ~uint64_t{0}).handover, nullptr);
    region.bytes -= page_bytes;
    EXPECT_EQ(load_flat(1), text(load_error::region_too_small));
  }
}

TEST_F(crash_loader_room, core_takes_as_many_pages_as_its_cpus_need) {
  const uint64_t header = 64 + 56 + 4 + 20 + sizeof(handover);
  const uint64_t each = sizeof(lastcpu::x86::handover_cpu) + prstatus_note_bytes<core_registers>;
  options.cpu_capacity = static_cast<uint32_t>((page_bytes - header) / each);
  ASSERT_EQ(load_flat(1), fine);
  EXPECT_EQ(record.core, region.bytes - page_bytes);
  options.cpu_capacity += 1;
  ASSERT_EQ(load_flat(1), fine);
  EXPECT_EQ(record.core, region.bytes - 2 * page_bytes);
}

TEST_F(crash_loader_room, region_may_end_where_the_map_ends) {
  region.physical = options.map_bytes - region.bytes;
  EXPECT_EQ(load_flat(1), fine);
  region.physical += page_bytes;
  EXPECT_EQ(load_flat(1), text(load_error::region_above_map));
}

// A machine with a hole below 4 GiB may have no other place.
TEST_F(crash_loader_room, region_may_lie_above_four_gib_where_the_map_does) {
  region.physical = (uint64_t{5} << 30) + (157 << 20) + page_bytes;
  options.map_bytes = uint64_t{6} << 30;
  const bytes file = make_pie(0x10, {{0, bytes(32), 32}}, 0x1000, {{{0x10, 8, 0x18}}});
  ASSERT_EQ(load(file), fine);
  EXPECT_EQ(record.entry, region.physical + 0x10);
  EXPECT_EQ(read_word<uint64_t>(memory.first + 0x10), region.physical + 0x18);
  const auto& page = *reinterpret_cast<const trampoline_page*>(memory.first + record.trampoline);
  EXPECT_EQ(page.root, region.physical + record.control);
  EXPECT_EQ(page.handover, region.physical + record.handover);
  options.map_bytes = uint64_t{4} << 30;
  EXPECT_EQ(load(file), text(load_error::region_above_map));
}

TEST_F(crash_loader_room, of_two_faults_of_a_region_the_alignment_is_named) {
  region.physical = options.map_bytes + 1;
  EXPECT_EQ(load_flat(1), text(load_error::region_misaligned));
}

TEST_F(crash_loader_room, region_has_to_be_aligned_to_a_whole_page) {
  for (const uint64_t off : {uint64_t{1}, page_bytes / 2}) {
    const crash_region good = region;
    for (uint64_t crash_region::*place : {&crash_region::physical, &crash_region::bytes}) {
      region.*place += off;
      EXPECT_EQ(load_flat(1), text(load_error::region_misaligned)) << off;
      region = good;
    }
    region.mapped += off;
    EXPECT_EQ(load_flat(1), text(load_error::region_misaligned)) << off;
    region = good;
  }
}

TEST_F(crash_loader_room, map_may_have_128_tib_and_no_more) {
  options.map_bytes = uint64_t{128} << 40;
  EXPECT_EQ(load_flat(1), text(load_error::region_too_small)) << "its tables are large, and that is all";
  options.map_bytes += 2 << 20;
  EXPECT_EQ(load_flat(1), text(load_error::bad_map_bytes));
  options.map_bytes = (128 << 20) + (1 << 20);
  EXPECT_EQ(load_flat(1), text(load_error::bad_map_bytes)) << "not in pages of 2 MiB";
}

TEST_F(crash_loader_room, kernel_says_nothing_and_gets_four_gib_mapped_and_a_room_for_nobody) {
  const load_options silent;
  EXPECT_EQ(silent.map_bytes, uint64_t{4} << 30);
  EXPECT_EQ(silent.levels, paging::as_this_cpu);
  EXPECT_FALSE(silent.flat);
  options.cpu_capacity = silent.cpu_capacity;
  EXPECT_EQ(load_flat(1), text(load_error::no_cpus));
}

TEST_F(crash_loader_room, levels_are_those_of_the_cpu_that_loads) {
  options.levels = paging::as_this_cpu;
  for (const uint64_t cr4 : {uint64_t{0x20}, cr4_la57 | 0x20, ~cr4_la57 & 0xffff'ffff}) {
    privileged::begin();
    privileged::cr4 = cr4;
    EXPECT_EQ(load_flat(1), fine);
    EXPECT_EQ(record.table_levels, (cr4 & 0x1000) != 0 ? 5u : 4u);
  }
  privileged::begin();
  privileged::cr4 = cr4_la57;
  options.levels = paging::four_levels;
  EXPECT_EQ(load_flat(1), fine);
  EXPECT_EQ(record.table_levels, 4u) << "what was asked for goes before";
  std::signal(SIGSEGV, SIG_DFL), std::signal(SIGILL, SIG_DFL);
}

TEST_F(crash_loader_room, no_file_is_an_empty_file) {
  for (const bool flat : {false, true}) {
    options.flat = flat;
    EXPECT_EQ(to_string(load_crash_kernel(region, nullptr, 100, options, record)), text(load_error::empty_file));
  }
  EXPECT_EQ(load_flat(0), text(load_error::empty_file));
  EXPECT_TRUE(memory.untouched());
}

TEST_F(crash_loader_room, flat_file_may_be_one_byte_and_anything_but_elf) {
  EXPECT_EQ(load_flat(1), fine);
  EXPECT_EQ(record.payload_bytes, 1u);
  const bytes magic{0x7f, 'E', 'L', 'F'};
  EXPECT_EQ(to_string(load_crash_kernel(region, magic.data(), 3, options, record)), fine)
      << "whatever follows the file";
  EXPECT_EQ(load({0x7f, 'E', 'L', 'F'}), text(load_error::flat_is_elf));
  EXPECT_EQ(load({0x7f, 'E', 'L', 'G'}), fine);
}

TEST_F(crash_loader_room, payload_spans_the_segments_in_whichever_order_they_stand) {
  const elf_segment low{base + 0x100, bytes(16), 16}, middle{base + 0x110, bytes(16), 0x100},
      high{base + 0x210, bytes(16), 0x20};
  for (const auto& order :
       {std::vector{low, middle, high}, {high, middle, low}, {middle, high, low}, {low, high, middle}}) {
    ASSERT_EQ(load(make_elf(base + 0x100, order)), fine);
    EXPECT_EQ(record.payload, 0x100u);
    EXPECT_EQ(record.payload_bytes, 0x130u);
  }
}

TEST_F(crash_loader_room, free_memory_begins_with_the_page_behind_the_payload) {
  for (const auto& [size, pages] : {std::pair{uint64_t{1}, 1u}, {page_bytes, 1u}, {page_bytes + 1, 2u}}) {
    ASSERT_EQ(load_flat(size), fine);
    EXPECT_EQ(record.free, pages * page_bytes) << size;
    EXPECT_EQ(record.free + record.free_bytes + crash_stack_bytes, record.control);
  }
}

TEST_F(crash_loader_room, tables_of_the_jump_are_zero_where_they_hold_nothing) {
  ASSERT_EQ(load_flat(1), fine);
  const auto& page = *reinterpret_cast<const trampoline_page*>(memory.first + record.trampoline);
  for (const unsigned char b : page.rest) ASSERT_EQ(b, 0);
  for (const unsigned char b : page.early_stack) ASSERT_EQ(b, 0);
  EXPECT_EQ(page.reserved, 0u);
  for (uint64_t at = record.handover + handover_bytes<lastcpu::x86::handover_cpu>(4); at < region.bytes; ++at)
    ASSERT_EQ(memory.first[at], 0);
  const auto* first = reinterpret_cast<const lastcpu::x86::handover_cpu*>(handover_of(record) + 1);
  EXPECT_EQ(first->flags, 0u);
}

}  // namespace
}  // namespace crash_loader_room_test
