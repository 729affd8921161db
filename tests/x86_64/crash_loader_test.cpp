// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/kexec/sha256.hpp>
#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "kexec/elf_file.hpp"
#include "x86_64/page_table_walk.hpp"
#include "x86_64/reserved_memory.hpp"

namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::x86;
using namespace lastcpu::test;

constexpr uint64_t base = reserved_memory::physical;

bytes counting(size_t n, unsigned char from) {
  bytes v(n);
  for (unsigned char& b : v) b = from++;
  return v;
}

// Code, a gap, data with a zero-filled tail; in the file the data comes first.
bytes good_elf() {
  return make_elf(base + 0x2010, {{base + 0x5008, counting(0x300, 1), 0x1000, 6, 1, 8},
                                  {base + 0x2000, counting(0x123, 7), 0x123, 5, 1, 4096}});
}

// Linked at 0, with the table in its second page.
bytes pie(const elf_dynamic& d) {
  return make_pie(0x10, {{0, counting(0x123, 7), 0x123, 5, 1, 4096}}, 0x1000, d);
}

struct crash_loader : testing::Test {
  reserved_memory memory;
  crash_image_record record{};
  load_options options = reserved_memory::options();

  load_error load(const bytes& file) {
    return load_crash_kernel(memory.region(), file.data(), file.size(), options, record);
  }
  [[nodiscard]] const unsigned char* at(uint64_t physical) const { return memory.first + (physical - base); }
  [[nodiscard]] const trampoline_page& trampoline() const {
    return *reinterpret_cast<const trampoline_page*>(memory.first + record.trampoline);
  }
};

TEST_F(crash_loader, every_segment_is_where_it_belongs_and_the_rest_of_the_payload_is_zero) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  bytes expected(0x4008);
  const bytes code = counting(0x123, 7);
  const bytes data = counting(0x300, 1);
  std::copy(code.begin(), code.end(), expected.begin());
  std::copy(data.begin(), data.end(), expected.begin() + 0x3008);
  EXPECT_EQ(bytes(at(base + 0x2000), at(base + 0x6008)), expected);
}

TEST_F(crash_loader, record_says_where_everything_is) {
  options.kernel_data = 77;
  options.ticks_per_second = 88;
  ASSERT_EQ(load(good_elf()), load_error::none);
  EXPECT_EQ(record.payload, 0x2000u);
  EXPECT_EQ(record.payload_bytes, 0x4008u);
  EXPECT_EQ(record.entry, base + 0x2010);
  EXPECT_EQ(record.free, 0x7000u);
  EXPECT_EQ(record.free + record.free_bytes + crash_stack_bytes, record.control);
  EXPECT_LE(record.handover + handover_bytes<lastcpu::x86::handover_cpu>(4), reserved_memory::size);
  EXPECT_EQ(record.kernel_data, 77u);
  EXPECT_EQ(record.ticks_per_second, 88u);
  EXPECT_EQ(record.cpu_capacity, 4u);
  EXPECT_TRUE(record_intact(record));
  EXPECT_TRUE(image_intact(record));
}

TEST_F(crash_loader, nothing_but_payload_and_control_area_is_written) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  EXPECT_TRUE(memory.untouched_but({{record.payload, record.payload + record.payload_bytes},
                                    {record.free + record.free_bytes, reserved_memory::size}}));
}

TEST_F(crash_loader, flat_image_goes_to_the_start_and_is_entered_there) {
  options.flat = true;
  const bytes file = counting(5000, 9);
  ASSERT_EQ(load(file), load_error::none);
  EXPECT_EQ(bytes(at(base), at(base) + file.size()), file);
  EXPECT_EQ(record.entry, base);
  EXPECT_EQ(trampoline().entry, base);
  EXPECT_TRUE(image_intact(record));
  EXPECT_TRUE(memory.untouched_but({{0, 5000}, {record.free + record.free_bytes, reserved_memory::size}}));
}

TEST_F(crash_loader, position_independent_file_goes_to_the_start_and_names_itself_there) {
  ASSERT_EQ(load(pie({{{0x1008, 8, 0x123}}})), load_error::none);
  EXPECT_EQ(record.payload, 0u);
  EXPECT_EQ(record.entry, base + 0x10);
  EXPECT_EQ(trampoline().entry, base + 0x10);
  EXPECT_EQ(read_word<uint64_t>(at(base + 0x1008)), base + 0x123);
  EXPECT_TRUE(image_intact(record));
  EXPECT_TRUE(
      memory.untouched_but({{0, record.payload_bytes}, {record.free + record.free_bytes, reserved_memory::size}}));
}

TEST_F(crash_loader, payload_may_reach_to_the_control_area_and_no_further) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  const uint64_t room = record.free + record.free_bytes;
  EXPECT_EQ(load(make_elf(base, {{base, counting(16, 1), room}})), load_error::none);
  EXPECT_EQ(record.free_bytes, 0u);
  EXPECT_EQ(load(make_elf(base, {{base, counting(16, 1), room + 1}})), load_error::segment_in_control_area);
  options.flat = true;
  EXPECT_EQ(load(bytes(room, 1)), load_error::none);
  EXPECT_EQ(load(bytes(room + 1, 1)), load_error::payload_too_large);
  EXPECT_TRUE(image_intact(record));
}

TEST_F(crash_loader, entry_may_be_any_byte_of_the_code_and_no_other) {
  for (const uint64_t offset : {0u, 15u})
    EXPECT_EQ(load(make_elf(base + 0x1000 + offset, {{base + 0x1000, bytes(16), 32}})), load_error::none);
  for (const uint64_t offset : {uint64_t{16}, ~uint64_t{0}})
    EXPECT_EQ(load(make_elf(base + 0x1000 + offset, {{base + 0x1000, bytes(16), 32}})), load_error::entry_outside);
}

TEST_F(crash_loader, segments_may_touch) {
  EXPECT_EQ(load(make_elf(base, {{base + 16, bytes(16), 16}, {base, bytes(16), 16}, {base + 32, bytes(16), 16}})),
            load_error::none);
}

TEST_F(crash_loader, empty_segments_and_unknown_headers_are_passed_over) {
  const bytes file = make_elf(base, {{base, bytes(16), 16}, {1, {}, 0}, {1, bytes(4), 4, 4, 0x6474'e551, 1}});
  ASSERT_EQ(load(file), load_error::none);
  EXPECT_EQ(record.payload_bytes, 16u);
}

TEST_F(crash_loader, file_may_lie_at_any_address_and_touch_the_region) {
  const bytes file = good_elf();
  bytes shifted(file.size() + 1);
  std::copy(file.begin(), file.end(), shifted.begin() + 1);
  EXPECT_EQ(load_crash_kernel(memory.region(), shifted.data() + 1, file.size(), options, record), load_error::none);
  for (unsigned char* start : {memory.first - file.size(), memory.first + reserved_memory::size}) {
    std::copy(file.begin(), file.end(), start);
    EXPECT_EQ(load_crash_kernel(memory.region(), start, file.size(), options, record), load_error::none);
  }
}

// --- What the jump needs.

void expect_tables(const crash_loader& t, unsigned levels) {
  const crash_image_record& r = t.record;
  const page_table_walk walk{t.memory.first + r.control, t.trampoline().root,
                             page_tables_needed(r.map_bytes, levels == 5) * page_bytes, levels};
  ASSERT_EQ(t.trampoline().root, base + r.control);
  for (uint64_t at = 0; at < r.map_bytes; at += 0x1f'f000) ASSERT_EQ(walk(at)->physical, at);
  const uint64_t last = r.map_bytes - 1;
  ASSERT_EQ(walk(last)->physical, last);
  EXPECT_FALSE(walk(r.map_bytes).has_value());
  const uint64_t alias = reinterpret_cast<uintptr_t>(&t.trampoline());
  ASSERT_TRUE(walk(alias).has_value());
  EXPECT_EQ(walk(alias)->physical, base + r.trampoline);
  EXPECT_EQ(walk(alias)->flags, 0x63u);
}

TEST_F(crash_loader, page_tables_have_memory_and_the_trampoline_in_four_levels) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  EXPECT_EQ(record.table_levels, 4u);
  expect_tables(*this, 4);
}

TEST_F(crash_loader, page_tables_have_memory_and_the_trampoline_in_five_levels) {
  options.levels = paging::five_levels;
  ASSERT_EQ(load(good_elf()), load_error::none);
  EXPECT_EQ(record.table_levels, 5u);
  expect_tables(*this, 5);
}

TEST_F(crash_loader, trampoline_knows_the_way) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  const trampoline_page& page = trampoline();
  EXPECT_EQ(page.here, base + record.trampoline);
  EXPECT_EQ(page.entry, record.entry);
  EXPECT_EQ(page.handover, base + record.handover);
  EXPECT_EQ(page.stack, base + record.control);
  EXPECT_EQ(page.stack % 16, 0u);
}

TEST_F(crash_loader, idt_ignores_nmis_and_restarts_on_anything_else) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  const trampoline_code code = find_trampoline_code();
  const uint64_t offset = trampoline().late_idt.base - base;
  ASSERT_GE(offset, record.control);
  ASSERT_LE(offset + page_bytes, record.control + record.control_bytes);
  const auto* gates = reinterpret_cast<const interrupt_gate*>(memory.first + offset);
  for (uint32_t vector = 0; vector < 256; ++vector) {
    EXPECT_EQ(gates[vector].handler(), base + record.trampoline + (vector == 2 ? code.nmi : code.fatal)) << vector;
    EXPECT_EQ(gates[vector].selector, crash_code_selector);
  }
}

TEST_F(crash_loader, handover_is_ready) {
  options.kernel_data = 77;
  ASSERT_EQ(load(good_elf()), load_error::none);
  const handover& h = *handover_of(record);
  EXPECT_EQ(open_handover<core_registers>(&h, h.bytes).error, handover_error::cut_off)
      << "as long as nobody has sealed it";
  EXPECT_EQ(h.cpu_count, 0u);
  EXPECT_EQ(h.kernel_data, 77u);
  EXPECT_EQ(h.free_physical, base + record.free);
  EXPECT_EQ(h.free_bytes, record.free_bytes);
  EXPECT_EQ(h.panic_ticks, 0u);
}

// --- The digest.

TEST_F(crash_loader, flipped_bit_anywhere_in_payload_or_control_tables_is_found) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  const auto expect_found = [&](uint64_t i) {
    const auto bit = static_cast<unsigned char>(1u << i % 8);
    memory.first[i] ^= bit;
    EXPECT_FALSE(image_intact(record)) << i;
    memory.first[i] ^= bit;
  };
  for (uint64_t i = 0; i < record.payload_bytes; i += 37) expect_found(record.payload + i);
  for (uint64_t i = 0; i < record.control_bytes; i += 61) expect_found(record.control + i);
  for (uint64_t i = 0; i < sizeof(trampoline_page); i += 7) expect_found(record.trampoline + i);
  for (const uint64_t span : {record.payload, record.control}) expect_found(span);
  expect_found(record.payload + record.payload_bytes - 1);
  expect_found(record.control + record.control_bytes - 1);
  EXPECT_TRUE(image_intact(record));
}

TEST_F(crash_loader, writes_into_stack_handover_and_free_memory_do_no_harm) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  memory.first[record.free] ^= 1;
  memory.first[record.control - 1] ^= 1;
  memory.first[record.handover] ^= 1;
  EXPECT_TRUE(image_intact(record));
}

TEST_F(crash_loader, flipped_bit_anywhere_in_the_record_is_found) {
  ASSERT_EQ(load(good_elf()), load_error::none);
  auto* raw = reinterpret_cast<unsigned char*>(&record);
  for (size_t i = 0; i < sizeof record * 8; ++i) {
    raw[i / 8] ^= static_cast<unsigned char>(1u << i % 8);
    EXPECT_FALSE(record_intact(record)) << i;
    EXPECT_FALSE(image_intact(record)) << i;
    raw[i / 8] ^= static_cast<unsigned char>(1u << i % 8);
  }
  EXPECT_TRUE(record_intact(record));
}

TEST_F(crash_loader, record_that_was_never_filled_is_none) {
  EXPECT_FALSE(record_intact(record));
  record.seal = lastcpu::kexec::detail::seal_of(record);
  EXPECT_FALSE(record_intact(record));
}

TEST_F(crash_loader, digest_is_a_policy) {
  const bytes file = good_elf();
  ASSERT_EQ(load_crash_kernel<sha256>(memory.region(), file.data(), file.size(), options, record), load_error::none);
  EXPECT_TRUE(image_intact<sha256>(record));
  EXPECT_FALSE(image_intact(record));
  memory.first[record.payload + 5] ^= 1;
  EXPECT_FALSE(image_intact<sha256>(record));
}

// --- Refusals.

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

constexpr auto last_error = load_error::relocation_outside;

TEST(load_error, every_one_is_provoked_above) {
  for (uint32_t e = 1; e <= static_cast<uint32_t>(last_error); ++e) {
    if (load_error{e} == load_error::region_not_executable) continue;  // execution_probe_test.cpp
    const auto provokes = [e](const refusal& r) { return static_cast<uint32_t>(r.reason) == e; };
    EXPECT_TRUE(std::any_of(std::begin(refusals), std::end(refusals), provokes)) << to_string(load_error{e});
  }
}

TEST(load_error, every_one_has_a_text_of_its_own) {
  const std::string unknown = to_string(load_error{1 + static_cast<uint32_t>(last_error)});
  std::vector<std::string> texts{unknown};
  for (uint32_t e = 0; e <= static_cast<uint32_t>(last_error); ++e) texts.emplace_back(to_string(load_error{e}));
  std::sort(texts.begin(), texts.end());
  EXPECT_EQ(std::adjacent_find(texts.begin(), texts.end()), texts.end());
}

}  // namespace
