// SPDX-License-Identifier: BSL-1.0
// The corpus, and what is near it, under every preset. A file that once made the fuzzer stop is kept in the corpus.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "unit/fuzz/target.hpp"

extern const char corpus_folder[];  // CMakeLists.txt defines it

namespace {

using bytes = std::vector<uint8_t>;

std::vector<std::filesystem::path> corpus() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(corpus_folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

bytes content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void judge(const bytes& file) {
  EXPECT_EQ(LLVMFuzzerTestOneInput(file.data(), file.size()), 0);
}

// Beyond it a sixteenth at a time.
constexpr size_t longest_that_loses_byte_by_byte = 2048;

struct corpus_file : testing::TestWithParam<std::filesystem::path> {};

TEST_P(corpus_file, is_judged_rightly) {
  judge(content(GetParam()));
}

TEST_P(corpus_file, is_judged_rightly_at_every_length) {
  bytes file = content(GetParam());
  for (; file.size() > longest_that_loses_byte_by_byte; file.resize(file.size() * 15 / 16)) judge(file);
  for (; !file.empty(); file.pop_back()) judge(file);
  judge(file);
}

TEST_P(corpus_file, is_judged_rightly_with_any_byte_of_its_headers_changed) {
  bytes file = content(GetParam());
  for (size_t i = 0; i < std::min<size_t>(file.size(), 64 + 4 * 56); ++i) {
    for (const unsigned change : {0x01u, 0x10u, 0x80u, 0xffu}) {
      const uint8_t was = file[i];
      file[i] = static_cast<uint8_t>(was ^ change);
      judge(file);
      file[i] = was;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(fuzz, corpus_file, testing::ValuesIn(corpus()),
                         [](const testing::TestParamInfo<std::filesystem::path>& file) {
                           return file.param.stem().string();
                         });

}  // namespace
