// SPDX-License-Identifier: BSL-1.0
// Any bytes as what a kernel says of itself. What is accepted makes a core of just the size that was said, which the
// reader accepts, and which has no byte of the region and of what is left out.
#include <lastcpu/kexec/core_file.hpp>
#include <lastcpu/kexec/core_reader.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>

#include <cstring>
#include <memory>

#include "unit/fuzz/target.hpp"

namespace {

using namespace lastcpu::kexec;
using machine = lastcpu::x86::core_registers;

struct said {
  kernel_facts facts;
  ram_range region;
  uint32_t cpus;
};

bool overlap(const elf64_segment& s, const ram_range& r) {
  return s.physical_address < r.physical + r.bytes && r.physical < s.physical_address + s.file_bytes;
}

void expect_right(const unsigned char* core, const core_layout& layout, const said& s, uint64_t file_bytes,
                  uint64_t map_bytes) {
  handover h{};
  h.machine = static_cast<uint32_t>(machine::machine);
  h.bytes = layout.handover_bytes;
  h.map_bytes = map_bytes;
  const core_reader reader(core, layout.header_bytes);
  LASTCPU_FUZZ_EXPECT(reader.check(h) == core_error::none);
  LASTCPU_FUZZ_EXPECT(reader.file_bytes() == file_bytes);
  for (uint32_t i = 1; i < reader.segment_count(); ++i) {
    const elf64_segment segment = reader.segment(i);
    LASTCPU_FUZZ_EXPECT(s.region.bytes == 0 || !overlap(segment, s.region));
    for (uint32_t k = 0; k < s.facts.left_out.count; ++k)
      LASTCPU_FUZZ_EXPECT(s.facts.left_out.ranges[k].bytes == 0 || !overlap(segment, s.facts.left_out.ranges[k]));
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t map_bytes = uint64_t{1} << 47;
  static const lastcpu::test::guarded_bytes guarded;
  auto s = std::make_unique<said>();
  if (size > sizeof *s) return -1;
  if (size != 0) std::memcpy(s.get(), data, size);
  s->region.physical &= (map_bytes - 1) & ~(page_bytes - 1);
  s->region.bytes &= 0xff'f000;
  s->cpus = s->cpus % 16 + 1;
  const load_error wrong = check_contents(s->facts, s->region, map_bytes);
  LASTCPU_FUZZ_EXPECT(std::strlen(to_string(wrong)) > 5);
  if (wrong != load_error::none) return 0;
  core_layout layout;
  layout.place<machine>(s->facts, s->region, s->cpus);
  LASTCPU_FUZZ_EXPECT(layout.header_bytes <= guarded.room);
  unsigned char* const core = guarded.start + guarded.room - layout.header_bytes;
  core_builder builder(core, layout, s->facts, s->region);
  builder.build(machine::machine);
  expect_right(core, layout, *s, builder.file_bytes(), map_bytes);
  return 0;
}
