// SPDX-License-Identifier: BSL-1.0
#pragma once
// Memory that is there before it is needed: a page that the crash path is the first to touch would be a request to the
// kernel, which takes longer than the stop of a thread, and which a process that has used up its memory does not
// survive. A fork undoes that: parent and child share every page from then on, and who writes to one first gets a copy.

#include <lastcpu/detail/begin.hpp>

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

}  // namespace lastcpu::posix_detail

#include <lastcpu/detail/end.hpp>
