// SPDX-License-Identifier: BSL-1.0
#pragma once
// A thread whose stack is as good as used up: what has to run on it now needs a stack of its own.

#include "child.hpp"

#include <ucontext.h>

namespace posix_test {

/// Runs `body` with little more than `bytes` of stack, below which nothing is mapped. For a child.
inline void with_stack_of(size_t bytes, void (*body)()) {
  static constexpr size_t page = 4096;
  static thread_local ucontext_t here, there;
  const size_t whole = (bytes + page - 1) / page * page;
  void* p = mmap(nullptr, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(p != MAP_FAILED && mprotect(p, page, PROT_NONE) == 0, "a small stack");
  must(getcontext(&there) == 0, "a context");
  there.uc_stack.ss_sp = static_cast<char*>(p) + page;
  there.uc_stack.ss_size = bytes;
  there.uc_link = &here;
  makecontext(&there, body, 0);
  must(swapcontext(&here, &there) == 0, "the small stack is used");
  munmap(p, whole + page);
}

}  // namespace posix_test
