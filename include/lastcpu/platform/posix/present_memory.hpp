// SPDX-License-Identifier: BSL-1.0
#pragma once
// Memory that is there before it is needed: a page that the crash path is the first to touch would be a request to the
// kernel, which takes longer than the stop of a thread, and which a process that has used up its memory does not
// survive. A fork undoes that: parent and child share every page from then on, and who writes to one first gets a copy.

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

namespace lastcpu::posix_detail {

/// Brings in every page that the bytes are on, and changes none of them. Before Linux 5.14 it does nothing: there a page
/// comes when it is touched. Thread context.
inline void make_present(void* at, size_t bytes) noexcept {
  constexpr int populate_write = 23;  // MADV_POPULATE_WRITE
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(at) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(at) + bytes + page - 1) / page * page;
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, populate_write);
}

/// Zeros memory of whole words and leaves alone what is zero already, so that the child of a fork gets no copy of a page
/// that it need not change: a crash_domain of 1024 CPUs has 146 pages, most of them never used. No other thread may be
/// there.
inline void zero_after_fork(void* at, size_t bytes) noexcept {
  using word [[gnu::may_alias]] = uintptr_t;
  auto* words = static_cast<word*>(at);
  for (size_t i = 0; i < bytes / sizeof(word); ++i)
    if (words[i] != 0) words[i] = 0;
}

}  // namespace lastcpu::posix_detail
