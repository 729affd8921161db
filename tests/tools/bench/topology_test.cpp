// SPDX-License-Identifier: BSL-1.0
#include "topology.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>

namespace {

using namespace lastcpu_bench;
namespace fs = std::filesystem;

// A directory as the kernel shows it, for as long as a test needs it.
class fake_sysfs {
 public:
  fake_sysfs() {
    std::string pattern = fs::temp_directory_path() / "lastcpu_topology_XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) root_ = pattern;
  }
  ~fake_sysfs() { fs::remove_all(root_); }
  fake_sysfs(const fake_sysfs&) = delete;
  fake_sysfs& operator=(const fake_sysfs&) = delete;

  void add(int cpu, const std::string& siblings, int socket) const {
    const fs::path directory = root_ / ("cpu" + std::to_string(cpu)) / "topology";
    fs::create_directories(directory);
    std::ofstream{directory / "thread_siblings_list"} << siblings << '\n';
    std::ofstream{directory / "physical_package_id"} << socket << '\n';
  }
  [[nodiscard]] std::string path() const { return root_; }

 private:
  fs::path root_;
};

std::vector<int> numbers(int n, int from = 0) {
  std::vector<int> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), from);
  return out;
}

// Two cores, each one thread.
void make_laptop(const fake_sysfs& sysfs) {
  sysfs.add(0, "0", 0);
  sysfs.add(1, "1", 0);
}

// Two sockets of 64 cores of two threads; second threads are numbered from 128 on, as on many servers.
void make_server(const fake_sysfs& sysfs) {
  for (int cpu = 0; cpu < 256; ++cpu) {
    const int core = cpu % 128;
    sysfs.add(cpu, std::to_string(core) + "," + std::to_string(core + 128), core / 64);
  }
}

TEST(topology, laptop_of_two_cores_has_a_pair_in_its_socket_only) {
  const fake_sysfs sysfs;
  make_laptop(sysfs);
  const topology t{numbers(2), sysfs.path()};
  EXPECT_EQ(t.sockets(), 1u);
  EXPECT_EQ(t.cores(), 2u);
  EXPECT_EQ(t.threads_per_core(), 1u);
  EXPECT_EQ(t.same_socket().cpus, (std::vector{0, 1}));
  EXPECT_TRUE(t.same_socket().missing.empty());
  EXPECT_EQ(t.counts(), (std::vector<std::size_t>{1, 2}));
}

TEST(topology, placement_that_is_missing_says_why) {
  const fake_sysfs sysfs;
  make_laptop(sysfs);
  const topology t{numbers(2), sysfs.path()};
  EXPECT_TRUE(t.same_core().cpus.empty());
  EXPECT_NE(t.same_core().missing.find("no core has two hardware threads"), std::string::npos);
  EXPECT_TRUE(t.across().cpus.empty());
  EXPECT_NE(t.across().missing.find("in one socket"), std::string::npos);
  const topology alone{{1}, sysfs.path()};
  EXPECT_NE(alone.same_socket().missing.find("no socket has two cores"), std::string::npos);
}

TEST(topology, server_of_two_sockets_and_256_threads_has_every_pair) {
  const fake_sysfs sysfs;
  make_server(sysfs);
  const topology t{numbers(256), sysfs.path()};
  EXPECT_EQ(t.sockets(), 2u);
  EXPECT_EQ(t.cores(), 128u);
  EXPECT_EQ(t.threads_per_core(), 2u);
  EXPECT_EQ(t.same_core().cpus, (std::vector{0, 128}));
  EXPECT_EQ(t.same_socket().cpus, (std::vector{0, 1}));
  EXPECT_EQ(t.across().cpus, (std::vector{0, 64}));
  EXPECT_EQ(t.counts(), (std::vector<std::size_t>{1, 2, 4, 8, 16, 32, 64, 128, 256}));
}

TEST(topology, cpus_are_spread_over_cores_before_second_threads_are_used) {
  const fake_sysfs sysfs;
  make_server(sysfs);
  const topology t{numbers(256), sysfs.path()};
  EXPECT_EQ(t.spread(128), numbers(128));
  EXPECT_EQ(t.spread(129).back(), 128);
  EXPECT_EQ(t.spread(258), [] {
    std::vector<int> all = numbers(256);
    all.insert(all.end(), {0, 1});
    return all;
  }());
}

TEST(topology, spread_stays_in_a_socket_while_it_has_free_cores) {
  const fake_sysfs sysfs;  // sockets take turns, as some firmware numbers them
  for (int cpu = 0; cpu < 8; ++cpu) sysfs.add(cpu, std::to_string(cpu), cpu % 2);
  EXPECT_EQ((topology{numbers(8), sysfs.path()}.spread(5)), (std::vector{0, 2, 4, 6, 1}));
}

TEST(topology, counts_only_the_cpus_that_are_allowed) {
  const fake_sysfs sysfs;
  make_server(sysfs);
  const topology t{numbers(6, 62), sysfs.path()};
  EXPECT_EQ(t.allowed(), numbers(6, 62));
  EXPECT_EQ(t.sockets(), 2u);
  EXPECT_EQ(t.cores(), 6u);
  EXPECT_EQ(t.threads_per_core(), 1u);
  EXPECT_TRUE(t.same_core().cpus.empty());
  EXPECT_EQ(t.across().cpus, (std::vector{62, 64}));
  EXPECT_EQ(t.counts(), (std::vector<std::size_t>{1, 2, 4, 6}));
}

TEST(topology, host_that_says_nothing_is_a_socket_of_single_cores) {
  const topology t{{3, 5}, "/nowhere"};
  EXPECT_EQ(t.sockets(), 1u);
  EXPECT_EQ(t.cores(), 2u);
  EXPECT_EQ(t.same_socket().cpus, (std::vector{3, 5}));
}

TEST(topology, lists_of_cpus_are_read_and_written_as_the_kernel_does) {
  EXPECT_EQ(parse_cpu_list("0-3,8,10-11\n"), (std::vector{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(to_cpu_list({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(to_cpu_list({5}), "5");
  for (const char* wrong : {"", "\n", "x", "1,x", "3-1", "1-", "1;2", "0-4000000"})
    EXPECT_TRUE(parse_cpu_list(wrong).empty()) << wrong;
}

TEST(topology, this_thread_is_pinned_to_a_cpu_that_is_allowed) {
  const std::vector<int> before = allowed_cpus();
  ASSERT_FALSE(before.empty());
  ASSERT_TRUE(pin_to(before.back()));
  EXPECT_EQ(allowed_cpus(), std::vector{before.back()});
  EXPECT_FALSE(pin_to(60'000));
}

}  // namespace
