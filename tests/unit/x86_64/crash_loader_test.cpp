// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/kexec/sha256.hpp>
#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "unit/x86_64/crash_file.hpp"
#include "unit/x86_64/page_table_walk.hpp"
#include "unit/x86_64/reserved_memory.hpp"

namespace crash_loader_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::x86;
using namespace lastcpu::test;

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

}  // namespace
}  // namespace crash_loader_test
