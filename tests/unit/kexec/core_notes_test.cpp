// SPDX-License-Identifier: BSL-1.0
// The notes behind the handover, and the beginning of the core as whoever writes the rest of it reads it.
#include <lastcpu/kexec/core_reader.hpp>

#include <gtest/gtest.h>

#include <csetjmp>
#include <csignal>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "unit/kexec/toy_crash.hpp"

namespace core_notes_test {
namespace {

using namespace lastcpu::kexec;
using lastcpu::no_cpu;
using lastcpu::stop_state;
using lastcpu::test::toy_crash;
using lastcpu::test::toy_machine;

constexpr uint64_t mib = 1 << 20;

struct prstatus {
  std::string name;
  uint32_t type, pid;
  uint64_t words[toy_machine::prstatus_words];
};

struct core_of_a_crash : toy_crash {
  core_of_a_crash() {
    facts.ram.add(0, mib / 2);
    facts.ram.add(mib, 127 * mib);
    facts.direct_map_virtual = 0xffff'8000'0000'0000;
    facts.direct_map_bytes = 128 * mib;
    facts.image_count = 1;
    facts.image[0] = {0xffff'ffff'8020'0000, 2 * mib, mib, 5, 0};
  }
  [[nodiscard]] unsigned char* core() const { return memory + record.core; }
  [[nodiscard]] core_reader reader() const { return {core(), record.core_bytes}; }
  [[nodiscard]] std::string checked() const { return to_string(reader().check(left())); }
  [[nodiscard]] uint64_t notes_end() const { return reader().segment(0).file_bytes; }

  [[nodiscard]] std::vector<prstatus> threads() const {
    std::vector<prstatus> all;
    const unsigned char* at = core() + layout.behind_handover();
    const unsigned char* const end = core() + layout.notes + notes_end();
    for (; at < end; at += prstatus_note_bytes<toy_machine>) {
      prstatus p{reinterpret_cast<const char*>(at + 12), read_word<uint32_t>(at + 8), read_word<uint32_t>(at + 52), {}};
      EXPECT_EQ(read_word<uint32_t>(at), 5u);
      EXPECT_EQ(read_word<uint32_t>(at + 4), prstatus_bytes<toy_machine>);
      std::memcpy(p.words, at + 20 + 112, sizeof p.words);
      all.push_back(p);
    }
    EXPECT_EQ(at, end);
    return all;
  }
};

TEST_F(core_of_a_crash, each_cpu_that_answered_has_a_note_and_no_other_cpu_has) {
  EXPECT_TRUE(save(2, true));
  EXPECT_TRUE(save({0, stop_state::silent, false, nullptr, "", "", "", false}));
  regs.pc = 0x5678;
  EXPECT_TRUE(save(1, false));
  const auto all = threads();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "CORE");
  EXPECT_EQ(all[0].type, 1u) << "NT_PRSTATUS";
  EXPECT_EQ(all[0].pid, 3u) << "the crashing CPU is the first";
  EXPECT_EQ(all[1].pid, 2u);
  EXPECT_EQ(all[0].words[0], 0x1234u);
  EXPECT_EQ(all[1].words[0], 0x5678u);
  EXPECT_EQ(all[1].words[2], 0x7000u);
}

TEST_F(core_of_a_crash, cpus_without_control_words_have_a_note_all_the_same) {
  EXPECT_TRUE(save_note<toy_machine>(record, {0, stop_state::running, true, &regs, "", "", "", false},
                                     {nullptr, no_hardware_id}));
  ASSERT_EQ(threads().size(), 1u);
  EXPECT_EQ(threads()[0].words[2], 0u);
  EXPECT_FALSE(cpu(0)->has(handover_flag::control_valid));
}

TEST_F(core_of_a_crash, threads_have_numbers_of_their_own_and_none_has_0) {
  std::set<uint32_t> seen{0};
  for (const lastcpu::cpu_id id : {0u, 1u, 63u, 999'999u, 1'000'000u, no_cpu}) {
    for (uint32_t i = 0; i < (id < 1'000'000 ? 1u : 1000u); ++i) {
      if (id == 1'000'000) continue;  // no port has so many
      EXPECT_TRUE(seen.insert(thread_of(id, i)).second) << id << " " << i;
    }
  }
  EXPECT_EQ(thread_of(5, 100), 6u);
}

sigjmp_buf fault;

TEST_F(core_of_a_crash, a_note_that_a_fault_cuts_off_is_not_counted) {
  EXPECT_TRUE(save(0, true));
  const uint64_t before = notes_end();
  std::signal(SIGSEGV, [](int) { siglongjmp(fault, 1); });
  const registers* volatile nowhere = reinterpret_cast<const registers*>(0x10);  // volatile: nor does the compiler know
  if (sigsetjmp(fault, 1) == 0) detail::append_prstatus<toy_machine>(record, 9, *nowhere, nullptr);
  std::signal(SIGSEGV, SIG_DFL);
  EXPECT_EQ(notes_end(), before);
  EXPECT_TRUE(save(1, false));
  EXPECT_EQ(threads().back().pid, 2u);
}

TEST_F(core_of_a_crash, notes_are_written_in_their_room_and_nowhere_else) {
  for (lastcpu::cpu_id cpu = 0; cpu < 6; ++cpu) (void)save(cpu, cpu == 0);
  EXPECT_EQ(threads().size(), 4u);
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    const uint64_t good = layout.handover_bytes + 20 + random() % 5 * prstatus_note_bytes<toy_machine>;
    const uint64_t end = i % 3 == 0 ? random() : i % 3 == 1 ? good : good + random() % 2000 - 1000;
    write_word(core() + detail::note_segment_file_bytes, end);
    room().cpu_count = 1;
    const auto before = words;
    EXPECT_TRUE(save(1, false));
    const auto behind = static_cast<size_t>(layout.behind_handover());
    const auto room_for_notes = static_cast<size_t>(4 * prstatus_note_bytes<toy_machine>);
    for (size_t at = record.core + behind + room_for_notes; at < size; ++at)
      ASSERT_EQ(memory[at], reinterpret_cast<const unsigned char*>(before.data())[at]) << at;
    ASSERT_EQ(std::memcmp(memory, before.data(), record.core), 0);
  }
}

// --- The reader.

TEST_F(core_of_a_crash, is_whole_when_it_is_sealed) {
  EXPECT_TRUE(save(0, true));
  EXPECT_TRUE(save(1, false));
  EXPECT_EQ(checked(), to_string(core_error::none)) << "without a seal nobody can say more";
  seal();
  EXPECT_EQ(opened(), to_string(handover_error::none));
  EXPECT_EQ(checked(), to_string(core_error::none));
}

TEST_F(core_of_a_crash, whoever_writes_it_is_told_each_byte_once) {
  facts.image[0].physical = mib / 2;  // a hole: it has bytes of its own
  load();
  EXPECT_EQ(checked(), to_string(core_error::none));
  std::vector<elf64_segment> all;
  reader().for_each_new([&](const elf64_segment& s) { all.push_back(s); });
  ASSERT_EQ(all.size(), 4u) << "memory below the hole, behind it, behind the region, and the image";
  uint64_t end = layout.header_bytes;
  for (const elf64_segment& s : all) {
    EXPECT_EQ(s.file_offset, end);
    end += s.file_bytes;
  }
  EXPECT_EQ(all[2].physical_address, physical + size);
  EXPECT_EQ(all[3].physical_address, mib / 2);
  EXPECT_EQ(reader().file_bytes(), end);
  facts.image[0].physical = 2 * mib;
  load();
  EXPECT_EQ(reader().segment_count(), 5u);
  EXPECT_EQ(reader().file_bytes(), end - mib);
}

TEST_F(core_of_a_crash, any_bit_that_is_flipped_is_noticed) {
  EXPECT_TRUE(save(0, true));
  seal();
  for (uint64_t i = 0; i < record.core_bytes; ++i) {
    if (i == record.handover - record.core) i += left().bytes;
    core()[i] ^= 16;
    EXPECT_NE(checked(), to_string(core_error::none)) << i;
    core()[i] ^= 16;
  }
  EXPECT_EQ(checked(), to_string(core_error::none));
}

TEST_F(core_of_a_crash, damage_is_named_also_without_a_seal) {
  const auto expect = [&](core_error why, uint64_t at, auto value) {
    const auto before = words;
    write_word(core() + at, value);
    EXPECT_EQ(checked(), to_string(why)) << at;
    words = before;
  };
  constexpr uint64_t notes = 64, first = 64 + 56, second = first + 56, image = second + 2 * 56;
  expect(core_error::no_core, 0, uint32_t{0x7f});
  expect(core_error::no_core, 4, uint8_t{1});
  expect(core_error::no_core, 16, uint16_t{2});
  expect(core_error::no_core, 20, uint32_t{2});
  expect(core_error::wrong_machine, 18, uint16_t{62});
  expect(core_error::bad_headers, 32, uint64_t{65});
  expect(core_error::bad_headers, 54, uint16_t{57});
  expect(core_error::bad_headers, 56, uint16_t{0});
  expect(core_error::too_short, 56, uint16_t{0xffff});
  const uint64_t headers_that_fit = (record.core_bytes - 64) / 56;
  expect(core_error::too_short, 56, static_cast<uint16_t>(headers_that_fit + 1));
  expect(core_error::bad_notes, 56, static_cast<uint16_t>(headers_that_fit));
  expect(core_error::bad_notes, notes, uint32_t{1});
  expect(core_error::bad_notes, notes + 8, uint64_t{68});
  expect(core_error::bad_notes, notes + 8, uint64_t{1} << 40 | 4);
  expect(core_error::bad_notes, notes + 32, uint64_t{100});
  expect(core_error::bad_notes, notes + 32, ~uint64_t{0});
  expect(core_error::bad_segment, first, uint32_t{4});
  expect(core_error::bad_segment, first + 8, uint64_t{0});
  expect(core_error::bad_segment, second + 8, layout.header_bytes + mib / 2 + page_bytes);
  expect(core_error::bad_segment, image + 8, ~uint64_t{0});
  expect(core_error::bad_segment, first + 32, uint64_t{0});
  expect(core_error::bad_segment, first + 24, uint64_t{1});
  expect(core_error::above_map, first + 24, uint64_t{128} << 20);
  expect(core_error::above_map, first + 24, uint64_t{0} - page_bytes);
}

TEST_F(core_of_a_crash, no_byte_behind_its_end_is_read) {
  EXPECT_TRUE(save(0, true));
  seal();
  for (uint64_t n = 0; n < record.core_bytes; n += n < 512 ? 1 : 512) {
    const std::vector<unsigned char> cut(core(), core() + n);
    EXPECT_NE(core_reader(cut.data(), n).check(left()), core_error::none) << n;
  }
}

}  // namespace
}  // namespace core_notes_test
