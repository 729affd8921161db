// SPDX-License-Identifier: BSL-1.0
// S-records: each field of each kind, what is left out, and that objcopy makes the same file of them.
#include <lastcpu/kexec/srecord.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace srecord_test {
namespace {

using namespace lastcpu::kexec;
using bytes = std::vector<unsigned char>;

struct srecord : testing::Test {
  std::vector<std::string> lines;
  struct keep {
    std::vector<std::string>* to;
    void operator()(const char* line) const {
      to->emplace_back(line);
      EXPECT_EQ(to->back().find('\n'), to->back().size() - 1) << "one whole line";
      to->back().pop_back();
    }
  };
  srecord_writer<keep> out{keep{&lines}};

  std::string add(uint64_t place, const bytes& data) { return to_string(out.add(place, data.data(), data.size())); }
  std::string end(uint64_t file_bytes = 0) { return to_string(out.end(file_bytes)); }
};

const std::string fine = to_string(srecord_problem::none);
using list = std::vector<std::string>;

TEST_F(srecord, begins_with_the_name) {
  out.begin("core");
  EXPECT_EQ(lines, list{"S0070000636F72654F"});
}

TEST_F(srecord, name_is_cut_behind_64_characters) {
  out.begin(std::string(100, 'x').c_str());
  EXPECT_EQ(lines[0].substr(0, 8), "S0430000");
  EXPECT_EQ(lines[0].size(), 8 + 2 * 64 + 2u);
}

TEST_F(srecord, row_has_count_place_data_and_checksum) {
  EXPECT_EQ(add(0x12345678, {1, 2, 0xff}), fine);
  EXPECT_EQ(lines, list{"S30812345678"
                        "0102FF"
                        "E1"});
}

TEST_F(srecord, count_and_checksum_are_right_in_each_row) {
  bytes data(1000);
  std::mt19937 random(1);
  for (unsigned char& b : data) b = static_cast<unsigned char>(random() | 1);
  out.begin("core");
  ASSERT_EQ(add(0xffff'0000, data), fine);
  ASSERT_EQ(end(), fine);
  for (const std::string& line : lines) {
    unsigned sum = 0;
    for (size_t i = 2; i < line.size(); i += 2)
      sum += static_cast<unsigned>(std::stoul(line.substr(i, 2), nullptr, 16));
    EXPECT_EQ(sum & 0xff, 0xffu) << line;
    EXPECT_EQ(std::stoul(line.substr(2, 2), nullptr, 16), (line.size() - 4) / 2) << line;
  }
}

TEST_F(srecord, row_has_64_bytes_at_most) {
  EXPECT_EQ(add(0x100, bytes(65, 7)), fine);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].substr(0, 12), "S34500000100");
  EXPECT_EQ(lines[1],
            "S306000001400"
            "7"
            "B1");
}

TEST_F(srecord, zeros_are_no_row) {
  EXPECT_EQ(add(0, bytes(100'000)), fine);
  EXPECT_EQ(lines, list{});
}

TEST_F(srecord, row_begins_and_ends_with_what_is_not_zero) {
  bytes data(300);
  data[100] = 1;
  data[102] = 2;
  EXPECT_EQ(add(0, data), fine);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].substr(0, 18),
            "S30800000064"
            "010002");
}

TEST_F(srecord, so_many_zeros_that_a_row_of_its_own_is_shorter_end_a_row) {
  for (const size_t zeros : {8u, 9u, 10u}) {
    lines.clear();
    bytes data(2 + zeros);
    data.front() = data.back() = 1;
    EXPECT_EQ(add(0, data), fine);
    EXPECT_EQ(lines.size(), zeros <= 8 ? 1u : 2u) << zeros;
  }
}

TEST_F(srecord, ends_with_the_number_of_rows_of_data) {
  out.begin("core");
  EXPECT_EQ(add(0, bytes(64 * 0x102, 1)), fine);
  EXPECT_EQ(out.rows(), 0x102u);
  lines.clear();
  EXPECT_EQ(end(), fine);
  EXPECT_EQ(lines, (list{"S5030102F9", "S70500000000FA"}));
}

TEST_F(srecord, number_of_rows_has_24_bits_where_16_are_not_enough) {
  for (const uint32_t rows : {0xffffu, 1u}) {
    for (uint32_t i = 0; i < rows; ++i) ASSERT_EQ(add(i, {1}), fine);
    lines.clear();
    EXPECT_EQ(end(), fine);
    EXPECT_EQ(lines[0], rows != 1 ? "S503FFFFFE" : "S604010000FA");
  }
}

TEST_F(srecord, no_more_rows_than_can_be_counted) {
  const auto none = [](const char*) {};
  srecord_writer<decltype(none)> many(none);
  const unsigned char one = 1;
  for (uint32_t i = 0; i < 0xff'ffff; ++i) ASSERT_EQ(many.add(i, &one, 1), srecord_problem::none);
  EXPECT_EQ(many.add(0, &one, 1), srecord_problem::too_many_rows);
  EXPECT_EQ(many.rows(), 0xff'ffffu);
  EXPECT_EQ(many.end(0x100'0000), srecord_problem::too_many_rows) << "its last byte";
  EXPECT_EQ(many.end(0), srecord_problem::none);
}

TEST_F(srecord, places_have_32_bits) {
  EXPECT_EQ(add(0xffff'fffe, {1, 2}), fine);
  lines.clear();
  EXPECT_EQ(add(0xffff'ffff, {1, 2}), to_string(srecord_problem::place_too_large));
  EXPECT_EQ(add(uint64_t{1} << 32, {1}), to_string(srecord_problem::place_too_large));
  EXPECT_EQ(end((uint64_t{1} << 32) + 1), to_string(srecord_problem::place_too_large));
  EXPECT_EQ(lines, list{}) << "and nothing that says that it is whole";
  EXPECT_EQ(add(uint64_t{1} << 32, {0}), fine) << "nothing is there";
}

TEST_F(srecord, file_is_as_long_as_it_is_to_be) {
  EXPECT_EQ(add(0, {1}), fine);
  EXPECT_EQ(end(0x1000), fine);
  EXPECT_EQ(lines, (list{"S3060000000001F8", "S30600000FFF00EB", "S5030002FA", "S70500000000FA"}));
  lines.clear();
  EXPECT_EQ(end(0x1000), fine) << "it is there already";
  EXPECT_EQ(lines.size(), 2u);
}

TEST_F(srecord, characters_are_counted) {
  out.begin("core");
  EXPECT_EQ(add(3, bytes(1000, 9)), fine);
  EXPECT_EQ(end(2000), fine);
  const auto length = [](size_t sum, const std::string& line) { return sum + line.size() + 1; };
  EXPECT_EQ(out.characters(), std::accumulate(lines.begin(), lines.end(), size_t{0}, length));
}

TEST_F(srecord, problems_have_texts_of_their_own) {
  const list texts{fine, to_string(srecord_problem::place_too_large), to_string(srecord_problem::too_many_rows),
                   to_string(srecord_problem{3})};
  for (size_t i = 0; i < texts.size(); ++i)
    for (size_t k = 0; k < i; ++k) EXPECT_NE(texts[i], texts[k]);
}

TEST_F(srecord, line_may_go_to_a_function) {
  static std::string said;
  said.clear();
  srecord_writer plain(+[](const char* line) { said += line; });
  plain.begin("x");
  EXPECT_EQ(said, "S00400007883\n");
}

// --- And back.

TEST_F(srecord, objcopy_makes_the_same_file_of_it) {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("srecord" + std::to_string(std::random_device{}()));
  std::filesystem::create_directories(folder);
  bytes file(100'000);
  std::mt19937 random(2);
  for (size_t i = 0; i < file.size(); ++i)
    if (i < 3000 || (i > 40'000 && i < 41'000) || random() % 100 == 0) file[i] = static_cast<unsigned char>(random());
  file[0] = 0x7f;  // where a binary file begins
  file.back() = 0;
  out.begin("core");
  for (size_t at = 0; at < file.size(); at += 500) ASSERT_EQ(to_string(out.add(at, &file[at], 500)), fine);
  ASSERT_EQ(end(file.size()), fine);
  std::ofstream text(folder / "core.srec", std::ios::binary);
  for (const std::string& line : lines) text << line << "\r\n";
  text.close();
  const std::string command =
      "objcopy -I srec -O binary " + (folder / "core.srec").string() + " " + (folder / "core").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << "next: apt-get install binutils";
  std::ifstream back(folder / "core", std::ios::binary);
  EXPECT_EQ(bytes(std::istreambuf_iterator<char>(back), {}), file);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace srecord_test
