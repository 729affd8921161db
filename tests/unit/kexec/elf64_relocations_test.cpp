// SPDX-License-Identifier: BSL-1.0
// Position-independent files: where they go, what is moved in them, and each that is refused.
#include <lastcpu/kexec/crash_loader.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "unit/kexec/elf_file.hpp"

namespace elf64_relocations_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::test;

constexpr uint64_t relative = 8;
constexpr uint64_t size = 16 * page_bytes;
constexpr uint64_t table_at = 0x1000;
constexpr uint64_t pointer_at = 0x800;

std::string text(load_error e) {
  return to_string(e);
}
const std::string fine = text(load_error::none);

elf_segment code(uint64_t at = 0) {
  return {at, bytes(16, 0x90), 16, 5, 1, 4096};
}
// Pointers and, behind them, memory that is zero.
elf_segment data(uint64_t alignment = 16) {
  return {pointer_at, bytes(32, 0xaa), 64, 6, 1, alignment};
}
bytes pie_with(std::vector<elf_relocation> relocations, std::vector<std::pair<uint64_t, uint64_t>> more_tags = {}) {
  return make_pie(4, {code(), data()}, table_at, {std::move(relocations), std::move(more_tags)});
}
/// The tags are at `table_at`; where in the file?
size_t tag(const bytes& file, size_t i) {
  uint64_t offset = 0;
  std::memcpy(&offset, &file[field(2, segment_offset)], sizeof offset);
  return offset + i * 16;
}

struct moved : testing::Test {
  uint64_t base = 157 << 20;  // anywhere
  bytes memory = bytes(size + page_bytes, 0x5a);
  unsigned char* first = memory.data() + (page_bytes - reinterpret_cast<uintptr_t>(memory.data()) % page_bytes);
  region_layout layout{};
  crash_image_record record{};

  std::string load(const bytes& file, elf64_machine machine = elf64_machine::x86_64) {
    const auto exact = std::make_unique<unsigned char[]>(file.size());
    std::copy(file.begin(), file.end(), exact.get());
    const crash_file given{exact.get(), file.size(), false};
    const bytes before = memory;
    EXPECT_TRUE(layout.place(size, page_bytes, page_bytes));
    begin_record({base, first, size}, layout, record);
    const load_error wrong = check_file(given, machine, layout, record);
    EXPECT_EQ(memory, before);
    if (wrong != load_error::none) return to_string(wrong);
    std::fill_n(first + layout.control, page_bytes, static_cast<unsigned char>(0xcc));
    write_payload(given, record);
    seal_image<xxh64>(record);
    return "loaded";
  }
  [[nodiscard]] uint64_t word(uint64_t offset) const { return read_word<uint64_t>(first + offset); }
};

// --- Where it goes.

TEST_F(moved, goes_to_the_start_of_any_region) {
  for (const uint64_t at : {page_bytes, uint64_t{157} << 20, uint64_t{5} << 30, (uint64_t{1} << 47) + page_bytes}) {
    base = at;
    ASSERT_EQ(load(pie_with({{pointer_at, relative, 0x123}})), fine) << at;
    EXPECT_EQ(record.payload, 0u);
    EXPECT_EQ(record.entry, base + 4);
    EXPECT_EQ(word(pointer_at), base + 0x123);
    EXPECT_TRUE(image_intact(record));
  }
}

TEST_F(moved, may_be_linked_at_any_address) {
  for (const uint64_t linked : {uint64_t{0x20'0000}, base, base + size, 0xffff'ffff'8000'0000}) {
    bytes file = make_pie(linked + 4, {code(linked), {linked + pointer_at, bytes(8), 8, 6}}, linked + table_at,
                          {{{linked + pointer_at, relative, linked + 0x123}}});
    ASSERT_EQ(load(file), fine) << linked;
    EXPECT_EQ(record.entry, base + 4);
    EXPECT_EQ(word(pointer_at), base + 0x123);
  }
}

TEST_F(moved, keeps_its_place_in_the_page) {
  ASSERT_EQ(load(make_pie(0x30, {{0x30, bytes(16, 0x90), 16, 5}}, table_at, {})), fine);
  EXPECT_EQ(record.payload, 0x30u);
  EXPECT_EQ(record.entry, base + 0x30);
}

TEST_F(moved, is_aligned_as_its_segments_ask) {
  base = (157 << 20) + page_bytes;
  bytes file = make_pie(4, {code(), data(4 * page_bytes)}, table_at, {{{pointer_at, relative, 0}}});
  ASSERT_EQ(load(file), fine);
  EXPECT_EQ(record.payload, 3 * page_bytes) << "the next multiple of 16 KiB";
  EXPECT_EQ(word(record.payload + pointer_at), base + record.payload);
  EXPECT_EQ(record.entry, base + record.payload + 4);
}

TEST_F(moved, does_not_look_at_physical_addresses) {
  bytes file = pie_with({});
  put<uint64_t>(file, field(1, segment_physical), 77);
  EXPECT_EQ(load(file), fine);
}

TEST_F(moved, has_to_fit_below_the_control_area) {
  ASSERT_TRUE(layout.place(size, page_bytes, page_bytes));
  for (const uint64_t more : {0u, 1u}) {
    bytes file = pie_with({});
    put<uint64_t>(file, field(1, segment_virtual), 0x2000);
    put<uint64_t>(file, field(1, segment_memory_bytes), layout.stack - 0x2000 + more);
    put<uint64_t>(file, field(1, segment_alignment), 1);
    EXPECT_EQ(load(file), more == 0 ? fine : text(load_error::payload_too_large));
  }
}

TEST_F(moved, is_too_large_when_its_alignment_is) {
  for (const unsigned bit : {20u, 40u, 63u}) {
    bytes file = pie_with({});
    base = (157 << 20) + page_bytes;
    put<uint64_t>(file, field(1, segment_alignment), uint64_t{1} << bit);
    put<uint64_t>(file, field(1, segment_offset), pointer_at);
    EXPECT_EQ(load(file), text(load_error::payload_too_large)) << bit;
  }
}

TEST_F(moved, does_not_wrap_around_the_end_of_the_address_space) {
  bytes file = pie_with({});
  put<uint64_t>(file, field(1, segment_virtual), uint64_t{0} - 0x800);
  put<uint64_t>(file, field(1, segment_alignment), 1);
  EXPECT_EQ(load(file), text(load_error::payload_too_large)) << "it would end where the first begins";
  base = (157 << 20) + page_bytes;
  put<uint64_t>(file, field(2, segment_alignment), 4 * page_bytes);
  put<uint64_t>(file, field(2, segment_offset), tag(file, 0));
  put<uint64_t>(file, field(2, segment_virtual), 4 * page_bytes + tag(file, 0));
  EXPECT_EQ(load(file), text(load_error::payload_too_large)) << "it would be in the room that alignment leaves";
}

TEST_F(moved, is_entered_in_its_code) {
  bytes file = pie_with({});
  for (const uint64_t entry : {uint64_t{16}, pointer_at, base}) {
    put<uint64_t>(file, elf_entry, entry);
    EXPECT_EQ(load(file), text(load_error::entry_outside)) << entry;
  }
}

// --- What is moved.

TEST_F(moved, words_get_the_address_of_what_they_name_and_the_rest_is_as_in_the_file) {
  ASSERT_EQ(load(pie_with({{pointer_at + 8, relative, 0}, {pointer_at + 35, relative, 0xfff}})), fine);
  EXPECT_EQ(word(pointer_at), 0xaaaa'aaaa'aaaa'aaaa);
  EXPECT_EQ(word(pointer_at + 8), base);
  EXPECT_EQ(word(pointer_at + 16), 0xaaaa'aaaa'aaaa'aaaa);
  EXPECT_EQ(word(pointer_at + 35), base + 0xfff) << "at no multiple of 8, and in memory that is zero in the file";
  EXPECT_EQ(first[pointer_at + 34], 0);
  EXPECT_EQ(first[pointer_at + 43], 0);
}

TEST_F(moved, digest_covers_what_was_moved) {
  ASSERT_EQ(load(pie_with({{pointer_at, relative, 0}})), fine);
  ASSERT_TRUE(image_intact(record));
  first[pointer_at + 3] ^= 1;
  EXPECT_FALSE(image_intact(record));
}

TEST_F(moved, each_machine_has_its_own_kind_of_relocation) {
  const std::pair<elf64_machine, uint64_t> kinds[] = {
      {elf64_machine::x86_64, 8}, {elf64_machine::aarch64, 1027}, {elf64_machine::riscv, 3}};
  for (const auto& [machine, its] : kinds) {
    for (const auto& [other, kind] : kinds) {
      bytes file = pie_with({{pointer_at, kind, 0x10}});
      put(file, elf_machine, machine);
      EXPECT_EQ(load(file, machine), machine == other ? fine : text(load_error::unknown_relocation));
      if (machine == other) {
        EXPECT_EQ(word(pointer_at), base + 0x10);
      }
    }
  }
}

TEST_F(moved, relocations_of_no_kind_are_passed_over) {
  ASSERT_EQ(load(pie_with({{~uint64_t{0}, 0, 7}, {pointer_at, relative, 0}, {pointer_at + 8, 0, 7}})), fine);
  EXPECT_EQ(word(pointer_at), base);
  EXPECT_EQ(word(pointer_at + 8), 0xaaaa'aaaa'aaaa'aaaa);
}

TEST_F(moved, file_without_relocations_needs_no_table) {
  bytes file = pie_with({});
  for (const size_t i : {0u, 1u, 2u}) put<uint64_t>(file, tag(file, i), 0x6fff'fef5);  // DT_GNU_HASH
  EXPECT_EQ(load(file), fine);
}

TEST_F(moved, other_tags_are_passed_over_and_none_counts_behind_the_end) {
  EXPECT_EQ(load(pie_with({}, {{4, 0}, {5, 0x100}, {6, 0x100}, {21, 0}, {30, 8}, {0x6fff'fff9, 1}})), fine);
  EXPECT_EQ(load(pie_with({}, {{0, 0}, {1, 1}})), fine) << "DT_NULL, then DT_NEEDED";
}

// --- What is refused.

TEST_F(moved, relocation_may_reach_to_the_end_of_its_segments_memory_and_no_further) {
  EXPECT_EQ(load(pie_with({{pointer_at + 56, relative, 0}})), fine);
  for (const uint64_t at :
       {pointer_at + 57, pointer_at + 64, pointer_at - 1, uint64_t{0xfff}, ~uint64_t{0}, base + pointer_at})
    EXPECT_EQ(load(pie_with({{pointer_at, relative, 0}, {at, relative, 0}})), text(load_error::relocation_outside))
        << at;
}

TEST_F(moved, other_kinds_of_relocation_are_refused) {
  const uint64_t with_symbol = uint64_t{1} << 32;
  for (const uint64_t info : {uint64_t{1}, uint64_t{6}, uint64_t{7}, uint64_t{9}, uint64_t{37}, with_symbol,
                              with_symbol | relative, relative << 32})
    EXPECT_EQ(load(pie_with({{pointer_at, relative, 0}, {pointer_at, info, 0}})), text(load_error::unknown_relocation))
        << info;
}

TEST_F(moved, relocations_in_another_table_are_refused_unless_it_is_empty) {
  for (const uint64_t tag : {2u, 18u, 35u, 0x6000'0010u, 0x6000'0012u, 0x6fff'e001u}) {
    EXPECT_EQ(load(pie_with({}, {{tag, 24}})), text(load_error::other_relocations)) << tag;
    EXPECT_EQ(load(pie_with({}, {{tag, 0}})), fine) << tag;
  }
}

TEST_F(moved, libraries_are_refused) {
  EXPECT_EQ(load(pie_with({}, {{1, 1}})), text(load_error::needs_library));
}

TEST_F(moved, interpreters_are_refused) {
  bytes file = pie_with({});
  put<uint32_t>(file, field(3, segment_type), 3);
  EXPECT_EQ(load(file), text(load_error::interpreter));
}

TEST_F(moved, file_that_does_not_say_where_its_relocations_are_is_refused) {
  bytes file = pie_with({});
  put<uint32_t>(file, field(3, segment_type), 4);
  EXPECT_EQ(load(file), text(load_error::no_dynamic));
}

TEST_F(moved, file_that_says_it_twice_is_refused) {
  bytes file = make_pie(4, {code(), {table_at, bytes(16), 0, 6, 2}}, table_at, {});
  EXPECT_EQ(load(file), text(load_error::bad_dynamic));
}

TEST_F(moved, tags_have_to_be_in_a_segments_file_bytes) {
  const bytes good = pie_with({});
  for (const auto& [place, value] : {std::pair{segment_virtual, uint64_t{0x3000}},
                                     {segment_virtual, table_at - 1},
                                     {segment_virtual, pointer_at + 32},
                                     {segment_file_bytes, uint64_t{4 * 16 + 1}},
                                     {segment_file_bytes, ~uint64_t{0}}}) {
    bytes file = good;
    put<uint64_t>(file, field(3, place), value);
    EXPECT_EQ(load(file), text(load_error::bad_dynamic)) << place << " " << value;
  }
}

TEST_F(moved, tags_need_no_end_but_their_headers) {
  bytes file = pie_with({}, {{1, 1}});
  put<uint64_t>(file, field(3, segment_file_bytes), 3 * 16 + 15);
  EXPECT_EQ(load(file), fine) << "part of a tag is none";
  put<uint64_t>(file, field(3, segment_file_bytes), 0);
  EXPECT_EQ(load(file), fine);
}

TEST_F(moved, table_has_to_be_in_a_segments_file_bytes_and_whole) {
  const bytes good = pie_with({{pointer_at, relative, 0}, {pointer_at, relative, 0}});
  for (const auto& [i, value] : {std::pair{0u, uint64_t{0}},
                                 {0u, table_at + 4 * 16 + 1},
                                 {0u, ~uint64_t{0}},
                                 {1u, uint64_t{47}},
                                 {1u, uint64_t{72}},
                                 {1u, uint64_t{0} - 24},
                                 {2u, uint64_t{0}},
                                 {2u, uint64_t{16}},
                                 {2u, uint64_t{48}}}) {
    bytes file = good;
    put<uint64_t>(file, tag(file, i) + 8, value);
    EXPECT_EQ(load(file), text(load_error::bad_dynamic)) << i << " " << value;
  }
}

}  // namespace
}  // namespace elf64_relocations_test
