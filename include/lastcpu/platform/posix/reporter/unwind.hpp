// SPDX-License-Identifier: BSL-1.0
#pragma once
// The frames of a thread by frame pointers, as far as they lead. Reads the stack by a system call, so that a broken
// chain can't fault. A core has what a debugger needs to do better.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/reporter/machine_registers.hpp>
#include <lastcpu/platform/posix/reporter/memory_map.hpp>

namespace lastcpu::reporter_detail {

struct unwound {
  uint32_t frames = 0;
  bool cut = false;  // there are more
};

[[nodiscard]] inline unwound unwind(uint32_t pid, const general_registers& from, const memory_map& map,
                                    uintptr_t* frames, uint32_t most) noexcept {
  unwound how;
  frames[how.frames++] = pc_of(from);
  uintptr_t fp = fp_of(from), low = sp_of(from);
  for (uintptr_t pair[2]; fp >= low && fp % 8 == 0 && read_memory(pid, fp, pair, sizeof pair);) {
    const mapping* m = map.find(pair[1] - 1);
    if (m == nullptr || !m->execute) break;
    if (how.frames == most) return how.cut = true, how;
    frames[how.frames++] = pair[1];
    low = fp + 1;
    fp = pair[0];
  }
  return how;
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
