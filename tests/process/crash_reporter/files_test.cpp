// SPDX-License-Identifier: BSL-1.0
// What the report opens, writes and replaces: files, descriptors, a thread's signal stack.
#include <lastcpu/process/crash_reporter.hpp>

#include "died.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <string>
#include <thread>
#include <vector>

namespace files_test {
namespace {

using namespace lastcpu::reporter_detail;

TEST(core_file, takes_the_place_of_a_file_and_of_nothing_else) {
  const crash_reporter_test::folder here;
  const std::string path = here.file("core");
  core_file file;
  ASSERT_TRUE(file.open(path.c_str()));
  file.close();
  EXPECT_TRUE(core_file().open(path.c_str())) << "an older core";
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);  // as well as /dev/null
  core_file other;
  EXPECT_FALSE(other.open(path.c_str()));
  EXPECT_EQ(other.error(), EEXIST);
  struct stat st {};
  EXPECT_TRUE(stat(path.c_str(), &st) == 0 && S_ISFIFO(st.st_mode)) << "it has been removed";
}

TEST(write_all, ends_by_its_limit_where_the_descriptor_is_ready_and_takes_nothing) {
  const int fd = eventfd(0, EFD_NONBLOCK);
  const uint64_t nearly_full = 0xff00'0000'0000'0000;
  ASSERT_EQ(write(fd, &nearly_full, sizeof nearly_full), 8);
  alarm(5);
  EXPECT_FALSE(write_all(fd, "a report", 8, 50));
  alarm(0);
  close(fd);
}

TEST(core_path, with_a_sign_that_is_none_of_ours_is_refused) {
  char room[path_room];
  EXPECT_EQ(check_path("core_path", "/tmp/%e.%p.%t.%%", room), "");
  for (const char* path : {"/tmp/core.%h", "/tmp/core.%", "/tmp/%s/%p"})
    EXPECT_NE(check_path("core_path", path, room).find("use %p, %t, %e and %%"), std::string::npos) << path;
}

TEST(crash_reporter_thread, leaves_the_signal_stack_of_somebody_else_alone) {
  std::thread([] {
    std::vector<char> room(64 * 1024);
    {
      const lastcpu::crash_reporter_thread ours;
      stack_t theirs{};
      theirs.ss_sp = room.data();
      theirs.ss_size = room.size();
      EXPECT_EQ(sigaltstack(&theirs, nullptr), 0);
    }
    stack_t now{};
    EXPECT_EQ(sigaltstack(nullptr, &now), 0);
    EXPECT_EQ(now.ss_sp, room.data());
    EXPECT_EQ(now.ss_flags & SS_DISABLE, 0);
    now = {};
    now.ss_flags = SS_DISABLE;
    EXPECT_EQ(sigaltstack(&now, nullptr), 0);
  }).join();
}

TEST(report_map, knows_whether_it_says_what_is_kept_out_of_cores) {
  memory_map map;
  int error = 0;
  ASSERT_TRUE(read_map(map, true, error));
  EXPECT_TRUE(map.in_detail);
  ASSERT_TRUE(read_map(map, false, error));
  EXPECT_FALSE(map.in_detail);
}

TEST(report_files, that_are_pipes_without_a_writer_are_not_waited_for) {
  const std::string path = "/tmp/lastcpu-pipe-" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const long fd = open_for_reading(path.c_str());
  EXPECT_GE(fd, 0);
  close_fd(fd);
  unlink(path.c_str());
}

TEST(report_symbols, of_one_file_are_not_taken_for_those_of_another_with_the_same_inode_number) {
  memory_map map;
  int error = 0;
  ASSERT_TRUE(read_map(map, false, error));
  const auto here = reinterpret_cast<uintptr_t>(&fputs);
  const mapping* m = map.find(here);
  ASSERT_NE(m, nullptr);
  symbol_finder finder;
  char room[400];
  text out(room);
  finder.put(out, map, *m, here);
  ASSERT_NE(out.size(), 0u) << m->name;
  out.clear();
  mapping& other = map.at[m - map.at];
  other.name = "/another/file system/that has this number, too";
  finder.put(out, map, other, here + 1);
  EXPECT_STREQ(room, "");
}

TEST(core_writer, of_more_mappings_than_a_header_counts_has_them_all) {
  const crash_reporter_test::folder here;
  const std::string path = here.file("core");
  constexpr uint32_t most = 66'000;
  std::vector<mapping> table(most);
  for (uint32_t i = 0; i < most; ++i) table[i].start = (i + 1) * uintptr_t{8192}, table[i].end = table[i].start + 4096;
  for (mapping& m : table) m.name = "";
  memory_map map;
  map.at = table.data();
  map.count = map.capacity = most;
  alignas(4096) static char page[4096] = "the last one";
  const_cast<volatile char&>(page[0]) = 'T';  // what nobody has touched is not in a core
  table.back().start = reinterpret_cast<uintptr_t>(page);
  table.back().end = table.back().start + sizeof page;
  table.back().read = true;
  static crash_state state;
  settings.core_limit = 1 << 20;
  const core_outcome how = core_writer(state, map).write(path.c_str(), max_threads);
  EXPECT_EQ(how.error, 0);
  EXPECT_EQ(how.bytes, sizeof page);
  EXPECT_EQ(map.count, most) << "the highest ones, stack and libraries among them, are cut";
  const std::string said = crash_reporter_test::output_of({"readelf", "-lW", path});
  EXPECT_EQ(crash_reporter_test::count(said, "  LOAD "), most);
}

}  // namespace
}  // namespace files_test
