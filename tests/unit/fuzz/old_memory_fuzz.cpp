// SPDX-License-Identifier: BSL-1.0
// Any bytes as the dead kernel's memory, page tables and frames in it: nothing outside is read, and an address leads where
// a walk of its own says, which is written from the processor's description without a look at the reader.
#include <lastcpu/kexec/old_memory.hpp>
#include <lastcpu/platform/x86_64/page_walk.hpp>

#include <cstring>
#include <optional>

#include "unit/fuzz/target.hpp"

namespace {

using namespace lastcpu::kexec;

struct question {
  uint64_t root, address;
  uint32_t levels, hole;
};

// `mapped` has physical memory from 0 on, as far as `bytes`, but for one page.
struct machine {
  const unsigned char* mapped;
  uint64_t bytes, hole;

  [[nodiscard]] bool has(uint64_t at, uint64_t n) const {
    return at <= bytes && n <= bytes - at && (at + n <= hole || at >= hole + 4096);
  }
  [[nodiscard]] std::optional<uint64_t> word(uint64_t at) const {
    uint64_t value = 0;
    if (!has(at, 8)) return {};
    std::memcpy(&value, mapped + at, 8);
    return value;
  }
  [[nodiscard]] std::optional<uint64_t> leads_to(const question& q) const {
    const auto top = static_cast<int64_t>(q.address << (q.levels == 5 ? 7 : 16)) >> (q.levels == 5 ? 7 : 16);
    if (static_cast<uint64_t>(top) != q.address) return {};
    uint64_t table = q.root % (uint64_t{1} << 52) / 4096 * 4096;
    for (uint32_t level = q.levels; level > 0; --level) {
      const uint64_t covers = uint64_t{4096} << (9 * (level - 1));
      const auto entry = word(table + q.address / covers % 512 * 8);
      if (!entry || *entry % 2 == 0) return {};
      const uint64_t target = *entry % (uint64_t{1} << 52);
      if (level == 1 || (level < 4 && (*entry / 128) % 2 == 1)) return target / covers * covers + q.address % covers;
      table = target / 4096 * 4096;
    }
    return {};
  }
};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const lastcpu::test::guarded_bytes guarded;
  static handover h;
  question q{};
  if (size > guarded.room) return -1;
  if (size < sizeof q) return 0;
  std::memcpy(&q, data, sizeof q);
  const uint64_t bytes = (size - sizeof q) / 8 * 8;
  unsigned char* const memory = guarded.put(data + sizeof q, bytes);
  q.levels = 4 + q.levels % 2;
  const machine m{memory, bytes, uint64_t{q.hole} % 16 * 4096};
  h.page_tables = q.root;
  h.page_table_levels = q.levels;
  h.map_bytes = bytes;
  h.ram_count = 2;
  h.ram[0] = {0, m.hole};
  h.ram[1] = {m.hole + 4096, bytes > m.hole + 4096 ? bytes - m.hole - 4096 : 0};
  const old_memory<lastcpu::x86::page_walk> old(h, reinterpret_cast<uintptr_t>(memory));

  uint64_t physical = 0, word = 0;
  const auto want = m.leads_to(q);
  LASTCPU_FUZZ_EXPECT(old.translate(q.address, physical) == want.has_value());
  LASTCPU_FUZZ_EXPECT(!want || physical == *want);
  const bool readable = want && q.address % 8 == 0 && m.has(*want, 8);
  LASTCPU_FUZZ_EXPECT(old.read(q.address, word) == readable);
  LASTCPU_FUZZ_EXPECT(!readable || word == *m.word(*want));
  unsigned char copy[100];
  const bool copied = old.copy(q.address, copy, sizeof copy);
  LASTCPU_FUZZ_EXPECT(!copied || (want && std::memcmp(copy, memory + *want, 1) == 0));
  uint64_t counters[16];
  const uint32_t n = old.backtrace(1, q.address, counters, 16);
  LASTCPU_FUZZ_EXPECT(n >= 1 && n <= 16 && counters[0] == 1);
  return 0;
}
