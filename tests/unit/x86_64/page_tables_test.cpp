// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/page_tables.hpp>

#include <gtest/gtest.h>

#include <vector>

#include "unit/x86_64/page_table_walk.hpp"

namespace page_tables_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::x86;
using lastcpu::test::page_table_walk;

constexpr uint64_t gib = uint64_t{1} << 30;
constexpr uint64_t physical = 0x1234'5000;
constexpr uint64_t tail_flags = 0x63;          // present, writable, accessed, dirty
constexpr uint64_t large_flags = 0x63 | 0x80;  // and large

struct tables {
  explicit tables(const address_map& m)
      : map(m), memory(page_tables_needed(m.identity_bytes, m.five_levels) * page_bytes + page_bytes) {
    auto* first = reinterpret_cast<unsigned char*>(round_up(reinterpret_cast<uintptr_t>(memory.data()), page_bytes));
    page_table_builder builder(physical, first);
    builder.build(map);
    used = builder.pages_used();
    walk = {first, physical, used * page_bytes, m.five_levels ? 5u : 4u};
  }

  address_map map;
  std::vector<unsigned char> memory;
  uint64_t used = 0;
  page_table_walk walk{};
};

void expect_identity(const tables& t) {
  for (uint64_t page = 0; page < t.map.identity_bytes; page += large_page_bytes) {
    for (const uint64_t at : {page, page + 0x1f'f123}) {
      const auto found = t.walk(at);
      ASSERT_TRUE(found.has_value()) << at;
      ASSERT_EQ(found->physical, at);
      ASSERT_EQ(found->page_bytes, large_page_bytes);
      ASSERT_EQ(found->flags, large_flags);
      ASSERT_EQ(found->table_flags, 0x23u);
    }
  }
  EXPECT_FALSE(t.walk(t.map.identity_bytes).has_value());
}

void expect_alias(const tables& t) {
  for (const uint64_t offset : {uint64_t{0}, uint64_t{0xfff}}) {
    const auto found = t.walk(t.map.alias_virtual + offset);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->physical, t.map.alias_physical + offset);
    EXPECT_EQ(found->page_bytes, page_bytes);
    EXPECT_EQ(found->flags, tail_flags);
    EXPECT_EQ(found->table_flags, 0x23u);
    EXPECT_EQ(t.walk(t.map.alias_physical + offset)->physical, t.map.alias_physical + offset);
  }
  EXPECT_FALSE(t.walk(t.map.alias_virtual - 1).has_value());
  EXPECT_FALSE(t.walk(t.map.alias_virtual + page_bytes).has_value());
}

void expect_both(const address_map& map) {
  ASSERT_FALSE(map.conflicts());
  const tables t(map);
  expect_identity(t);
  expect_alias(t);
}

TEST(page_tables, four_levels_map_memory_to_itself_and_the_trampoline_where_it_was) {
  expect_both({4 * gib, 0xffff'8000'0abc'd000, 0x0abc'd000, false});
  expect_both({4 * gib, 0xffff'ffff'ffff'e000, 0x0abc'd000, false});
}

TEST(page_tables, five_levels_map_memory_to_itself_and_the_trampoline_where_it_was) {
  expect_both({4 * gib, 0xffff'8000'0abc'd000, 0x0abc'd000, true});
  expect_both({4 * gib, 0xff11'0000'0abc'd000, 0x0abc'd000, true});
  expect_both({4 * gib, 0x00fe'0000'0abc'd000, 0x0abc'd000, true});
}

TEST(page_tables, five_levels_tell_addresses_apart_that_four_do_not) {
  const tables t({gib, 0xff11'8000'0abc'd000, 0x0abc'd000, true});
  EXPECT_TRUE(t.walk(0xff11'8000'0abc'd000).has_value());
  EXPECT_FALSE(t.walk(0xffff'8000'0abc'd000).has_value());
}

TEST(page_tables, map_of_any_size_ends_where_it_should) {
  expect_both({large_page_bytes, 0xffff'8000'0000'1000, 0x1000, false});
  expect_both({3 * gib + large_page_bytes, 0xffff'8000'0000'1000, 0x1000, false});
  expect_both({513 * gib, 0xffff'8000'0000'1000, 0x1000, false});
  expect_both({513 * gib, 0xffff'8000'0000'1000, 0x1000, true});
}

TEST(page_tables, trampoline_may_share_tables_with_the_identity_map) {
  expect_both({3 * large_page_bytes, 3 * large_page_bytes + 5 * page_bytes, 0x5000, false});
  expect_both({gib, 2 * gib + 5 * page_bytes, 0x5000, true});
}

TEST(page_tables, trampoline_may_be_the_first_page_behind_the_map) {
  for (const bool five : {false, true}) {
    const tables t({4 * large_page_bytes, 4 * large_page_bytes, 0x5000, five});
    ASSERT_TRUE(t.walk(4 * large_page_bytes).has_value());
    EXPECT_EQ(t.walk(4 * large_page_bytes)->physical, 0x5000u);
    EXPECT_EQ(t.walk(4 * large_page_bytes - 1)->physical, 4 * large_page_bytes - 1);
    EXPECT_FALSE(t.walk(4 * large_page_bytes + page_bytes).has_value());
  }
}

TEST(page_tables, tables_themselves_may_lie_anywhere_in_physical_memory) {
  for (const uint64_t at : {uint64_t{0}, uint64_t{1} << 46, most_map_bytes - 64 * page_bytes}) {
    std::vector<unsigned char> memory(17 * page_bytes);
    const auto first = round_up(reinterpret_cast<uintptr_t>(memory.data()), page_bytes);
    auto* mapped = reinterpret_cast<unsigned char*>(first);
    page_table_builder builder(at, mapped);
    builder.build({gib, 0xffff'8000'0000'1000, 0x1000, false});
    const page_table_walk walk{mapped, at, builder.pages_used() * page_bytes, 4};
    ASSERT_TRUE(walk(gib - 1).has_value()) << at;
    EXPECT_EQ(walk(gib - 1)->physical, gib - 1);
    EXPECT_EQ(walk(0xffff'8000'0000'1000)->physical, 0x1000u);
  }
}

TEST(page_tables, kernel_mapped_one_to_one_needs_no_second_mapping) {
  const address_map map{4 * gib, 0x0abc'd000, 0x0abc'd000, false};
  EXPECT_FALSE(map.conflicts());
  const tables t(map);
  expect_identity(t);
  EXPECT_EQ(t.walk(0x0abc'd123)->physical, 0x0abc'd123u);
  EXPECT_EQ(t.used, 6u);
}

TEST(page_tables, trampoline_below_the_end_of_the_map_at_another_address_is_a_conflict) {
  EXPECT_TRUE((address_map{4 * gib, 0x0abc'd000, 0x0abc'e000, false}.conflicts()));
  EXPECT_TRUE((address_map{4 * gib, 4 * gib - page_bytes, 0x0abc'e000, false}.conflicts()));
  EXPECT_FALSE((address_map{4 * gib, 4 * gib, 0x0abc'e000, false}.conflicts()));
}

TEST(page_tables, room_asked_for_is_enough_and_not_wasted) {
  for (const bool five : {false, true}) {
    for (const uint64_t bytes : {large_page_bytes, gib, gib + large_page_bytes, 4 * gib, 512 * gib, 513 * gib}) {
      // An alias in a part of the address space of its own needs the most tables.
      const tables t({bytes, five ? 0xff11'0000'0000'1000 : 0xffff'8000'0000'1000, 0x1000, five});
      EXPECT_EQ(t.used, page_tables_needed(bytes, five)) << bytes << " " << five;
    }
  }
}

}  // namespace
}  // namespace page_tables_test
