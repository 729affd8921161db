// SPDX-License-Identifier: BSL-1.0
#pragma once
// A signal stack for a thread that has none: with it an overflow of the thread's own stack is reported. Thread context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/kernel_call.hpp>

#include <signal.h>
#include <sys/mman.h>

namespace lastcpu::reporter_detail {

[[nodiscard]] inline char* map_room(size_t bytes) noexcept {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p != MAP_FAILED ? static_cast<char*>(p) : nullptr;
}

/// A signal stack where this thread has none; one of size 0 where it has.
[[nodiscard]] inline stack_t give_signal_stack() noexcept {
  stack_t now{};
  if (sigaltstack(nullptr, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) return {};
  size_t frame = getauxval(AT_MINSIGSTKSZ);
  if (frame == 0) frame = 16 * 1024;
  constexpr size_t work = 48 * 1024;
  const size_t guard = page_bytes();
  const size_t bytes = in_whole_pages(guard + work + 4 * frame);
  char* p = map_room(bytes);
  if (p == nullptr) return {};
  mprotect(p, guard, PROT_NONE);
  stack_t stack{};
  stack.ss_sp = p + guard;
  stack.ss_size = bytes - guard;
  if (sigaltstack(&stack, nullptr) == 0) return stack;
  munmap(p, bytes);
  return {};
}

inline void take_signal_stack(const stack_t& stack) noexcept {
  if (stack.ss_size == 0) return;
  stack_t now{}, none{};
  none.ss_flags = SS_DISABLE;
  if (sigaltstack(nullptr, &now) == 0 && now.ss_sp == stack.ss_sp)
    sigaltstack(&none, nullptr);  // a runtime may have taken its place
  munmap(static_cast<char*>(stack.ss_sp) - page_bytes(), stack.ss_size + page_bytes());
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
