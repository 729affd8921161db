// SPDX-License-Identifier: BSL-1.0
#pragma once
// Memory that is present before a crash needs it. The first access to a page is a page fault, which takes longer than
// the stop of a thread, and which a process that has used up its memory does not survive. A fork undoes that: parent
// and child then share every page, and the first to write to one gets a copy by a page fault.

#include <lastcpu/detail/begin.hpp>

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

namespace lastcpu::posix_detail {

/// Makes every page of these bytes present, and changes no byte. Does nothing before Linux 5.14. Thread context.
inline void make_present(void* at, size_t bytes) noexcept {
  constexpr int populate_write = 23;  // MADV_POPULATE_WRITE
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(at) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(at) + bytes + page - 1) / page * page;
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, populate_write);
}

/// Zeros memory of whole words, for the child of a fork. It does not write to a word that is zero already, so that an
/// unused page stays shared with the parent: a crash_domain of 1024 CPUs has 146 pages. No other thread may use the
/// memory.
inline void zero_after_fork(void* at, size_t bytes) noexcept {
  using word [[gnu::may_alias]] = uintptr_t;
  auto* words = static_cast<word*>(at);
  for (size_t i = 0; i < bytes / sizeof(word); ++i)
    if (words[i] != 0) words[i] = 0;
}

}  // namespace lastcpu::posix_detail

#include <lastcpu/detail/end.hpp>
