// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <csetjmp>

#include "fake_disk.hpp"

namespace core_writer_test {
namespace {

using dump_test::core_in_memory;
using dump_test::fake_disk;
using dump_test::fake_world;
using dump_test::request;
using lastcpu::kexec::xxh64;

/// Two ranges, 64 KiB and 96 KiB, and a disk of their size.
struct core_writer_test : testing::Test {
  core_in_memory core;
  core_plan plan;
  core_limits limits{1'000'000, 10'000'000};
  core_sums sums;

  void SetUp() override {
    core.add_memory(0x1000, 64 << 10);
    core.add_memory(0x20000, 96 << 10);
    ASSERT_TRUE(plan.read(core.header(), core_in_memory::header_bytes));
  }

  dump_problem write(fake_disk& disk) {
    fake_world world(core);
    return write(disk, world);
  }
  dump_problem write(fake_disk& disk, fake_world& world) {
    core_writer<fake_disk, fake_world> writer(disk, world, plan, sums, core.words(), limits);
    const dump_problem p = writer.run();
    valid = writer.valid_bytes();
    header_tells = writer.header_tells();
    return p;
  }

  uint64_t valid = 0;
  bool header_tells = false;
};

template <class T>
T at(const fake_disk& disk, uint64_t offset) {
  T v;
  std::memcpy(&v, disk.file.data() + offset, sizeof v);
  return v;
}
uint64_t valid_on(const fake_disk& d) {
  return at<uint64_t>(d, core_in_memory::words_at);
}
uint32_t state_on(const fake_disk& d) {
  return at<uint32_t>(d, core_in_memory::words_at + 8);
}
uint32_t problem_on(const fake_disk& d) {
  return at<uint32_t>(d, core_in_memory::words_at + 12);
}

bool has_memory_up_to(core_in_memory& core, const core_plan& plan, const fake_disk& disk, uint64_t end) {
  for (uint32_t i = 0; i < plan.count(); ++i)
    for (uint64_t k = 0; k < plan[i].bytes && plan[i].offset + k < end; ++k)
      if (disk.file[plan[i].offset + k] != core.memory()[plan[i].physical + k]) return false;
  return true;
}

TEST_F(core_writer_test, all_of_memory_is_on_the_disk_and_the_header_says_complete) {
  fake_disk disk(core);
  EXPECT_EQ(write(disk), dump_problem::none);
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, core.file_bytes()));
  EXPECT_EQ(state_on(disk), 2u);
  EXPECT_EQ(problem_on(disk), 0u);
  EXPECT_EQ(valid_on(disk), core.file_bytes());
}

TEST_F(core_writer_test, four_pieces_are_in_flight_and_a_header_now_and_then) {
  fake_disk disk(core);
  disk.delay = [](auto&) { return 20; };
  EXPECT_EQ(write(disk), dump_problem::none);
  EXPECT_EQ(disk.most_in_flight, 5u);
}

TEST_F(core_writer_test, a_disk_with_room_for_one_request_gets_one_at_a_time) {
  fake_disk disk(core);
  disk.slot_count = 1;
  EXPECT_EQ(write(disk), dump_problem::none);
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, core.file_bytes()));
  EXPECT_EQ(disk.most_in_flight, 1u);
}

TEST_F(core_writer_test, the_header_says_incomplete_before_the_first_byte_of_memory) {
  fake_disk disk(core);
  bool seen = false;
  disk.meanwhile = [&](const request& r) {
    if (r.offset < core_in_memory::header_bytes || seen) return;
    seen = true;
    EXPECT_EQ(state_on(disk), 1u);
    EXPECT_EQ(valid_on(disk), core_in_memory::header_bytes);
  };
  EXPECT_EQ(write(disk), dump_problem::none);
  EXPECT_TRUE(seen);
}

TEST_F(core_writer_test, the_header_says_complete_behind_a_flush_of_everything_else) {
  fake_disk disk(core);
  EXPECT_EQ(write(disk), dump_problem::none);
  ASSERT_GE(disk.asked.size(), 3u);
  const request* last = &disk.asked.back();
  EXPECT_TRUE(last[0].flush);
  EXPECT_EQ(last[-1].offset, 0u);
  EXPECT_TRUE(last[-2].flush);
  EXPECT_EQ(2, std::count_if(disk.asked.begin(), disk.asked.end(), [](const request& r) { return r.flush; }));
}

TEST_F(core_writer_test, a_disk_without_a_cache_is_not_flushed) {
  fake_disk disk(core);
  disk.flushes = false;
  EXPECT_EQ(write(disk), dump_problem::none);
  EXPECT_EQ(0, std::count_if(disk.asked.begin(), disk.asked.end(), [](const request& r) { return r.flush; }));
}

TEST_F(core_writer_test, what_the_header_says_on_the_way_is_there) {
  fake_disk disk(core);
  disk.delay = [n = 0u](auto&) mutable { return 1 + 7 * (n++ % 3); };  // out of order
  uint32_t headers = 0;
  disk.behind = [&](const request& r) {
    if (r.flush || r.offset >= core_in_memory::header_bytes) return;
    ++headers;
    EXPECT_TRUE(has_memory_up_to(core, plan, disk, valid_on(disk))) << valid_on(disk);
  };
  EXPECT_EQ(write(disk), dump_problem::none);
  EXPECT_GE(headers, 5u);
}

TEST_F(core_writer_test, each_range_has_its_sum_in_a_block_behind_the_core) {
  fake_disk disk(core);
  EXPECT_EQ(write(disk), dump_problem::none);
  const uint64_t block = core.file_bytes();
  EXPECT_EQ(0, std::memcmp(disk.file.data() + block, "lcpusums", 8));
  EXPECT_EQ(at<uint64_t>(disk, block + 8), 2u);
  for (uint32_t i = 0; i < 2; ++i) {
    xxh64 sum;
    sum.add(core.memory().data() + plan[i].physical, plan[i].bytes);
    EXPECT_EQ(at<uint64_t>(disk, block + 16 + i * 24), plan[i].offset);
    EXPECT_EQ(at<uint64_t>(disk, block + 24 + i * 24), plan[i].bytes);
    EXPECT_EQ(at<uint64_t>(disk, block + 32 + i * 24), sum.value());
  }
  xxh64 all;
  all.add(disk.file.data() + block, 64);
  EXPECT_EQ(at<uint64_t>(disk, block + 64), all.value());
}

TEST_F(core_writer_test, nothing_but_its_three_words_changes_in_the_header) {
  fake_disk disk(core);
  std::vector<unsigned char> before(core.header(), core.header() + core_in_memory::header_bytes);
  EXPECT_EQ(write(disk), dump_problem::none);
  std::memcpy(before.data() + core_in_memory::words_at, core.header() + core_in_memory::words_at, 16);
  EXPECT_EQ(0, std::memcmp(disk.file.data(), before.data(), before.size()));
}

TEST_F(core_writer_test, a_disk_that_has_the_size_of_the_core_gets_no_sums) {
  fake_disk disk(core);
  disk.capacity = core.file_bytes();
  EXPECT_EQ(write(disk), dump_problem::none);
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, core.file_bytes()));
  EXPECT_EQ(state_on(disk), 2u);
}

TEST(core_sums_test, the_most_ranges_that_there_are_fit_into_the_block) {
  core_sums sums;
  sums.begin();
  for (uint32_t i = 0; i <= core_plan::most_ranges; ++i) sums.add({i, i, i}, i);
  sums.finish();
  EXPECT_LE(core_sums::bytes(core_plan::most_ranges), sizeof sums);
  EXPECT_EQ(lastcpu::kexec::read_word<uint64_t>(sums.data() + 8), core_plan::most_ranges);
}

TEST_F(core_writer_test, a_disk_with_sectors_of_4_kib_gets_whole_ones) {
  fake_disk disk(core);
  disk.unit = 4096;
  EXPECT_EQ(write(disk), dump_problem::none);
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, core.file_bytes()));
  EXPECT_EQ(0, std::memcmp(disk.file.data() + core.file_bytes(), "lcpusums", 8));
  EXPECT_EQ(state_on(disk), 2u);
}

TEST_F(core_writer_test, a_line_comes_at_each_ten_percent) {
  fake_disk disk(core);
  fake_world world(core);
  EXPECT_EQ(write(disk, world), dump_problem::none);
  EXPECT_GE(world.said.size(), 5u);
  EXPECT_LE(world.said.size(), 10u);
}

TEST_F(core_writer_test, a_line_of_a_slow_disk_comes_each_quarter_of_a_second) {
  fake_disk disk(core);
  fake_world world(core);
  limits = {~uint64_t{0} >> 1, ~uint64_t{0} >> 1};
  disk.most = 512;
  world.us_per_look = 10'000;
  EXPECT_EQ(write(disk, world), dump_problem::none);
  EXPECT_GT(world.said.size(), 20u);
  for (size_t i = 1; i < world.said_at.size(); ++i) {
    const bool far = world.said[i] - world.said[i - 1] >= (160u << 10) / 10;
    EXPECT_TRUE(far || world.said_at[i] - world.said_at[i - 1] >= 250'000);
  }
}

TEST_F(core_writer_test, an_error_ends_it_and_the_header_says_up_to_where_and_why) {
  fake_disk disk(core);
  const uint64_t bad = core_in_memory::header_bytes + 5 * 8192;
  disk.answer = [=](const request& r) { return r.offset == bad ? block_answer::io_error : block_answer::ok; };
  EXPECT_EQ(write(disk), dump_problem::io_error);
  EXPECT_EQ(valid, bad);
  EXPECT_TRUE(header_tells);
  EXPECT_EQ(state_on(disk), 1u);
  EXPECT_EQ(problem_on(disk), static_cast<uint32_t>(dump_problem::io_error));
  EXPECT_EQ(valid_on(disk), bad);
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, bad));
}

TEST_F(core_writer_test, a_disk_that_fails_at_once_has_nothing_on_it) {
  fake_disk disk(core);
  disk.answer = [](auto&) { return block_answer::io_error; };
  EXPECT_EQ(write(disk), dump_problem::io_error);
  EXPECT_EQ(valid, 0u);
  EXPECT_FALSE(header_tells);
  EXPECT_EQ(disk.asked.size(), 1u);
}

TEST_F(core_writer_test, a_request_without_an_answer_ends_it_within_the_bounds) {
  fake_disk disk(core);
  fake_world world(core);
  const uint64_t dead = core_in_memory::header_bytes + 3 * 8192;
  disk.answer = [=](const request& r) { return r.offset == dead ? block_answer::none : block_answer::ok; };
  world.us_per_look = 100;
  EXPECT_EQ(write(disk, world), dump_problem::request_too_slow);
  EXPECT_EQ(valid, dead);
  EXPECT_TRUE(header_tells);
  EXPECT_EQ(valid_on(disk), dead);
  EXPECT_LT(world.us, 3 * limits.request_us);
}

TEST_F(core_writer_test, a_disk_that_dies_on_the_way_keeps_the_header_of_the_last_progress) {
  fake_disk disk(core);
  fake_world world(core);
  const uint64_t dead = core_in_memory::header_bytes + 12 * 8192;
  bool died = false;
  disk.answer = [&](const request& r) {
    died = died || r.offset == dead;
    return died ? block_answer::none : block_answer::ok;
  };
  world.us_per_look = 100;
  EXPECT_EQ(write(disk, world), dump_problem::request_too_slow);
  EXPECT_FALSE(header_tells);
  EXPECT_EQ(state_on(disk), 1u);
  EXPECT_GT(valid_on(disk), core_in_memory::header_bytes);
  EXPECT_LE(valid_on(disk), dead);
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, valid_on(disk)));
  EXPECT_LT(world.us, 6 * limits.request_us);
}

TEST_F(core_writer_test, a_disk_that_answers_each_time_and_is_too_slow_ends_it_within_the_bound_for_all) {
  fake_disk disk(core);
  fake_world world(core);
  disk.most = 512;
  world.us_per_look = 50'000;
  limits.all_us = 3'000'000;
  EXPECT_EQ(write(disk, world), dump_problem::dump_too_slow);
  EXPECT_GT(valid, core_in_memory::header_bytes);
  EXPECT_TRUE(header_tells);
  EXPECT_EQ(valid_on(disk), valid);
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, valid));
  EXPECT_LT(world.us, limits.all_us + 12 * limits.request_us);
}

TEST_F(core_writer_test, a_disk_that_is_too_small_gets_what_fits) {
  fake_disk disk(core);
  disk.capacity = core_in_memory::header_bytes + (100 << 10) + 100;
  EXPECT_EQ(write(disk), dump_problem::too_small);
  EXPECT_EQ(valid, core_in_memory::header_bytes + (100 << 10));
  EXPECT_EQ(valid_on(disk), valid);
  EXPECT_EQ(problem_on(disk), static_cast<uint32_t>(dump_problem::too_small));
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, valid));
}

TEST_F(core_writer_test, a_disk_without_room_for_the_header_is_left_alone) {
  fake_disk disk(core);
  disk.capacity = core_in_memory::header_bytes - 512;
  EXPECT_EQ(write(disk), dump_problem::too_small);
  EXPECT_EQ(valid, 0u);
  EXPECT_TRUE(disk.asked.empty());
}

TEST_F(core_writer_test, a_disk_that_is_read_only_is_left_alone) {
  fake_disk disk(core);
  disk.is_read_only = true;
  EXPECT_EQ(write(disk), dump_problem::read_only);
  EXPECT_TRUE(disk.asked.empty());
}

TEST_F(core_writer_test, a_header_that_is_never_answered_leaves_the_core_incomplete) {
  fake_disk disk(core);
  fake_world world(core);
  uint32_t headers = 0;
  disk.answer = [&](const request& r) {
    const bool on_the_way = !r.flush && r.offset == 0 && r.bytes == 4096;
    return on_the_way && ++headers != 0 ? block_answer::none : block_answer::ok;
  };
  world.us_per_look = 100;
  EXPECT_EQ(write(disk, world), dump_problem::request_too_slow);
  EXPECT_NE(headers, 0u);
  EXPECT_EQ(state_on(disk), 1u);
}

TEST_F(core_writer_test, a_flush_that_fails_leaves_the_core_incomplete) {
  fake_disk disk(core);
  uint32_t flushes = 0;
  disk.answer = [&](const request& r) { return r.flush && flushes++ == 0 ? block_answer::io_error : block_answer::ok; };
  EXPECT_EQ(write(disk), dump_problem::io_error);
  EXPECT_EQ(state_on(disk), 1u);
}

TEST_F(core_writer_test, a_disk_that_talks_nonsense_ends_it_within_the_bounds) {
  fake_disk disk(core);
  fake_world world(core);
  disk.talks_nonsense = true;
  world.us_per_look = 100;
  EXPECT_EQ(write(disk, world), dump_problem::nonsense);
  EXPECT_LT(world.us, 3 * limits.request_us);
}

TEST_F(core_writer_test, a_fault_on_the_way_leaves_a_header_that_says_so) {
  jmp_buf fault;
  fake_disk disk(core);
  fake_world world(core);
  disk.meanwhile = [&](const request& r) {
    if (r.offset == core_in_memory::header_bytes + 6 * 8192) longjmp(fault, 1);
  };
  core_writer<fake_disk, fake_world> writer(disk, world, plan, sums, core.words(), limits);
  if (setjmp(fault) == 0) (void)writer.run();
  writer.abandon(dump_problem::fault);
  EXPECT_TRUE(writer.header_tells());
  EXPECT_EQ(problem_on(disk), static_cast<uint32_t>(dump_problem::fault));
  EXPECT_EQ(state_on(disk), 1u);
  EXPECT_EQ(valid_on(disk), writer.valid_bytes());
  EXPECT_GT(valid_on(disk), core_in_memory::header_bytes);
  EXPECT_TRUE(has_memory_up_to(core, plan, disk, valid_on(disk)));
  const size_t asked = disk.asked.size();
  writer.abandon(dump_problem::fault);
  EXPECT_EQ(disk.asked.size(), asked) << "once is enough";
}

TEST_F(core_writer_test, a_fault_before_the_header_is_there_writes_nothing) {
  fake_disk disk(core);
  fake_world world(core);
  core_writer<fake_disk, fake_world> writer(disk, world, plan, sums, core.words(), limits);
  writer.abandon(dump_problem::fault);
  EXPECT_TRUE(disk.asked.empty());
  EXPECT_EQ(writer.valid_bytes(), 0u);
}

TEST(dump_problem_test, each_has_a_sentence_and_a_remedy) {
  for (uint32_t i = 0; i <= static_cast<uint32_t>(dump_problem::fault); ++i) {
    EXPECT_STRNE(to_string(dump_problem{i}), to_string(dump_problem{999})) << i;
    EXPECT_STRNE(remedy(dump_problem{i}), remedy(dump_problem{999})) << i;
  }
}

}  // namespace
}  // namespace core_writer_test
