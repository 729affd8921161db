// SPDX-License-Identifier: BSL-1.0
#pragma once
// The frames of a thread: by call frame information, which every compiler leaves for exceptions; where there is none, by
// frame pointers. Nothing in it can fault.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/frame_program.hpp>
#include <lastcpu/process/reporter/memory_map.hpp>

namespace lastcpu::reporter_detail {

struct unwound {
  uint32_t frames = 0;
  bool cut = false;  // there are more
};

class unwinder {
 public:
  explicit unwinder(const memory_map& map) noexcept : map_(map) {}

  [[nodiscard]] unwound walk(const general_registers& from, uintptr_t* frames, uint32_t most) noexcept {
    now_ = frame_of(from);
    left_signal_frame_ = false;
    unwound how;
    for (;;) {
      if (how.frames == most) return how.cut = true, how;
      frames[how.frames++] = now_.value[frame_pc];
      const uint64_t sp = now_.value[frame_sp];
      if (!step(how.frames == 1)) return how;
      const bool moved = now_.value[frame_sp] > sp || (how.frames == 1 && now_.value[frame_sp] == sp);
      if (!moved && !left_signal_frame_) return how;
    }
  }

 private:
  [[nodiscard]] bool step(bool innermost) noexcept {
    const uintptr_t pc = now_.value[frame_pc];
    // A return address may lie behind the last instruction of its function.
    const bool exact = innermost || left_signal_frame_;
    const uintptr_t inside = exact ? pc : pc - 1;
    left_signal_frame_ = false;
    const mapping* m = map_.find(inside);
    if (m == nullptr || !m->execute) return innermost && from_wild_jump();
    frame_description d;
    if (m->name[0] == '\0' || !find_frame(table_of(*m), inside, d)) return by_frame_pointer();
    now_.value[frame_pc] = inside;
    frame_state caller;
    if (!frame_program(d, now_).step(caller)) return false;
    left_signal_frame_ = d.signal_frame;
    now_ = caller;
    return true;
  }

  [[nodiscard]] uintptr_t table_of(const mapping& m) noexcept {
    for (const known_table& k : tables_)
      if (k.module == &m) return k.table;
    known_table& k = tables_[next_++ % (sizeof tables_ / sizeof *tables_)];
    return k = {&m, find_frame_table(map_.base_of(m))}, k.table;
  }

  /// A call of a wrong address: the caller has just left its return address.
  [[nodiscard]] bool from_wild_jump() noexcept {
#if defined(__x86_64__)
    uint64_t back = 0;
    if (!read_memory(now_.value[frame_sp], &back, sizeof back) || !is_code(back)) return false;
    now_.value[frame_sp] += sizeof back;
    now_.value[frame_pc] = back;
#elif defined(__aarch64__)
    if (!is_code(now_.value[30])) return false;
    now_.value[frame_pc] = now_.value[30];
#endif
    return true;
  }

  [[nodiscard]] bool by_frame_pointer() noexcept {
    uint64_t pair[2];
    const uint64_t fp = now_.value[frame_fp];
    if (fp < now_.value[frame_sp] || fp % 8 != 0 || !read_memory(fp, pair, sizeof pair) || !is_code(pair[1]))
      return false;
    now_.value[frame_sp] = fp + sizeof pair;
    now_.value[frame_fp] = pair[0];
    now_.value[frame_pc] = pair[1];
    return true;
  }

  [[nodiscard]] bool is_code(uintptr_t address) const noexcept {
    const mapping* m = map_.find(address - 1);
    return m != nullptr && m->execute;
  }

  struct known_table {
    const mapping* module;
    uintptr_t table;
  };

  const memory_map& map_;
  frame_state now_{};
  known_table tables_[8] = {};
  uint32_t next_ = 0;
  bool left_signal_frame_ = false;
};

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
