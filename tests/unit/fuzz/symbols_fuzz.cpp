// SPDX-License-Identifier: BSL-1.0
// Any bytes as the file behind a mapping: the name of a function comes out, or nothing. The first eight bytes are where in
// the file's memory the function is looked for.
#include <lastcpu/process/reporter/symbols.hpp>

#include <cstring>

#include "unit/fuzz/named_file.hpp"
#include "unit/fuzz/target.hpp"

namespace {

using namespace lastcpu::reporter_detail;

constexpr uintptr_t base = 0x7000'0000'0000;

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint64_t at = 0;
  if (size > lastcpu::test::guarded_bytes::room) return -1;
  const size_t head = size < sizeof at ? size : sizeof at;
  if (head != 0) std::memcpy(&at, data, head);
  const lastcpu::test::named_file file(data + head, size - head);
  mapping m{};
  m.start = base;
  m.end = base + (1 << 20);
  m.name = file.path;
  m.inode = file.inode;
  m.is_file = true;
  memory_map map;
  map.at = &m;
  map.count = 1;
  char first[256], again[256];
  text out(first), out_again(again);
  symbol_finder finder;
  finder.put(out, map, m, base + at);
  finder.put(out_again, map, m, base + at);
  LASTCPU_FUZZ_EXPECT(std::strcmp(first, again) == 0);
  LASTCPU_FUZZ_EXPECT(std::strlen(first) <= 120 && (first[0] == '\0' || (first[0] == ' ' && first[1] != '\0')));
  for (const char* c = first; *c != '\0'; ++c) LASTCPU_FUZZ_EXPECT(static_cast<unsigned char>(*c) >= ' ' && *c != 0x7f);
  return 0;
}
