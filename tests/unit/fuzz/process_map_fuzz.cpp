// SPDX-License-Identifier: BSL-1.0
// Any bytes as /proc/self/smaps. What comes out lies in the room that was given, and can be searched.
#include <lastcpu/process/reporter/memory_map.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "unit/fuzz/named_file.hpp"
#include "unit/fuzz/target.hpp"

namespace {

using namespace lastcpu::reporter_detail;

constexpr size_t name_bytes = 512;
constexpr uint32_t most = 16;

void expect_usable(const memory_map& map, const char* names, const char* end) {
  LASTCPU_FUZZ_EXPECT(map.count <= most);
  for (uint32_t i = 0; i < map.count; ++i) {
    const mapping& m = map.at[i];
    LASTCPU_FUZZ_EXPECT(m.name >= names && m.name + std::strlen(m.name) < end);
    LASTCPU_FUZZ_EXPECT(m.is_file == (m.inode != 0));
    if (const mapping* found = map.find(m.start); found != nullptr)
      LASTCPU_FUZZ_EXPECT(found->start <= m.start && m.start < found->end);
    (void)map.base_of(m);
    if (m.shared && !ends_with(m.name, " (deleted)")) LASTCPU_FUZZ_EXPECT(bytes_for_core(m, true) == 0);
    if (m.left_out) LASTCPU_FUZZ_EXPECT(bytes_for_core(m, true) == 0);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const lastcpu::test::guarded_bytes guarded;
  if (size > guarded.room) return -1;
  const lastcpu::test::named_file file(data, size);
  char* const end = reinterpret_cast<char*>(guarded.start + guarded.room);
  mapping rows[most];
  memory_map map;
  map.at = rows;
  map.capacity = most;
  const bool any = fill_map(map, file.path, end - name_bytes, end);
  LASTCPU_FUZZ_EXPECT(any == (map.count != 0));
  expect_usable(map, end - name_bytes, end);
  return 0;
}
