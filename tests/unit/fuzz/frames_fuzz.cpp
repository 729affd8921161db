// SPDX-License-Identifier: BSL-1.0
// Any bytes as .eh_frame_hdr and .eh_frame. What is found covers the address that it was looked for, and running it ends.
// In front: where the thread is, and its stack pointer and frame pointer, all from the beginning of the bytes.
#include <lastcpu/process/reporter/frame_program.hpp>

#include <cstring>

#include "unit/fuzz/target.hpp"

namespace {

using namespace lastcpu::reporter_detail;

struct place {
  uint32_t pc, fde;
  uint64_t sp, fp;
};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const lastcpu::test::guarded_bytes guarded;
  place p{};
  if (size > guarded.room) return -1;
  const size_t head = size < sizeof p ? size : sizeof p;
  if (head != 0) std::memcpy(&p, data, head);
  const auto at = reinterpret_cast<uintptr_t>(guarded.put(data + head, size - head));
  frame_state from{}, to{};
  from.value[frame_pc] = at + p.pc;
  from.value[frame_sp] = at + p.sp;
  from.value[frame_fp] = at + p.fp;
  frame_description found, described;
  if (find_frame(at, from.value[frame_pc], found)) {
    LASTCPU_FUZZ_EXPECT(found.begin <= from.value[frame_pc] && from.value[frame_pc] < found.end);
    if (frame_program(found, from).step(to)) LASTCPU_FUZZ_EXPECT(to.value[frame_pc] != 0);
  }
  frame_reader r(at);
  if (read_fde(r, at + p.fde, described) && frame_program(described, from).step(to))
    LASTCPU_FUZZ_EXPECT(to.value[frame_pc] != 0);
  return 0;
}
