// SPDX-License-Identifier: BSL-1.0
// The headers of a core, read back by the C library's own description of ELF.
#include <lastcpu/kexec/core_file.hpp>

#include <gtest/gtest.h>

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "unit/kexec/toy_machine.hpp"

namespace core_file_test {
namespace {

using namespace lastcpu::kexec;
using lastcpu::test::toy_machine;

constexpr uint64_t mib = 1 << 20;
constexpr uint64_t direct_map = 0xffff'8000'0000'0000;

using span = std::pair<uint64_t, uint64_t>;  // physical [first, second)
using spans = std::vector<span>;

/// Facts of a machine with a direct map from 0 on, and the core that comes of them.
struct core_of : testing::Test {
  kernel_facts facts{};
  ram_range region{64 * mib, mib};
  core_layout layout{};
  std::vector<unsigned char> file;
  uint64_t file_bytes = 0;

  core_of() {
    facts.direct_map_virtual = direct_map;
    facts.direct_map_bytes = 4096 * mib;
  }
  void build(uint32_t cpus = 4) {
    layout = {};
    layout.place<toy_machine>(facts, region, cpus);
    file.assign(layout.header_bytes, 0xee);
    core_builder builder(file.data(), layout, facts, region);
    builder.build(toy_machine::machine);
    file_bytes = builder.file_bytes();
  }
  [[nodiscard]] Elf64_Ehdr header() const {
    Elf64_Ehdr h;
    std::memcpy(&h, file.data(), sizeof h);
    return h;
  }
  [[nodiscard]] std::vector<Elf64_Phdr> segments() const {
    std::vector<Elf64_Phdr> all(header().e_phnum);
    std::memcpy(all.data(), file.data() + header().e_phoff, all.size() * sizeof all[0]);
    return all;
  }
  [[nodiscard]] spans ranges() const {
    spans all;
    core_ranges(facts, region).for_each([&](const ram_range& r) { all.emplace_back(r.physical, r.end()); });
    return all;
  }
  void add_image(uint64_t virtual_address, uint64_t physical, uint64_t bytes, uint32_t flags) {
    facts.image[facts.image_count++] = {virtual_address, physical, bytes, flags, 0};
  }
};

TEST_F(core_of, a_kernel_that_says_nothing_has_notes_only) {
  facts = {};
  build();
  EXPECT_EQ(header().e_phnum, 1);
  EXPECT_EQ(segments()[0].p_type, unsigned{PT_NOTE});
  EXPECT_EQ(file_bytes, layout.header_bytes);
}

TEST_F(core_of, a_kernel_has_the_header_of_a_core_file) {
  build();
  const Elf64_Ehdr h = header();
  EXPECT_EQ(std::memcmp(h.e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(h.e_ident[EI_CLASS], ELFCLASS64);
  EXPECT_EQ(h.e_ident[EI_DATA], ELFDATA2LSB);
  EXPECT_EQ(h.e_ident[EI_VERSION], EV_CURRENT);
  EXPECT_EQ(h.e_type, ET_CORE);
  EXPECT_EQ(h.e_machine, EM_RISCV);
  EXPECT_EQ(h.e_version, unsigned{EV_CURRENT});
  EXPECT_EQ(h.e_phoff, sizeof h);
  EXPECT_EQ(h.e_ehsize, sizeof h);
  EXPECT_EQ(h.e_phentsize, sizeof(Elf64_Phdr));
  EXPECT_EQ(h.e_shnum, 0);
  EXPECT_EQ(h.e_entry | h.e_flags | h.e_shoff, 0u);
}

TEST_F(core_of, a_kernel_has_its_handover_as_the_first_note_on_a_multiple_of_8) {
  build(3);
  const Elf64_Phdr notes = segments()[0];
  EXPECT_EQ(notes.p_offset, layout.notes);
  EXPECT_EQ(notes.p_offset % 8, 4u);
  EXPECT_EQ(notes.p_align, 4u);
  EXPECT_EQ(notes.p_filesz, 20 + sizeof(handover) + 3 * sizeof(cpu_entry_of<toy_machine>));
  Elf64_Nhdr note;
  std::memcpy(&note, file.data() + notes.p_offset, sizeof note);
  EXPECT_EQ(note.n_namesz, sizeof "LASTCPU");
  EXPECT_EQ(note.n_descsz, layout.handover_bytes);
  EXPECT_EQ(note.n_type, 1u);
  EXPECT_STREQ(reinterpret_cast<const char*>(file.data() + notes.p_offset + sizeof note), "LASTCPU");
  EXPECT_EQ(layout.handover, notes.p_offset + 20);
  EXPECT_EQ(layout.handover % 8, 0u);
  EXPECT_EQ(layout.header_bytes % page_bytes, 0u);
  EXPECT_LE(layout.handover + layout.handover_bytes + 3 * prstatus_note_bytes<toy_machine>, layout.header_bytes);
}

// --- Which memory.

TEST_F(core_of, unsorted_overlapping_and_touching_ranges_are_put_in_order) {
  facts.ram.add(10 * mib, mib);
  facts.ram.add(0, 0x9'fc00);
  facts.ram.add(2 * mib, 2 * mib);
  facts.ram.add(3 * mib, 3 * mib);
  facts.ram.add(mib, mib);
  facts.ram.add(4 * mib, 0);
  EXPECT_EQ(ranges(), (spans{{0, 0x9'f000}, {mib, 6 * mib}, {10 * mib, 11 * mib}}));
}

TEST_F(core_of, a_page_that_two_ranges_share_is_whole) {
  facts.ram.add(0, 0x9'fc00);
  facts.ram.add(0x9'fc00, 0x400);
  EXPECT_EQ(ranges(), (spans{{0, 0xa'0000}}));
}

TEST_F(core_of, range_without_a_whole_page_is_none) {
  facts.ram.add(0x1001, 0x1ffe);
  facts.ram.add(0x8000, 0x1000);
  EXPECT_EQ(ranges(), (spans{{0x8000, 0x9000}}));
}

TEST_F(core_of, the_region_is_never_saved) {
  for (const span& ram : spans{span{0, 128 * mib}, {region.physical, region.end()}, {63 * mib, 64 * mib + 1}}) {
    facts.ram.count = 0;
    facts.ram.add(ram.first, ram.second - ram.first);
    for (const span& r : ranges()) EXPECT_TRUE(r.second <= region.physical || r.first >= region.end());
  }
  facts.ram.count = 0;
  facts.ram.add(0, 128 * mib);
  EXPECT_EQ(ranges(), (spans{{0, 64 * mib}, {65 * mib, 128 * mib}}));
}

TEST_F(core_of, what_is_left_out_has_no_segment) {
  facts.ram.add(0, 32 * mib);
  facts.left_out.add(16 * mib + 1, 1);
  facts.left_out.add(8 * mib, mib);
  facts.left_out.add(9 * mib, mib);
  facts.left_out.add(20 * mib, 0);
  facts.left_out.add(31 * mib, 8 * mib);
  const spans expected{{0, 8 * mib}, {10 * mib, 16 * mib}, {16 * mib + 0x1000, 31 * mib}};
  EXPECT_EQ(ranges(), expected);
  build();
  ASSERT_EQ(segments().size(), 4u);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(segments()[i + 1].p_paddr, expected[i].first);
    EXPECT_EQ(segments()[i + 1].p_filesz, expected[i].second - expected[i].first);
  }
}

TEST_F(core_of, memory_outside_the_direct_map_has_no_segment) {
  facts.ram.add(0, 32 * mib);
  facts.direct_map_physical = 4 * mib;
  facts.direct_map_bytes = 8 * mib;
  EXPECT_EQ(ranges(), (spans{{4 * mib, 12 * mib}}));
  build();
  EXPECT_EQ(segments()[1].p_vaddr, direct_map);
  facts.direct_map_bytes = 0;
  EXPECT_EQ(ranges(), spans{});
}

TEST_F(core_of, a_kernel_has_memory_at_its_direct_map_addresses_one_behind_the_other) {
  facts.ram.add(0, 2 * mib);
  facts.ram.add(100 * mib, 3 * mib);
  build();
  ASSERT_EQ(segments().size(), 3u);
  uint64_t end = layout.header_bytes;
  for (size_t i = 1; i < 3; ++i) {
    const Elf64_Phdr s = segments()[i];
    EXPECT_EQ(s.p_type, unsigned{PT_LOAD});
    EXPECT_EQ(s.p_flags, unsigned{PF_R | PF_W});
    EXPECT_EQ(s.p_vaddr, direct_map + s.p_paddr);
    EXPECT_EQ(s.p_memsz, s.p_filesz);
    EXPECT_EQ(s.p_align, page_bytes);
    EXPECT_EQ(s.p_offset, end);
    end += s.p_filesz;
  }
  EXPECT_EQ(file_bytes, end);
}

// Against one flag for each page of 64 MiB.
TEST_F(core_of, any_map_has_just_its_pages_each_once_and_in_order) {
  std::mt19937 random(1);
  constexpr uint64_t pages = 64;
  for (int round = 0; round < 400; ++round) {
    facts.ram.count = facts.left_out.count = 0;
    std::vector<bool> ram(pages * page_bytes / 64), out(ram.size());  // a flag for each 64 bytes
    const auto add = [&](ram_map& map, std::vector<bool>& flags) {
      const uint64_t at = random() % flags.size();
      const uint64_t n = std::min<uint64_t>(random() % (flags.size() / 4), flags.size() - at);
      map.add(at * 64, n * 64);
      std::fill_n(flags.begin() + static_cast<std::ptrdiff_t>(at), n, true);
    };
    for (uint64_t i = random() % 8; i != 0; --i) add(facts.ram, ram);
    for (uint64_t i = random() % 5; i != 0; --i) add(facts.left_out, out);
    region = {random() % pages * page_bytes, random() % 4 * page_bytes};
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(region.physical / 64),
                std::min(region.bytes, pages * page_bytes - region.physical) / 64, true);
    spans expected;
    for (uint64_t page = 0; page < pages; ++page) {
      bool saved = true;
      for (uint64_t i = page * 64; i < page * 64 + 64; ++i) saved = saved && ram[i] && !out[i];
      if (!saved) continue;
      if (expected.empty() || expected.back().second != page * page_bytes)
        expected.emplace_back(page * page_bytes, page * page_bytes);
      expected.back().second += page_bytes;
    }
    ASSERT_EQ(ranges(), expected) << round;
  }
}

// --- The image.

TEST_F(core_of, a_segment_of_the_image_points_into_its_ranges_bytes) {
  facts.ram.add(0, mib / 2);
  facts.ram.add(mib, 31 * mib);
  add_image(0xffff'ffff'8020'0000, 2 * mib, 0x1'2345, PF_R | PF_X);
  build();
  ASSERT_EQ(segments().size(), 4u);
  const Elf64_Phdr s = segments()[3];
  EXPECT_EQ(s.p_vaddr, 0xffff'ffff'8020'0000);
  EXPECT_EQ(s.p_paddr, 2 * mib);
  EXPECT_EQ(s.p_filesz, 0x1'3000u) << "whole pages";
  EXPECT_EQ(s.p_flags, unsigned{PF_R | PF_X});
  EXPECT_EQ(s.p_offset, segments()[2].p_offset + mib);
  EXPECT_EQ(file_bytes, layout.header_bytes + mib / 2 + 31 * mib) << "no byte is there twice";
}

TEST_F(core_of, a_segment_of_the_image_that_is_not_saved_otherwise_has_bytes_of_its_own) {
  facts.ram.add(0, mib);
  add_image(0xffff'ffff'8010'0800, 16 * mib + 0x800, 0x1000, PF_R);
  add_image(0xffff'ffff'8020'0000, mib - 0x1000, 0x2000, PF_R);
  build();
  const auto all = segments();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[2].p_vaddr, 0xffff'ffff'8010'0000);
  EXPECT_EQ(all[2].p_paddr, 16 * mib);
  EXPECT_EQ(all[2].p_filesz, 0x2000u);
  EXPECT_EQ(all[2].p_offset, layout.header_bytes + mib);
  EXPECT_EQ(all[3].p_offset, all[2].p_offset + 0x2000) << "a half of it is saved, which does not help";
  EXPECT_EQ(file_bytes, layout.header_bytes + mib + 0x4000);
}

// --- Build id.

struct build_id_of : testing::Test {
  kernel_facts facts{};
  std::vector<unsigned char> notes;

  void add(const std::string& name, uint32_t type, const std::vector<unsigned char>& text) {
    const uint32_t words[] = {static_cast<uint32_t>(name.size() + 1), static_cast<uint32_t>(text.size()), type};
    const auto* raw = reinterpret_cast<const unsigned char*>(words);
    notes.insert(notes.end(), raw, raw + sizeof words);
    notes.insert(notes.end(), name.c_str(), name.c_str() + name.size() + 1);
    notes.resize((notes.size() + 3) / 4 * 4);
    notes.insert(notes.end(), text.begin(), text.end());
    notes.resize((notes.size() + 3) / 4 * 4);
  }
  bool find() {
    const std::vector<unsigned char> exact(notes);
    return facts.find_build_id(exact.data(), exact.data() + exact.size());
  }
};

TEST_F(build_id_of, a_kernel_is_found_among_other_notes) {
  add("Xen", 18, {1, 2, 3, 4});
  add("GNU", 5, {9, 9, 9});
  add("GNU", 3, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20});
  ASSERT_TRUE(find());
  EXPECT_EQ(facts.build_id_bytes, 20u);
  EXPECT_EQ(facts.build_id[0], 1);
  EXPECT_EQ(facts.build_id[19], 20);
  EXPECT_EQ(facts.build_id[20], 0);
}

TEST_F(build_id_of, a_kernel_that_is_longer_than_its_room_is_cut) {
  add("GNU", 3, std::vector<unsigned char>(40, 7));
  ASSERT_TRUE(find());
  EXPECT_EQ(facts.build_id_bytes, 32u);
}

TEST_F(build_id_of, a_kernel_that_is_not_there_or_cut_off_is_not_found) {
  EXPECT_FALSE(find());
  add("Xen", 3, {1, 2, 3, 4});
  EXPECT_FALSE(find());
  notes.clear();
  add("GNU", 3, std::vector<unsigned char>(20, 7));
  for (size_t n = notes.size() - 1; n != 0; --n) {
    notes.resize(n);
    EXPECT_FALSE(find()) << n;
  }
  EXPECT_EQ(facts.build_id_bytes, 0u);
}

}  // namespace
}  // namespace core_file_test
