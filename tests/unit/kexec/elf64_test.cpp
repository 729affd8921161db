// SPDX-License-Identifier: BSL-1.0
// Both sides of every limit in an ELF file: the last value that is right, and the first that is wrong.
#include <lastcpu/kexec/elf64.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "unit/kexec/elf_file.hpp"

namespace elf64_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::test;

constexpr elf64_bounds bounds{0x10000, 0x20000, 0x24000};
constexpr uint64_t code_at = 0x10000;

/// In memory of exactly its size: AddressSanitizer sees a read behind it.
std::string verdict_on(const bytes& file) {
  const auto exact = std::make_unique<unsigned char[]>(file.size());
  std::copy(file.begin(), file.end(), exact.get());
  return to_string(elf64_file(exact.get(), file.size()).check(elf64_machine::x86_64, bounds));
}
std::string text(load_error e) {
  return to_string(e);
}
const std::string fine = text(load_error::none);

elf_segment code(uint64_t size = 16) {
  return {code_at, bytes(size, 0x90), size};
}
bytes elf_of(std::vector<elf_segment> more = {}) {
  more.insert(more.begin(), code());
  return make_elf(code_at, more);
}

// --- The headers.

TEST(elf64, header_alone_is_whole_and_has_no_segments) {
  bytes file = make_elf(code_at, {});
  ASSERT_EQ(file.size(), 64u);
  EXPECT_EQ(verdict_on(file), text(load_error::bad_program_headers));
  put<uint16_t>(file, elf_segment_count, 1);
  EXPECT_EQ(verdict_on(file), text(load_error::truncated_program_headers)) << "they would begin where the file ends";
}

// The program headers behind everything else.
bytes elf_with_headers_at_the_end() {
  bytes file = elf_of();
  const bytes headers(file.begin() + 64, file.begin() + 64 + 56);
  put<uint64_t>(file, elf_segments, file.size());
  file.insert(file.end(), headers.begin(), headers.end());
  return file;
}

TEST(elf64, program_headers_may_end_with_the_file) {
  EXPECT_EQ(verdict_on(elf_with_headers_at_the_end()), fine);
}

TEST(elf64, program_headers_that_end_one_byte_behind_the_file_are_refused) {
  bytes file = elf_with_headers_at_the_end();
  file.pop_back();
  EXPECT_EQ(verdict_on(file), text(load_error::truncated_program_headers));
  file = elf_with_headers_at_the_end();
  put<uint64_t>(file, elf_segments, file.size() - 56 + 1);
  EXPECT_EQ(verdict_on(file), text(load_error::truncated_program_headers));
}

TEST(elf64, there_may_be_128_program_headers) {
  std::vector<elf_segment> notes(127, {1, {}, 0, 4, 4});
  EXPECT_EQ(verdict_on(elf_of(notes)), fine);
  notes.push_back(notes.back());
  EXPECT_EQ(verdict_on(elf_of(notes)), text(load_error::bad_program_headers));
}

TEST(elf64, program_headers_have_one_size) {
  for (const uint16_t size : std::initializer_list<uint16_t>{0, 55, 57, 56 + 256}) {
    bytes file = elf_of();
    put<uint16_t>(file, elf_segment_size, size);
    EXPECT_EQ(verdict_on(file), text(load_error::bad_program_headers)) << size;
  }
}

TEST(elf64, every_byte_that_names_the_kind_of_file_is_looked_at) {
  const bytes good = elf_of();
  for (const size_t at : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 16u, 17u, 18u, 19u, 20u, 21u, 22u, 23u, 54u, 55u, 57u}) {
    for (const unsigned bit : {0x04u, 0x80u}) {
      bytes file = good;
      file[at] = static_cast<unsigned char>(file[at] ^ bit);
      EXPECT_NE(verdict_on(file), fine) << at;
    }
  }
}

TEST(elf64, file_is_executable_or_position_independent_and_nothing_else) {
  for (const uint16_t type : std::initializer_list<uint16_t>{0, 1, 2, 3, 4, 0x103}) {
    bytes file = elf_of();
    put<uint16_t>(file, elf_type, type);
    EXPECT_EQ(verdict_on(file), type == 2 || type == 3 ? fine : text(load_error::wrong_type)) << type;
  }
}

// What says how the rest is to be read is judged before the rest.
TEST(elf64, first_thing_that_is_wrong_with_a_header_is_named) {
  bytes file(63);
  EXPECT_EQ(verdict_on(file), text(load_error::not_elf));
  put<uint32_t>(file, 0, 0x464c'457f);
  EXPECT_EQ(verdict_on(file), text(load_error::truncated_header));
  file.push_back(0);
  EXPECT_EQ(verdict_on(file), text(load_error::wrong_class));
  file[4] = 2;
  EXPECT_EQ(verdict_on(file), text(load_error::wrong_byte_order));
  file[5] = 1;
  EXPECT_EQ(verdict_on(file), text(load_error::wrong_version));
  file[6] = 1;
  EXPECT_EQ(verdict_on(file), text(load_error::wrong_version));
  put<uint32_t>(file, 20, 1);
  EXPECT_EQ(verdict_on(file), text(load_error::wrong_machine));
  put<uint16_t>(file, 18, 62);
  EXPECT_EQ(verdict_on(file), text(load_error::wrong_type));
  put<uint16_t>(file, 16, 2);
  EXPECT_EQ(verdict_on(file), text(load_error::bad_program_headers));
}

// --- A segment in the file.

TEST(elf64, segment_without_bytes_in_the_file_may_stand_at_its_end) {
  bytes file = elf_of({{0x11000, {}, 16}});
  put<uint64_t>(file, field(1, segment_offset), file.size());
  put<uint64_t>(file, field(1, segment_alignment), 0);
  EXPECT_EQ(verdict_on(file), fine);
  put<uint64_t>(file, field(1, segment_offset), file.size() + 1);
  EXPECT_EQ(verdict_on(file), text(load_error::segment_truncated));
}

TEST(elf64, segment_may_end_with_the_file_and_no_byte_later) {
  bytes file = elf_of();
  put<uint64_t>(file, field(0, segment_alignment), 1);
  EXPECT_EQ(verdict_on(file), fine);
  put<uint64_t>(file, field(0, segment_offset), file.size() - 15);
  EXPECT_EQ(verdict_on(file), text(load_error::segment_truncated));
}

TEST(elf64, segment_may_have_as_many_bytes_in_the_file_as_in_memory_and_no_more) {
  bytes file = elf_of();
  put<uint64_t>(file, field(0, segment_memory_bytes), 16);
  EXPECT_EQ(verdict_on(file), fine);
  put<uint64_t>(file, field(0, segment_memory_bytes), 15);
  EXPECT_EQ(verdict_on(file), text(load_error::segment_too_short));
}

TEST(elf64, alignments_of_nought_and_one_ask_for_nothing) {
  for (const uint64_t alignment : {0u, 1u}) {
    bytes file = elf_of();
    put<uint64_t>(file, field(0, segment_virtual), code_at + 3);
    put<uint64_t>(file, field(0, segment_alignment), alignment);
    EXPECT_EQ(verdict_on(file), fine) << alignment;
  }
}

TEST(elf64, each_pair_of_a_segments_places_has_to_agree_with_the_alignment) {
  for (const size_t place : {segment_offset, segment_virtual, segment_physical}) {
    bytes file = make_elf(code_at, {{code_at, bytes(64, 0x90), 64, 5, 1, 32}});
    uint64_t before = 0;
    std::memcpy(&before, &file[field(0, place)], sizeof before);
    put<uint64_t>(file, field(0, segment_file_bytes), 16);
    put<uint64_t>(file, field(0, place), before + 16);
    EXPECT_EQ(verdict_on(file), text(load_error::segment_misaligned)) << place;
  }
}

// --- A segment in memory.

TEST(elf64, segment_may_begin_with_the_region_and_end_with_its_payload_room) {
  EXPECT_EQ(verdict_on(elf_of({{0x10010, {}, 0xfff0}})), fine);
  EXPECT_EQ(verdict_on(elf_of({{0x10010, {}, 0xfff1}})), text(load_error::segment_in_control_area));
  EXPECT_EQ(verdict_on(elf_of({{0x10010, {}, 0x13ff0}})), text(load_error::segment_in_control_area));
  EXPECT_EQ(verdict_on(elf_of({{0x10010, {}, 0x13ff1}})), text(load_error::segment_outside_region));
  EXPECT_EQ(verdict_on(make_elf(0xffff, {{0xffff, bytes(16), 16}})), text(load_error::segment_outside_region));
}

TEST(elf64, segment_may_reach_to_the_last_address_and_does_not_wrap_then) {
  bytes file = elf_of({{0x11000, {}, 16}});
  put<uint64_t>(file, field(1, segment_memory_bytes), ~uint64_t{0} - 0x11000);
  EXPECT_EQ(verdict_on(file), text(load_error::segment_outside_region));
  put<uint64_t>(file, field(1, segment_memory_bytes), ~uint64_t{0} - 0x11000 + 1);
  EXPECT_EQ(verdict_on(file), text(load_error::segment_wraps));
}

TEST(elf64, segments_may_touch_on_either_side_and_overlap_by_no_byte) {
  for (const uint64_t at : {0x11000u, 0x11030u}) {
    const elf_segment fixed{0x11010, bytes(32), 32, 6};
    EXPECT_EQ(verdict_on(elf_of({fixed, {at, {}, 16}})), fine) << at;
    EXPECT_EQ(verdict_on(elf_of({{at, {}, 16}, fixed})), fine) << at;
    const uint64_t nearer = at < 0x11010 ? at + 1 : at - 1;
    const elf_segment too_near{nearer, {}, 16, 6, 1, 1};
    EXPECT_EQ(verdict_on(elf_of({fixed, too_near})), text(load_error::segments_overlap)) << at;
    EXPECT_EQ(verdict_on(elf_of({too_near, fixed})), text(load_error::segments_overlap)) << at;
  }
}

TEST(elf64, header_that_is_not_loaded_overlaps_nothing) {
  const elf_segment note{code_at, bytes(16), 16, 4, 4};
  const elf_segment empty{code_at, {}, 0};
  EXPECT_EQ(verdict_on(make_elf(code_at, {note, empty, code()})), fine);
}

// --- The entry.

TEST(elf64, entry_may_be_any_byte_of_any_executable_segment) {
  const elf_segment second{0x11000, bytes(16), 32, 1};
  for (const uint64_t entry : {code_at, code_at + 15, uint64_t{0x11000}, uint64_t{0x1100f}}) {
    bytes file = elf_of({second});
    put<uint64_t>(file, elf_entry, entry);
    EXPECT_EQ(verdict_on(file), fine) << entry;
  }
  for (const uint64_t entry : {code_at - 1, code_at + 16, uint64_t{0x10fff}, uint64_t{0x11010}, uint64_t{0x1101f}}) {
    bytes file = elf_of({second});
    put<uint64_t>(file, elf_entry, entry);
    EXPECT_EQ(verdict_on(file), text(load_error::entry_outside)) << entry;
  }
}

TEST(elf64, entry_into_what_is_not_code_or_not_loaded_is_refused) {
  const elf_segment data{0x11000, bytes(16), 16, 6};
  const elf_segment note{0x11000, bytes(16), 16, 5, 4};
  for (const elf_segment& s : {data, note}) {
    bytes file = elf_of({s});
    put<uint64_t>(file, elf_entry, 0x11000);
    EXPECT_EQ(verdict_on(file), text(load_error::entry_outside)) << s.flags;
  }
}

TEST(elf64, wrong_headers_are_named_wherever_they_stand) {
  for (const size_t at : {0u, 1u, 2u}) {
    for (const auto& [type, error] : {std::pair{2u, load_error::dynamic}, {3u, load_error::interpreter}}) {
      bytes file = elf_of({{0x11000, bytes(16), 16}, {0x12000, bytes(16), 16}});
      put<uint32_t>(file, field(at, segment_type), type);
      EXPECT_EQ(verdict_on(file), text(error)) << at;
    }
  }
}

}  // namespace
}  // namespace elf64_test
