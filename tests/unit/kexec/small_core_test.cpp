// SPDX-License-Identifier: BSL-1.0
// The small core of a machine that is made up here: physical memory is an array, an address space a table of pages.
#include <lastcpu/kexec/small_core.hpp>

#include <lastcpu/kexec/crash_loader.hpp>
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/kexec/handover_writer.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "unit/kexec/toy_machine.hpp"

namespace small_core_test {
namespace {

using namespace lastcpu::kexec;
using lastcpu::cpu_note;
using lastcpu::stop_state;
using lastcpu::test::toy_machine;
using bytes = std::vector<unsigned char>;

constexpr uint64_t page = page_bytes;
constexpr uint64_t kernel_half = uint64_t{1} << 63;

/// Page `i` of the upper half is where word `i` of the table at `root` says; 0: nowhere.
struct toy_walk {
  static constexpr uint64_t pages = 512;
  template <class ReadEntry>
  static bool translate(uint64_t root, uint32_t, uint64_t address, uint64_t& physical, ReadEntry read_entry) noexcept {
    const uint64_t i = (address & ~kernel_half) / page;
    uint64_t entry = 0;
    if (!is_kernel_address(address) || i >= pages || !read_entry(root + i * 8, entry) || entry == 0) return false;
    physical = entry + address % page;
    return true;
  }
  static bool is_kernel_address(uint64_t address) noexcept { return (address & kernel_half) != 0; }
};
using core_of_toy = small_core<toy_machine, toy_walk>;

struct load {
  uint64_t place, virtual_address, physical, bytes;
  bool operator==(const load&) const = default;
};

void PrintTo(const load& l, std::ostream* out) {
  *out << std::hex << l.bytes << " bytes at " << l.place << ", virtual " << l.virtual_address << ", physical "
       << l.physical;
}

struct small : testing::Test {
  static constexpr uint64_t size = 64 * page;
  static constexpr uint64_t region = 40 * page, region_bytes = 20 * page;
  static constexpr uint64_t table = 1 * page, other_table = 2 * page;
  static constexpr uint64_t data = 8 * page, data_bytes = 3 * page;  // .data and .bss
  static constexpr uint64_t data_virtual = kernel_half | (100 * page);
  static constexpr uint64_t direct_map = kernel_half | (uint64_t{1} << 40);

  std::vector<uint64_t> words = std::vector<uint64_t>(size / 8);
  unsigned char* const memory = reinterpret_cast<unsigned char*>(words.data());
  const uintptr_t zero = reinterpret_cast<uintptr_t>(memory);
  kernel_facts facts{};
  crash_image_record record{};
  core_of_toy core{};

  small() {
    for (uint64_t i = 3 * page; i < region; ++i) memory[i] = static_cast<unsigned char>(i * 7 + i / page + 1);
    facts.ram.add(0, size);
    facts.direct_map_virtual = direct_map;
    facts.direct_map_bytes = size;
    add_image(kernel_half | (90 * page), 5 * page, 2 * page, 5);
    add_image(data_virtual, data, data_bytes, 6);
  }
  void add_image(uint64_t virtual_address, uint64_t physical, uint64_t n, uint32_t flags) {
    facts.image[facts.image_count++] = {virtual_address, physical, n, flags, 0};
  }
  void map(uint64_t virtual_page, uint64_t physical_page, uint64_t root = table) {
    words[(root / 8) + virtual_page] = physical_page * page;
  }
  void die() {
    core_layout layout;
    layout.place<toy_machine>(facts, {region, region_bytes}, 4);
    region_layout places;
    ASSERT_TRUE(places.place(region_bytes, core_template_bytes(layout), layout.header_bytes));
    begin_record({region, memory + region, region_bytes}, places, record);
    record_core(layout, places.control, record);
    record.map_bytes = size;
    record.cpu_capacity = 4;
    record.table_levels = 4;
    build_core<toy_machine>(record, layout, facts);
    save(1, true, 0);
    room().page_tables = table;
  }
  // `stack` 0: no registers.
  void save(lastcpu::cpu_id cpu, bool crashing, uint64_t stack, std::optional<uint64_t> root = {}) {
    const toy_machine::registers regs{0x1234, stack};
    const toy_machine::control state{root.value_or(0)};
    const cpu_note<toy_machine::registers> note{
        cpu, stop_state::by_nmi, crashing, stack != 0 ? &regs : nullptr, "said", "", "", false, 99};
    ASSERT_TRUE(save_note<toy_machine>(record, note, {root ? &state : nullptr, 7}));
  }
  handover& room() { return *handover_of(record); }
  bool plan() {
    seal_handover(record, room().bytes);
    return plan_as_it_is() == core_error::none;
  }
  core_error plan_as_it_is() {
    const auto opened = open_handover<toy_machine>(&room(), region + region_bytes - record.handover);
    EXPECT_EQ(opened.error, handover_error::none);
    return core.plan(*opened.handover, zero);
  }
  bytes file() {
    bytes out(core.file_bytes());
    uint64_t end = 0;
    EXPECT_TRUE(core.for_each_piece([&](uint64_t place, const unsigned char* from, uint64_t n) {
      EXPECT_GE(place, end) << "in order";
      end = place + n;
      EXPECT_LE(end, out.size());
      std::memcpy(&out[place], from, n);
      return true;
    }));
    EXPECT_EQ(end, out.size());
    return out;
  }
  static std::vector<load> loads(const bytes& file) {
    const elf64_file elf(file.data(), file.size());
    std::vector<load> out;
    for (uint32_t i = 0; i < elf.segment_count(); ++i) {
      const elf64_segment s = elf.segment(i);
      if (s.type == 1) out.push_back({s.file_offset, s.virtual_address, s.physical_address, s.file_bytes});
    }
    return out;
  }
  /// What the file has of it is what memory has.
  void expect_memory(const bytes& file) {
    for (const load& l : loads(file)) {
      ASSERT_LE(l.place + l.bytes, file.size());
      EXPECT_EQ(std::memcmp(&file[l.place], memory + l.physical, l.bytes), 0) << l.virtual_address;
      EXPECT_EQ(l.place % page, l.virtual_address % page);
    }
  }
  std::vector<load> planned() {
    EXPECT_TRUE(plan());
    const bytes all = file();
    expect_memory(all);
    return loads(all);
  }
};

TEST_F(small, has_what_the_kernel_can_write_to_and_neither_code_nor_the_direct_map) {
  die();
  EXPECT_EQ(planned(), (std::vector<load>{{page, data_virtual, data, data_bytes}}));
}

TEST_F(small, has_no_segment_that_the_kernel_keeps_out_of_it) {
  constexpr uint32_t readable_and_writable = 6;
  const auto kept_out = static_cast<uint32_t>(segment_flag::not_in_small_cores);
  add_image(kernel_half | (200 * page), 20 * page, page, readable_and_writable | kept_out);
  die();
  EXPECT_EQ(planned().size(), 1u);
}

TEST_F(small, is_an_elf_core_for_the_machine) {
  die();
  ASSERT_TRUE(plan());
  const bytes all = file();
  EXPECT_EQ(read_word<uint32_t>(all.data()), elf64_file::magic);
  EXPECT_EQ(std::memcmp(&all[12], "anew", 4), 0) << "its beginning is not the one that has a sum";
  EXPECT_EQ(read_word<uint16_t>(&all[16]), 4) << "ET_CORE";
  EXPECT_EQ(read_word<uint16_t>(&all[18]), 243);
  EXPECT_EQ(read_word<uint16_t>(&all[56]), 2) << "notes, data";
}

TEST_F(small, has_the_notes_as_they_are) {
  die();
  save(0, false, 0x1000);
  ASSERT_TRUE(plan());
  const bytes all = file();
  const elf64_segment notes = elf64_file(all.data(), all.size()).segment(0);
  ASSERT_EQ(notes.type, 4u);
  EXPECT_EQ(notes.file_bytes, note_header_bytes + room().bytes + prstatus_note_bytes<toy_machine>);
  EXPECT_EQ(
      std::memcmp(&all[notes.file_offset], memory + region + record.handover - note_header_bytes, notes.file_bytes), 0);
  EXPECT_EQ((notes.file_offset + note_header_bytes) % 8, 0u) << "for who maps the file and looks at the handover";
}

TEST_F(small, image_is_found_whether_its_memory_is_saved_or_not) {
  facts.direct_map_bytes = data + page;  // a part of it
  die();
  EXPECT_EQ(planned(), (std::vector<load>{{page, data_virtual, data, data_bytes}}));
}

TEST_F(small, image_is_found_without_a_direct_map_and_at_its_address) {
  facts.direct_map_bytes = facts.direct_map_virtual = 0;
  die();
  EXPECT_EQ(planned().size(), 1u);
  facts.direct_map_virtual = data_virtual - data;
  facts.direct_map_bytes = size;
  die();
  EXPECT_EQ(planned(), (std::vector<load>{{page, data_virtual, data, data_bytes}}));
}

TEST_F(small, stack_is_there_from_the_stack_pointer_up_to_what_is_not_mapped) {
  map(10, 20);
  map(11, 21);
  die();
  save(0, false, kernel_half | (10 * page + 0x128));
  EXPECT_EQ(planned()[1],
            (load{4 * page + 0x120, kernel_half | (10 * page + 0x120), 20 * page + 0x120, 2 * page - 0x120}));
}

TEST_F(small, pages_of_a_stack_may_lie_anywhere_in_memory) {
  map(10, 30);
  map(11, 21);
  die();
  save(0, false, kernel_half | (10 * page));
  const auto found = planned();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[1].physical, 30 * page);
  EXPECT_EQ(found[2].physical, 21 * page);
}

TEST_F(small, stack_has_a_bound) {
  for (uint64_t i = 0; i < 12; ++i) map(10 + i, 20 + i);
  die();
  save(0, false, kernel_half | (10 * page + 0x800));
  EXPECT_EQ(planned()[1].bytes, 5 * page - 0x800) << "the whole page in which 16 KiB end";
}

TEST_F(small, each_cpus_stack_is_found_in_its_own_address_space) {
  map(10, 20);
  map(10, 25, other_table);
  map(12, 26, other_table);
  die();
  save(0, false, kernel_half | (12 * page), other_table);
  save(2, false, kernel_half | (10 * page));
  const auto found = planned();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[1].physical, 26 * page);
  EXPECT_EQ(found[2].physical, 20 * page) << "of the CPU that jumped, where nothing is known";
}

TEST_F(small, registers_that_are_not_valid_have_no_stack) {
  map(10, 20);
  die();
  save(0, false, kernel_half | (10 * page));
  auto& cpu = reinterpret_cast<cpu_entry_of<toy_machine>*>(&room() + 1)[1];
  cpu.flags &= ~static_cast<uint32_t>(handover_flag::registers_valid);
  EXPECT_EQ(planned().size(), 1u);
}

TEST_F(small, stack_that_is_in_the_data_is_there_once) {
  map(100, 8);
  map(101, 9);
  map(102, 10);
  die();
  save(0, false, data_virtual + page + 0x10);
  EXPECT_EQ(planned().size(), 1u);
}

TEST_F(small, stack_pointers_that_lead_nowhere_cost_nothing) {
  map(10, 20);
  map(511, 21);
  map(13, 70);  // behind memory
  die();
  save(0, false, 10 * page);  // not the kernel's
  save(2, false, kernel_half | (13 * page));
  save(3, false, ~uint64_t{0});
  EXPECT_EQ(planned().size(), 1u);
}

TEST_F(small, what_is_no_memory_is_neither_read_nor_in_the_file) {
  facts.ram.count = 0;
  facts.ram.add(0, data + page);
  facts.ram.add(data + 2 * page, size - data - 2 * page);
  die();
  const auto found = planned();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].bytes, page);
  EXPECT_EQ(found[1].physical, data + 2 * page);
}

TEST_F(small, more_parts_than_there_is_room_for_are_counted) {
  for (uint64_t i = 0; i < 4; ++i) map(10 + i, 30 - 2 * i);
  die();
  save(0, false, kernel_half | (10 * page));
  ASSERT_EQ(planned().size(), 5u);
  EXPECT_EQ(core.pages_left_out(), 0u);
  small_core<toy_machine, toy_walk, 3> smaller;
  ASSERT_EQ(smaller.plan(room(), zero), core_error::none);
  EXPECT_EQ(smaller.parts(), 3u);
  EXPECT_EQ(smaller.pages_left_out(), 2u);
}

TEST_F(small, ends_when_nobody_wants_more) {
  die();
  ASSERT_TRUE(plan());
  for (uint32_t most = 0; most < 4; ++most) {
    uint32_t pieces = 0;
    EXPECT_FALSE(core.for_each_piece([&](uint64_t, const unsigned char*, uint64_t) { return pieces++ != most; }));
    EXPECT_EQ(pieces, most + 1);
  }
}

// The beginning of the core lay in memory while a kernel died.
TEST_F(small, beginning_with_another_sum_is_told_of_and_used) {
  die();
  const std::vector<load> before = planned();
  memory[region + record.core + 12] ^= 1;
  core = {};
  EXPECT_EQ(plan_as_it_is(), core_error::damaged);
  const bytes all = file();
  expect_memory(all);
  EXPECT_EQ(loads(all), before);
}

TEST_F(small, damaged_beginning_is_refused_with_its_reason) {
  die();
  ASSERT_TRUE(plan());
  unsigned char* const begin = memory + region + record.core;
  const std::pair<uint64_t, core_error> damages[] = {{0, core_error::no_core},
                                                     {18, core_error::wrong_machine},
                                                     {32, core_error::bad_headers},
                                                     {96, core_error::bad_notes}};
  for (const auto& [at, error] : damages) {
    const auto before = read_word<uint16_t>(begin + at);
    write_word<uint16_t>(begin + at, 3);
    seal_handover(record, room().bytes);
    EXPECT_STREQ(to_string(plan_as_it_is()), to_string(error)) << at;
    write_word<uint16_t>(begin + at, before);
  }
  EXPECT_TRUE(plan());
}

TEST_F(small, handover_that_is_not_in_the_notes_is_refused) {
  die();
  seal_handover(record, room().bytes);
  const uint64_t entries = room().bytes - sizeof(handover);
  auto copy = std::make_unique<unsigned char[]>(sizeof(handover) + entries);
  std::memcpy(copy.get(), &room(), sizeof(handover) + entries);
  EXPECT_EQ(core.plan(*reinterpret_cast<const handover*>(copy.get()), zero), core_error::bad_notes);
}

TEST_F(small, any_byte_of_the_beginning_may_be_wrong) {
  map(10, 20);
  die();
  save(0, false, kernel_half | (10 * page));
  ASSERT_TRUE(plan());
  unsigned char* const begin = memory + region + record.core;
  const uint64_t headers = record.handover - record.core;
  for (uint64_t i = 0; i < headers; ++i) {
    for (const unsigned change : {0x01u, 0x80u, 0xffu}) {
      begin[i] = static_cast<unsigned char>(begin[i] ^ change);
      if (plan()) (void)file();
      begin[i] = static_cast<unsigned char>(begin[i] ^ change);
    }
  }
  EXPECT_TRUE(plan());
}

}  // namespace
}  // namespace small_core_test
