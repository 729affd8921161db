// SPDX-License-Identifier: BSL-1.0
// Any bytes as the beginning of a core. What is accepted can be written: each segment that brings bytes begins where the
// file has ended, and comes from memory that is mapped; each other one points into what is there.
#include <lastcpu/kexec/core_reader.hpp>

#include <cstring>

#include "unit/fuzz/target.hpp"

namespace {

using namespace lastcpu::kexec;
__extension__ using wide = unsigned __int128;

const handover& of_a_small_machine() {
  static handover h;
  h.machine = 62;
  h.bytes = sizeof h;
  h.map_bytes = 128 << 20;
  return h;
}

void expect_writable(const core_reader& core, uint64_t beginning) {
  const elf64_segment notes = core.segment(0);
  LASTCPU_FUZZ_EXPECT(wide{notes.file_offset} + notes.file_bytes <= beginning);
  LASTCPU_FUZZ_EXPECT(notes.file_bytes >= note_header_bytes + sizeof(handover) && notes.file_offset % 8 == 4);
  uint64_t end = beginning;
  core.for_each_new([&](const elf64_segment& s) {
    LASTCPU_FUZZ_EXPECT(s.file_offset == end && s.file_bytes != 0);
    end += s.file_bytes;
  });
  LASTCPU_FUZZ_EXPECT(core.file_bytes() == end);
  for (uint32_t i = 1; i < core.segment_count(); ++i) {
    const elf64_segment s = core.segment(i);
    LASTCPU_FUZZ_EXPECT(s.file_offset >= beginning && wide{s.file_offset} + s.file_bytes <= end);
    LASTCPU_FUZZ_EXPECT(wide{s.physical_address} + s.file_bytes <= 128 << 20);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const lastcpu::test::guarded_bytes guarded;
  if (size > guarded.room) return -1;
  const core_reader core(guarded.put(data, size), size);
  const core_error got = core.check(of_a_small_machine());
  LASTCPU_FUZZ_EXPECT(std::strlen(to_string(got)) > 5);
  if (got == core_error::none) expect_writable(core, size);
  return 0;
}
