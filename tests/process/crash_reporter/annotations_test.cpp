// SPDX-License-Identifier: BSL-1.0
// Notes with a key: what is kept, what is refused, and that a reader never sees half of one.
#include <lastcpu/process/crash_reporter.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace annotations_test {
namespace {

using namespace lastcpu::reporter_detail;
using lastcpu::annotation;

std::string all(const annotation_table& t) {
  std::string text;
  t.for_each([&](const char* key, const char* value) { text += std::string(key) + "=" + value + ";"; });
  return text;
}

struct annotations_of_a_process : testing::Test {
  std::unique_ptr<annotation_table> table = std::make_unique<annotation_table>();
};

TEST_F(annotations_of_a_process, keep_the_last_value_of_each_key_in_the_order_of_the_keys) {
  EXPECT_EQ(all(*table), "");
  EXPECT_EQ(table->set("request", "GET /a"), annotation::set);
  EXPECT_EQ(table->set("tenant", "7"), annotation::set);
  EXPECT_EQ(table->set("request", "GET /b"), annotation::set);
  EXPECT_EQ(all(*table), "request=GET /b;tenant=7;");
  EXPECT_EQ(table->set("request", ""), annotation::set);
  EXPECT_EQ(all(*table), "tenant=7;") << "an empty one is taken out";
  EXPECT_EQ(table->set("request", "GET /c"), annotation::set);
  EXPECT_EQ(all(*table), "request=GET /c;tenant=7;");
}

TEST_F(annotations_of_a_process, cut_what_is_longer_than_the_room_and_say_so) {
  EXPECT_EQ(table->set("k", std::string(159, 'x').c_str()), annotation::set);
  EXPECT_EQ(table->set("k", std::string(160, 'y').c_str()), annotation::set_cut);
  EXPECT_EQ(all(*table), "k=" + std::string(159, 'y') + ";");
  EXPECT_EQ(table->set("k", "short"), annotation::set);
  EXPECT_EQ(all(*table), "k=short;");
}

TEST_F(annotations_of_a_process, refuse_a_key_that_can_not_be_read_back) {
  for (const std::string& key : {std::string(), std::string(32, 'k'), std::string("a=b"), std::string("a\nb")})
    EXPECT_EQ(table->set(key.c_str(), "v"), annotation::bad_key) << key;
  EXPECT_EQ(table->set(nullptr, "v"), annotation::bad_key);
  EXPECT_EQ(table->set("k", nullptr), annotation::bad_key);
  EXPECT_EQ(all(*table), "");
  EXPECT_EQ(table->set(std::string(31, 'k').c_str(), "v"), annotation::set);
}

TEST_F(annotations_of_a_process, refuse_the_seventeenth_key_and_go_on_with_the_others) {
  for (int i = 0; i < 16; ++i) EXPECT_EQ(table->set(("k" + std::to_string(i)).c_str(), "v"), annotation::set);
  EXPECT_EQ(table->set("one more", "v"), annotation::full);
  EXPECT_EQ(table->set("k15", "w"), annotation::set);
  EXPECT_EQ(all(*table).find("one more"), std::string::npos);
}

TEST_F(annotations_of_a_process, say_in_words_what_became_of_one) {
  for (int a = 0; a <= static_cast<int>(annotation::busy); ++a)
    EXPECT_STRNE(lastcpu::to_string(static_cast<annotation>(a)), "unknown");
}

// A value is one letter, and its length says which.
TEST_F(annotations_of_a_process, are_read_whole_while_they_are_set) {
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 30'000; ++i)
      (void)table->set("k", std::string(static_cast<size_t>(100 + i % 26), static_cast<char>('a' + i % 26)).c_str());
    done = true;
  });
  unsigned torn = 0, read = 0;
  while (!done)
    table->for_each([&](const char*, const char* value) {
      const std::string v(value);
      ++read;
      torn += v != std::string(100 + static_cast<size_t>(v[0] - 'a'), v[0]);
    });
  writer.join();
  EXPECT_EQ(torn, 0u) << "of " << read;
}

TEST_F(annotations_of_a_process, can_be_set_by_many_threads) {
  std::atomic<unsigned> lost{0};
  const auto set = [this](const std::string& key, int n) {
    annotation how = annotation::busy;  // where this machine has other things to do
    while (how == annotation::busy) how = table->set(key.c_str(), std::to_string(n).c_str());
    return how;
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        const std::string key = "k" + std::to_string(i);
        for (int n = 0; n < 500; ++n) lost += set(key, n) != annotation::set;
      });
  }
  EXPECT_EQ(lost, 0u);
  for (int i = 0; i < 4; ++i) EXPECT_NE(all(*table).find("k" + std::to_string(i) + "=499;"), std::string::npos);
}

// The child of a fork that came in the middle of a change, by hand: it has no thread that would end it.
TEST(annotations_of_a_child, can_be_set_although_the_parent_was_setting_one) {
  alignas(annotation_table) static unsigned char room[sizeof(annotation_table)];
  auto* table = new (room) annotation_table;
  auto* writer = reinterpret_cast<uint32_t*>(room);
  *writer = own_pid();
  EXPECT_EQ(table->set("k", "v"), annotation::busy) << "bounded: the thread may be the one below this handler";
  *writer = own_pid() + 1;
  EXPECT_EQ(table->set("k", "v"), annotation::set);
  EXPECT_EQ(all(*table), "k=v;");
}

}  // namespace
}  // namespace annotations_test
