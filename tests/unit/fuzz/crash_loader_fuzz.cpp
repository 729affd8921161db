// SPDX-License-Identifier: BSL-1.0
// Any bytes as a crash kernel, and an opinion of its own on each: written from the description of ELF, in arithmetic
// that can't wrap, without a look at the loader.
//
// Accepted must be what is acceptable. After that every byte of the region is what it must be: the segments, zeros
// between and behind them, noise everywhere else below the control area; and the image is intact. After a refusal
// region and record are as they were. The file ends at a page that can't be read.

#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "unit/fuzz/target.hpp"
#include "unit/x86_64/reserved_memory.hpp"

namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::x86;
using lastcpu::test::bytes;
using lastcpu::test::guarded_bytes;
using lastcpu::test::reserved_memory;
__extension__ using wide = unsigned __int128;

constexpr uint64_t base = reserved_memory::physical;

struct span {
  uint64_t from, to;  // in the region
  uint64_t file_at, file_bytes;
  bool executable;
};

// A word that gets an address.
struct pointer {
  uint64_t at;  // in the region
  uint64_t value;
};

struct plan {
  std::vector<span> spans;
  std::vector<pointer> pointers = {};
  uint64_t from = ~uint64_t{0}, to = 0;
};

template <class T>
T read(const bytes& file, size_t at) {
  T value;
  std::memcpy(&value, &file.at(at), sizeof value);
  return value;
}

// A position-independent file moves by whole pages, and by whole units of every alignment.
struct move {
  uint64_t lowest, start;
  [[nodiscard]] uint64_t distance() const { return start - lowest; }
};

std::optional<move> move_of(const bytes& file, size_t headers, size_t count) {
  uint64_t lowest = ~uint64_t{0}, unit = page_bytes;
  for (size_t at = headers; at < headers + count * 56; at += 56) {
    if (read<uint32_t>(file, at) != 1 || read<uint64_t>(file, at + 40) == 0) continue;
    lowest = std::min(lowest, read<uint64_t>(file, at + 16));
    unit = std::max(unit, read<uint64_t>(file, at + 48));
  }
  uint64_t start = lowest % unit;  // the same in its unit, and not below the region
  while (start < base) {
    if (start + wide{unit} > base + (1 << 20)) return {};  // far behind the region's end
    start += unit;
  }
  return move{lowest, start};
}

// One program header; nothing when it makes the file unacceptable.
std::optional<std::vector<span>> spans_of(const bytes& file, size_t at, uint64_t limit, std::optional<move> moved) {
  const auto type = read<uint32_t>(file, at);
  if ((type == 2 && !moved) || type == 3) return {};
  const auto offset = read<uint64_t>(file, at + 8), address = read<uint64_t>(file, at + 16);
  const auto in_file = read<uint64_t>(file, at + 32);
  const auto physical = moved ? address + moved->distance() : read<uint64_t>(file, at + 24);
  const auto in_memory = read<uint64_t>(file, at + 40), align = read<uint64_t>(file, at + 48);
  if (type != 1) return std::vector<span>{};
  if (in_file > in_memory) return {};
  if (in_memory == 0) return std::vector<span>{};
  if (align > 1) {
    if (__builtin_popcountll(align) != 1) return {};
    if (address % align != offset % align || physical % align != address % align) return {};
  }
  if (moved && wide{moved->start} + (address - moved->lowest) > ~uint64_t{0}) return {};
  if (physical < base || wide{physical} + in_memory > wide{base} + limit) return {};
  if (wide{offset} + in_file > file.size()) return {};
  return std::vector<span>{
      {physical - base, physical - base + in_memory, offset, in_file, (read<uint32_t>(file, at + 4) & 1) != 0}};
}

bool header_is_acceptable(const bytes& file) {
  static constexpr unsigned char start[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  if (file.size() < 64 || std::memcmp(file.data(), start, sizeof start) != 0) return false;
  const auto type = read<uint16_t>(file, 16);
  return (type == 2 || type == 3) && read<uint16_t>(file, 18) == 62 && read<uint32_t>(file, 20) == 1 &&
         read<uint16_t>(file, 54) == 56;
}

// Where the file has [address, address + n) of a moved file's memory.
std::optional<size_t> file_place_of(const plan& p, uint64_t distance, uint64_t address, uint64_t n) {
  for (const span& s : p.spans) {
    const wide in_span = wide{address + distance - base} - s.from;
    if (address + distance - base >= s.from && in_span + n <= s.file_bytes)
      return s.file_at + static_cast<uint64_t>(in_span);
  }
  return {};
}

struct dynamic_table {
  uint64_t address = 0, size = 0, entry = 0;
};

std::optional<dynamic_table> acceptable_tags(const bytes& file, size_t at, uint64_t size) {
  dynamic_table table;
  for (; size >= 16; at += 16, size -= 16) {
    const auto tag = read<uint64_t>(file, at), value = read<uint64_t>(file, at + 8);
    if (tag == 0) break;
    if (tag == 7) table.address = value;
    if (tag == 8) table.size = value;
    if (tag == 9) table.entry = value;
    if (tag == 1) return {};
    const bool other =
        tag == 2 || tag == 18 || tag == 35 || tag == 0x6000'0010 || tag == 0x6000'0012 || tag == 0x6fff'e001;
    if (other && value != 0) return {};
  }
  return table;
}

bool moves_acceptably(const bytes& file, plan& p, uint64_t distance, size_t headers, size_t count) {
  std::optional<dynamic_table> table;
  for (size_t at = headers; at < headers + count * 56; at += 56) {
    if (read<uint32_t>(file, at) != 2) continue;
    const auto address = read<uint64_t>(file, at + 16), size = read<uint64_t>(file, at + 32);
    const auto tags = file_place_of(p, distance, address, size);
    if (table || !tags) return false;
    table = acceptable_tags(file, *tags, size);
    if (!table) return false;
  }
  if (!table || table->size == 0) return table.has_value();
  const auto from = file_place_of(p, distance, table->address, table->size);
  if (!from || table->entry != 24 || table->size % 24 != 0) return false;
  for (size_t at = *from; at < *from + table->size; at += 24) {
    const uint64_t to = read<uint64_t>(file, at) + distance - base;
    const auto info = read<uint64_t>(file, at + 8);
    const auto holds = [to](const span& s) { return to >= s.from && to <= s.to && s.to - to >= 8; };
    if (info == 0) continue;
    if (info != 8 || std::none_of(p.spans.begin(), p.spans.end(), holds)) return false;
    p.pointers.push_back({to, read<uint64_t>(file, at + 16) + distance});
  }
  return true;
}

std::optional<plan> acceptable_elf(const bytes& file, uint64_t limit) {
  if (!header_is_acceptable(file)) return {};
  const auto headers = read<uint64_t>(file, 32);
  const auto count = read<uint16_t>(file, 56);
  if (count > 128 || wide{headers} + wide{count} * 56 > file.size()) return {};
  std::optional<move> moved;
  if (read<uint16_t>(file, 16) == 3) {
    moved = move_of(file, headers, count);
    if (!moved) return {};
  }
  const uint64_t entry = read<uint64_t>(file, 24) + (moved ? moved->distance() : 0);
  plan p;
  bool entered = false;
  for (size_t i = 0; i < count; ++i) {
    const auto found = spans_of(file, headers + i * 56, limit, moved);
    if (!found) return {};
    for (const span& s : *found) {
      for (const span& other : p.spans)
        if (s.from < other.to && other.from < s.to) return {};
      p.spans.push_back(s);
      p.from = s.from < p.from ? s.from : p.from;
      p.to = s.to > p.to ? s.to : p.to;
      entered |= s.executable && entry >= base + s.from && entry - base - s.from < s.file_bytes;
    }
  }
  if (!entered || (moved && !moves_acceptably(file, p, moved->distance(), headers, count))) return {};
  return p;
}

std::optional<plan> acceptable_flat(const bytes& file, uint64_t limit) {
  if (file.empty() || file.size() > limit) return {};
  if (file.size() >= 4 && std::memcmp(file.data(), "\177ELF", 4) == 0) return {};
  return plan{{{0, file.size(), 0, file.size(), true}}, {}, 0, file.size()};
}

void expect_loaded(const reserved_memory& memory, const bytes& file, const plan& p, const crash_image_record& record) {
  bytes expected = memory.before;
  const auto shift = static_cast<size_t>(memory.first - memory.memory.data());
  std::memset(&expected[shift + p.from], 0, p.to - p.from);
  for (const span& s : p.spans)
    if (s.file_bytes != 0) std::memcpy(&expected[shift + s.from], &file[s.file_at], s.file_bytes);
  for (const pointer& word : p.pointers) std::memcpy(&expected[shift + word.at], &word.value, sizeof word.value);
  const size_t control = shift + record.control - crash_stack_bytes;
  const size_t end = shift + reserved_memory::size;
  LASTCPU_FUZZ_EXPECT(std::memcmp(memory.memory.data(), expected.data(), control) == 0);
  LASTCPU_FUZZ_EXPECT(std::memcmp(&memory.memory[end], &expected[end], expected.size() - end) == 0);
  LASTCPU_FUZZ_EXPECT(image_intact(record));
}

void load_and_judge(const bytes& file, bool flat) {
  static const guarded_bytes guarded;
  static reserved_memory memory;
  static const crash_image_record nothing{};
  crash_image_record record{};
  load_options options = reserved_memory::options();
  options.flat = flat;
  lastcpu::x86::detail::control_layout layout{};
  LASTCPU_FUZZ_EXPECT(layout.place(memory.region(), options, false));
  const auto want = flat ? acceptable_flat(file, layout.stack) : acceptable_elf(file, layout.stack);

  const unsigned char* at = guarded.put(file.data(), file.size());
  const load_error got = load_crash_kernel(memory.region(), at, file.size(), options, record);
  LASTCPU_FUZZ_EXPECT((got == load_error::none) == want.has_value());
  LASTCPU_FUZZ_EXPECT(std::strlen(to_string(got)) > 5);
  if (want) {
    expect_loaded(memory, file, *want, record);
    memory.memory = memory.before;
  } else {
    LASTCPU_FUZZ_EXPECT(memory.untouched());
    LASTCPU_FUZZ_EXPECT(std::memcmp(&record, &nothing, sizeof record) == 0);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > guarded_bytes::room) return -1;
  const bytes file(data, data + size);
  load_and_judge(file, false);
  load_and_judge(file, true);
  return 0;
}
