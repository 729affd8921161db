// SPDX-License-Identifier: BSL-1.0
// What the loader refuses: each reason by its name, and nothing is changed.
#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "unit/x86_64/crash_file.hpp"

namespace crash_loader_refusals_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::x86;
using namespace lastcpu::test;

kernel_facts good_facts() {
  kernel_facts f{};
  f.ram.add(0, 0x9'fc00);
  f.ram.add(1 << 20, 127 << 20);
  f.left_out.add(16 << 20, 1 << 20);
  f.direct_map_virtual = 0xffff'8000'0000'0000;
  f.direct_map_bytes = uint64_t{4} << 30;
  f.image_count = 1;
  f.image[0] = {0xffff'ffff'8020'0000, 2 << 20, 1 << 20, 5, 0};
  return f;
}

struct attempt {
  bytes file = good_elf();
  kernel_facts facts = good_facts();
  crash_region region;
  load_options options = reserved_memory::options();
  const unsigned char* data = nullptr;  // instead of the file's
};

struct refusal {
  load_error reason;
  const char* name;
  void (*spoil)(attempt&);
};

void PrintTo(const refusal& r, std::ostream* out) {
  *out << r.name;
}

const refusal refusals[] = {
    {load_error::region_misaligned, "physical_address_off", [](attempt& a) { a.region.physical += 16; }},
    {load_error::region_misaligned, "mapping_off", [](attempt& a) { a.region.mapped += 16; }},
    {load_error::region_misaligned, "size_off", [](attempt& a) { a.region.bytes -= 16; }},
    {load_error::region_too_small, "a_small_region", [](attempt& a) { a.region.bytes = 13 * page_bytes; }},
    {load_error::region_too_small, "no_region", [](attempt& a) { a.region.bytes = 0; }},
    {load_error::region_too_small, "many_cpus", [](attempt& a) { a.options.cpu_capacity = ~0u; }},
    {load_error::region_above_map, "region_behind_the_map",
     [](attempt& a) { a.options.map_bytes = base + reserved_memory::size / large_page_bytes * large_page_bytes; }},
    {load_error::region_above_map, "region_that_wraps", [](attempt& a) { a.region.bytes = uint64_t{0} - page_bytes; }},
    {load_error::region_above_map, "region_far_above",
     [](attempt& a) { a.region.physical = uint64_t{0} - page_bytes; }},
    {load_error::region_inside_map, "mapped_within_the_map",
     [](attempt& a) { a.region.mapped = reinterpret_cast<unsigned char*>(base + page_bytes); }},
    {load_error::bad_map_bytes, "no_map", [](attempt& a) { a.options.map_bytes = 0; }},
    {load_error::bad_map_bytes, "a_map_of_odd_size", [](attempt& a) { a.options.map_bytes += page_bytes; }},
    {load_error::bad_map_bytes, "a_map_of_too_much",
     [](attempt& a) { a.options.map_bytes = most_map_bytes + large_page_bytes; }},
    {load_error::no_cpus, "no_cpus", [](attempt& a) { a.options.cpu_capacity = 0; }},
    {load_error::too_many_ram_ranges, "memory_without_room", [](attempt& a) { a.facts.ram.no_room = 1; }},
    {load_error::too_many_ram_ranges, "memory_of_65_ranges", [](attempt& a) { a.facts.ram.count = 65; }},
    {load_error::ram_range_wraps, "memory_that_wraps", [](attempt& a) { a.facts.ram.add(~uint64_t{0} - 7, 16); }},
    {load_error::ram_range_wraps, "memory_beyond_56_bits",
     [](attempt& a) { a.facts.ram.add(uint64_t{1} << 55, (uint64_t{1} << 55) + 1); }},
    {load_error::too_many_left_out, "left_out_without_room", [](attempt& a) { a.facts.left_out.no_room = 1; }},
    {load_error::left_out_wraps, "left_out_that_wraps", [](attempt& a) { a.facts.left_out.add(~uint64_t{0}, 1); }},
    {load_error::bad_direct_map, "direct_map_that_wraps",
     [](attempt& a) { a.facts.direct_map_virtual = uint64_t{0} - page_bytes; }},
    {load_error::bad_direct_map, "direct_map_of_too_much",
     [](attempt& a) { a.facts.direct_map_bytes = uint64_t{1} << 57; }},
    {load_error::bad_direct_map, "direct_map_within_a_page", [](attempt& a) { a.facts.direct_map_physical = 8; }},
    {load_error::bad_direct_map, "direct_map_and_build_id",  // the first that is wrong
     [](attempt& a) {
       a.facts.direct_map_physical = 8;
       a.facts.build_id_bytes = 33;
     }},
    {load_error::bad_build_id, "build_id_of_33_bytes", [](attempt& a) { a.facts.build_id_bytes = 33; }},
    {load_error::too_many_image_segments, "nine_image_segments", [](attempt& a) { a.facts.image_count = 9; }},
    {load_error::image_misaligned, "image_within_a_page", [](attempt& a) { a.facts.image[0].physical += 16; }},
    {load_error::image_wraps, "image_of_nothing", [](attempt& a) { a.facts.image[0].bytes = 0; }},
    {load_error::image_wraps, "image_that_wraps",
     [](attempt& a) { a.facts.image[0].bytes = (uint64_t{2} << 30) - (2 << 20) + 1; }},
    {load_error::image_wraps, "image_nowhere", [](attempt& a) { a.facts.image[0].physical = uint64_t{1} << 57; }},
    {load_error::image_in_region, "image_that_ends_in_the_region",
     [](attempt& a) { a.facts.image[0].bytes = base - (2 << 20) + 1; }},
    {load_error::image_left_out, "image_that_ends_in_what_is_left_out",
     [](attempt& a) { a.facts.image[0].bytes = (14 << 20) + 1; }},
    {load_error::memory_above_map, "memory_above_the_map", [](attempt& a) { a.facts.ram.add(128 << 20, 4096); }},
    {load_error::memory_above_map, "image_above_the_map", [](attempt& a) { a.facts.image[0].physical = 128 << 20; }},
    {load_error::file_in_region, "file_in_the_region", [](attempt& a) { a.data = a.region.mapped + 100; }},
    {load_error::file_in_region, "file_that_ends_in_the_region", [](attempt& a) { a.data = a.region.mapped - 1; }},
    {load_error::file_in_region, "file_at_the_region_s_end",
     [](attempt& a) { a.data = a.region.mapped + a.region.bytes - 1; }},
    {load_error::empty_file, "empty_file", [](attempt& a) { a.file.clear(); }},
    {load_error::payload_too_large, "huge_flat_file",
     [](attempt& a) {
       a.file = bytes(a.region.bytes, 1);
       a.options.flat = true;
     }},
    {load_error::flat_is_elf, "elf_given_as_flat", [](attempt& a) { a.options.flat = true; }},
    {load_error::truncated_header, "63_bytes", [](attempt& a) { a.file.resize(63); }},
    {load_error::truncated_header, "3_bytes", [](attempt& a) { a.file.resize(3); }},
    {load_error::not_elf, "wrong_magic", [](attempt& a) { a.file[3] = 'G'; }},
    {load_error::not_elf, "short_flat_file", [](attempt& a) { a.file = counting(4, 1); }},
    {load_error::wrong_class, "32_bits", [](attempt& a) { a.file[4] = 1; }},
    {load_error::wrong_byte_order, "big_endian", [](attempt& a) { a.file[5] = 2; }},
    {load_error::wrong_version, "identification_of_version_2", [](attempt& a) { a.file[6] = 2; }},
    {load_error::wrong_version, "version_2", [](attempt& a) { put<uint32_t>(a.file, 20, 2); }},
    {load_error::wrong_machine, "aarch64", [](attempt& a) { put<uint16_t>(a.file, elf_machine, 183); }},
    {load_error::wrong_type, "relocatable", [](attempt& a) { put<uint16_t>(a.file, elf_type, 1); }},
    {load_error::wrong_type, "core", [](attempt& a) { put<uint16_t>(a.file, elf_type, 4); }},
    {load_error::bad_program_headers, "headers_of_another_size",
     [](attempt& a) { put<uint16_t>(a.file, elf_segment_size, 57); }},
    {load_error::bad_program_headers, "no_headers", [](attempt& a) { put<uint16_t>(a.file, elf_segment_count, 0); }},
    {load_error::bad_program_headers, "129_headers",
     [](attempt& a) {
       a.file.resize(64 + 129 * 56);
       put<uint16_t>(a.file, elf_segment_count, 129);
     }},
    {load_error::truncated_program_headers, "headers_cut_off", [](attempt& a) { a.file.resize(64 + 2 * 56 - 1); }},
    {load_error::truncated_program_headers, "headers_behind_the_file",
     [](attempt& a) { put<uint64_t>(a.file, elf_segments, a.file.size() + 1); }},
    {load_error::truncated_program_headers, "headers_that_wrap",
     [](attempt& a) { put<uint64_t>(a.file, elf_segments, uint64_t{0} - 56); }},
    {load_error::dynamic, "dynamic", [](attempt& a) { put<uint32_t>(a.file, field(1, segment_type), 2); }},
    {load_error::interpreter, "interpreter", [](attempt& a) { put<uint32_t>(a.file, field(1, segment_type), 3); }},
    {load_error::no_segments, "only_notes",
     [](attempt& a) {
       for (const size_t i : {0u, 1u}) put<uint32_t>(a.file, field(i, segment_type), 4);
     }},
    {load_error::segment_truncated, "last_byte_missing", [](attempt& a) { a.file.pop_back(); }},
    {load_error::segment_truncated, "content_behind_the_file",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_offset), uint64_t{1} << 40); }},
    {load_error::segment_truncated, "content_that_wraps",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_offset), uint64_t{0} - page_bytes); }},
    {load_error::segment_too_short, "more_in_the_file",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_memory_bytes), 0x122); }},
    {load_error::segment_too_short, "nothing_in_memory",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_memory_bytes), 0); }},
    {load_error::segment_wraps, "huge_in_memory",
     [](attempt& a) { put<uint64_t>(a.file, field(0, segment_memory_bytes), ~uint64_t{0}); }},
    {load_error::segment_misaligned, "alignment_of_3",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_alignment), 3); }},
    {load_error::segment_misaligned, "offset_off",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_offset), 64); }},
    {load_error::segment_misaligned, "physical_address_off_alignment",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_physical), base + 0x2010); }},
    {load_error::segment_outside_region, "segment_before_the_region",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_physical), base - page_bytes); }},
    {load_error::segment_outside_region, "segment_behind_the_region",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_physical), base + reserved_memory::size); }},
    {load_error::segment_outside_region, "segment_over_the_region_s_end",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_memory_bytes), reserved_memory::size - 0x2000 + 1); }},
    {load_error::segment_in_control_area, "segment_in_the_control_area",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_memory_bytes), reserved_memory::size - 0x2000); }},
    {load_error::segments_overlap, "segments_that_overlap",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_memory_bytes), 0x3009); }},
    {load_error::segments_overlap, "segment_in_a_segment",
     [](attempt& a) { put<uint64_t>(a.file, field(1, segment_memory_bytes), 0x8000); }},
    {load_error::entry_outside, "entry_in_data", [](attempt& a) { put<uint64_t>(a.file, elf_entry, base + 0x5010); }},
    {load_error::entry_outside, "entry_nowhere", [](attempt& a) { put<uint64_t>(a.file, elf_entry, 0); }},
    {load_error::no_dynamic, "moved_without_a_table", [](attempt& a) { put<uint16_t>(a.file, elf_type, 3); }},
    {load_error::bad_dynamic, "table_of_another_size",
     [](attempt& a) {
       a.file = pie({{}, {{tag_rela_bytes, 24}, {tag_rela_entry_bytes, 16}}});
     }},
    {load_error::needs_library, "library",
     [](attempt& a) {
       a.file = pie({{}, {{1, 1}}});
     }},
    {load_error::other_relocations, "packed_relocations",
     [](attempt& a) {
       a.file = pie({{}, {{35, 8}}});
     }},
    {load_error::unknown_relocation, "relocation_by_a_symbol",
     [](attempt& a) {
       a.file = pie({{{0x1000, (uint64_t{1} << 32) | 1, 0}}});
     }},
    {load_error::relocation_outside, "relocation_of_the_page_behind",
     [](attempt& a) {
       a.file = pie({{{0x3000, 8, 0}}});
     }},
    {load_error::payload_too_large, "huge_when_moved",
     [](attempt& a) {
       a.file = pie({});
       put<uint64_t>(a.file, field(0, segment_memory_bytes), a.region.bytes - page_bytes);
     }},
};

struct refused_image : testing::TestWithParam<refusal> {};

TEST_P(refused_image, is_named_and_leaves_the_loaded_one_as_it_is) {
  reserved_memory memory;
  crash_image_record good{};
  const bytes file = good_elf();
  ASSERT_EQ(load_crash_kernel(memory.region(), file.data(), file.size(), reserved_memory::options(), good),
            load_error::none);
  memory.before = memory.memory;
  crash_image_record record = good;

  attempt a;
  a.region = memory.region();
  a.options.kernel = &a.facts;
  GetParam().spoil(a);
  const bytes exact(a.file);  // a read behind its end is seen by AddressSanitizer
  const unsigned char* data = a.data != nullptr ? a.data : exact.data();
  EXPECT_STREQ(to_string(load_crash_kernel(a.region, data, exact.size(), a.options, record)),
               to_string(GetParam().reason));
  EXPECT_TRUE(memory.untouched());
  EXPECT_EQ(std::memcmp(&record, &good, sizeof good), 0);
  EXPECT_TRUE(image_intact(good));
}

INSTANTIATE_TEST_SUITE_P(crash_loader, refused_image, testing::ValuesIn(refusals),
                         [](const testing::TestParamInfo<refusal>& r) { return std::string(r.param.name); });

TEST(crash_loader_refusals, range_behind_those_that_are_counted_leaves_out_nothing) {
  reserved_memory memory;
  const bytes file = good_elf();
  kernel_facts facts = good_facts();
  facts.left_out.ranges[facts.left_out.count] = {2 << 20, 1 << 20};  // the image's
  load_options options = reserved_memory::options();
  options.kernel = &facts;
  crash_image_record record{};
  EXPECT_STREQ(to_string(load_crash_kernel(memory.region(), file.data(), file.size(), options, record)),
               to_string(load_error::none));
}

constexpr auto last_error = load_error::damaged;

TEST(load_error, every_one_is_provoked_above) {
  for (uint32_t e = 1; e <= static_cast<uint32_t>(last_error); ++e) {
    if (load_error{e} == load_error::region_not_executable) continue;  // execution_probe_test.cpp
    if (load_error{e} >= load_error::in_use) continue;                 // load_into_slot_test.cpp
    const auto provokes = [e](const refusal& r) { return static_cast<uint32_t>(r.reason) == e; };
    EXPECT_TRUE(std::any_of(std::begin(refusals), std::end(refusals), provokes)) << to_string(load_error{e});
  }
}

TEST(load_error, no_text_names_a_member_that_c_has_not) {
  for (uint32_t e = 1; e <= static_cast<uint32_t>(last_error); ++e)
    EXPECT_EQ(std::string(to_string(load_error{e})).find("::"), std::string::npos) << to_string(load_error{e});
}

TEST(load_error, every_one_has_a_text_of_its_own) {
  const std::string unknown = to_string(load_error{1 + static_cast<uint32_t>(last_error)});
  std::vector<std::string> texts{unknown};
  for (uint32_t e = 0; e <= static_cast<uint32_t>(last_error); ++e) texts.emplace_back(to_string(load_error{e}));
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(std::adjacent_find(texts.begin(), texts.end()), texts.end());
}

}  // namespace
}  // namespace crash_loader_refusals_test
