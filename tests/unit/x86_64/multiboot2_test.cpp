// SPDX-License-Identifier: BSL-1.0
// The example kernel's reader of what GRUB hands over.
#include "kernel/multiboot2.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace multiboot2_test {
namespace {

using bytes = std::vector<unsigned char>;
constexpr uint64_t physical = 0x9'0000;

struct tag_list {
  tag_list() { put(0, 4), put(0, 4); }
  tag_list& put(uint64_t value, unsigned n) {
    for (unsigned i = 0; i < n; ++i) all.push_back(static_cast<unsigned char>(value >> 8 * i));
    return *this;
  }
  tag_list& tag(uint32_t type, const bytes& content) {
    put(type, 4), put(8 + content.size(), 4);
    all.insert(all.end(), content.begin(), content.end());
    while (all.size() % 8 != 0) all.push_back(0xee);
    return *this;
  }
  tag_list& words(uint32_t type, const std::vector<uint32_t>& values) {
    tag_list content;
    content.all.clear();
    for (const uint32_t v : values) content.put(v, 4);
    return tag(type, content.all);
  }
  tag_list& text(const std::string& s) {
    bytes content(s.begin(), s.end());
    content.push_back(0);
    return tag(1, content);
  }
  tag_list& end() { return put(0, 4), put(8, 4); }
  // In memory of just its size, so that a sanitizer sees a read behind it.
  const boot_info& read() {
    exact.assign(all.begin(), all.end());
    return info = multiboot2::read({exact.data(), physical, static_cast<uint32_t>(exact.size())});
  }
  bytes all, exact;
  boot_info info{};
};

TEST(multiboot2, tags_are_read_wherever_they_stand) {
  tag_list list;
  list.words(21, {1, 2, 3}).text("scenario=panic seed=7").words(3, {0x300'0000, 0x300'1234, 0}).end();
  const boot_info& info = list.read();
  EXPECT_STREQ(info.command_line, "scenario=panic seed=7");
  EXPECT_EQ(info.file.address, 0x300'0000u);
  EXPECT_EQ(info.file.bytes, 0x1234u);
  EXPECT_EQ(info.rsdp, 0u);
  EXPECT_EQ(info.ram.count, 0u);
}

TEST(multiboot2, first_module_is_the_file) {
  tag_list list;
  list.words(3, {0x5000, 0x5000, 0}).words(3, {0x1000, 0x1100, 0}).words(3, {0x2000, 0x2100, 0}).end();
  EXPECT_EQ(list.read().file.address, 0x1000u) << "an empty one is none";
}

TEST(multiboot2, memory_is_what_is_said_to_be_ram) {
  tag_list list;
  list.words(6, {24, 0, 0, 0, 0x9fc00, 0, 1, 0, 0xf0000, 0, 0x10000, 0, 2, 0, 0x100000, 1, 0xff00000, 2, 1, 0}).end();
  const boot_info& info = list.read();
  ASSERT_EQ(info.ram.count, 2u);
  EXPECT_EQ(info.ram.ranges[0].bytes, 0x9fc00u);
  EXPECT_EQ(info.ram.ranges[1].physical, 0x1'0010'0000u);
  EXPECT_EQ(info.ram.ranges[1].bytes, 0x2'0ff0'0000u);
}

TEST(multiboot2, entries_of_memory_have_the_size_that_they_say) {
  tag_list larger;
  larger.words(6, {32, 0, 0x1000, 0, 0x1000, 0, 1, 0, 9, 9, 0x3000, 0, 0x1000, 0, 1, 0, 9, 9}).end();
  EXPECT_EQ(larger.read().ram.count, 2u);
  EXPECT_EQ(larger.info.ram.ranges[1].physical, 0x3000u);
  for (const uint32_t size : {0u, 8u, 23u}) {
    tag_list smaller;
    smaller.words(6, {size, 0, 0x1000, 0, 0x1000, 0, 1, 0}).end();
    EXPECT_EQ(smaller.read().ram.count, 0u) << size;
  }
}

TEST(multiboot2, newer_rsdp_is_the_one_wherever_it_stands) {
  tag_list both, reversed, old;
  both.tag(14, bytes(20, 'o')).tag(15, bytes(36, 'n')).end();
  EXPECT_EQ(both.read().rsdp, physical + 8 + 32 + 8);
  reversed.tag(15, bytes(36, 'n')).tag(14, bytes(20, 'o')).end();
  EXPECT_EQ(reversed.read().rsdp, physical + 8 + 8);
  old.tag(14, bytes(20, 'o')).end();
  EXPECT_EQ(old.read().rsdp, physical + 8 + 8);
}

TEST(multiboot2, end_tag_ends_it) {
  tag_list list;
  list.text("before").end().text("behind");
  EXPECT_STREQ(list.read().command_line, "before");
}

TEST(multiboot2, tag_that_does_not_fit_ends_it) {
  for (const uint32_t size : {0u, 7u, 1000u, 0xffff'fff8u, 0xffff'ffffu}) {
    tag_list list;
    list.text("before").put(1, 4).put(size, 4).text("behind");
    EXPECT_STREQ(list.read().command_line, "before") << size;
  }
  tag_list cut;
  cut.text("before").text("behind");
  for (uint32_t n = 24; n < 39; ++n)  // the second tag ends at 39
    EXPECT_STREQ(multiboot2::read({cut.all.data(), physical, n}).command_line, "before") << n;
  EXPECT_STREQ(multiboot2::read({cut.all.data(), physical, 39}).command_line, "behind");
  EXPECT_STREQ(tag_list().read().command_line, "");
}

TEST(multiboot2, text_without_an_end_is_empty) {
  tag_list list;
  list.tag(1, {'n', 'o', ' ', 'e', 'n', 'd', '!', '!'}).end();
  EXPECT_STREQ(list.read().command_line, "");
  tag_list nothing;
  nothing.tag(1, {}).end();
  EXPECT_STREQ(nothing.read().command_line, "");
}

}  // namespace
}  // namespace multiboot2_test
