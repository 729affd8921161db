// SPDX-License-Identifier: BSL-1.0
#include "child.hpp"

#include <lastcpu/platform/posix/present_memory.hpp>

#include <gtest/gtest.h>

#include <string>

namespace present_memory_test {
namespace {

using lastcpu::posix_detail::make_present;
using lastcpu::posix_detail::zero_after_fork;
using posix_test::must;

// Pages that nobody has touched, and which of them are in memory: one digit each.
class untouched_pages {
 public:
  untouched_pages() {
    void* p = mmap(nullptr, count * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(p != MAP_FAILED, "a few pages");
    first_ = static_cast<char*>(p);
  }
  ~untouched_pages() { munmap(first_, count * page_); }
  untouched_pages(const untouched_pages&) = delete;
  untouched_pages& operator=(const untouched_pages&) = delete;

  [[nodiscard]] std::string present() const {
    unsigned char there[count];
    must(mincore(first_, count * page_, there) == 0, "they are mapped");
    std::string s;
    for (const unsigned char t : there) s += (t & 1) != 0 ? '1' : '0';
    return s;
  }
  [[nodiscard]] char* at(size_t page) const { return first_ + page * page_; }
  [[nodiscard]] size_t page_bytes() const { return page_; }

 private:
  static constexpr size_t count = 6;
  size_t page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  char* first_;
};

TEST(make_present, brings_in_the_page_of_a_single_byte_wherever_it_is) {
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{4095}}) {
    const untouched_pages pages;
    ASSERT_EQ(pages.present(), "000000");
    make_present(pages.at(2) + offset, 1);
    EXPECT_EQ(pages.present(), "001000") << offset;
  }
}

TEST(make_present, brings_in_every_page_with_one_of_the_bytes_and_no_other) {
  const untouched_pages pages;
  make_present(pages.at(2) - 1, 2 + pages.page_bytes());
  EXPECT_EQ(pages.present(), "011100");
  make_present(pages.at(5), pages.page_bytes());
  EXPECT_EQ(pages.present(), "011101");
}

[[nodiscard]] long page_faults() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  return used.ru_minflt + used.ru_majflt;
}

// A page that can be read only, as every untouched one can, is a request to the kernel all the same.
TEST(make_present, makes_pages_that_a_store_needs_nothing_for) {
  constexpr size_t count = 256;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* p = mmap(nullptr, count * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(p, MAP_FAILED);
  ASSERT_EQ(madvise(p, count * page, MADV_NOHUGEPAGE), 0);
  make_present(p, count * page);
  const long before = page_faults();
  for (size_t i = 0; i < count; ++i) static_cast<volatile char*>(p)[i * page] = 1;
  EXPECT_LT(page_faults() - before, 64) << "of 256 pages; a sanitizer has some of its own";
  munmap(p, count * page);
}

TEST(zero_after_fork, zeros_every_byte_and_none_beside_them) {
  char bytes[64];
  memset(bytes, 'x', sizeof bytes);
  memset(bytes + 16, 0, 16);
  zero_after_fork(bytes + 8, 48);
  EXPECT_EQ(std::string(bytes, sizeof bytes), std::string(8, 'x') + std::string(48, '\0') + std::string(8, 'x'));
}

TEST(zero_after_fork, takes_no_copy_of_a_page_that_is_zero) {
  constexpr size_t count = 256;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* p = mmap(nullptr, count * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(p, MAP_FAILED);
  ASSERT_EQ(madvise(p, count * page, MADV_NOHUGEPAGE), 0);
  for (size_t i = 0; i < count; ++i) (void)static_cast<volatile char*>(p)[i * page];  // now they can be read
  const long before = page_faults();
  zero_after_fork(p, count * page);
  EXPECT_LT(page_faults() - before, 64) << "of 256 pages; a sanitizer has some of its own";
  munmap(p, count * page);
}

TEST(make_present, changes_no_byte) {
  const untouched_pages pages;
  *pages.at(1) = 'x';
  make_present(pages.at(0), 3 * pages.page_bytes());
  EXPECT_EQ(*pages.at(1), 'x');
  EXPECT_EQ(*pages.at(2), '\0');
}

}  // namespace
}  // namespace present_memory_test
