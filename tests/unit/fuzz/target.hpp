// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the fuzz targets share: libFuzzer's entry, for the replay too, and how a target says that the code is wrong.

#include <stddef.h>
#include <stdint.h>

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

/// Aborts with a sentence when the code under test is wrong about these bytes. -1: too many of them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define LASTCPU_FUZZ_EXPECT(condition) \
  ((condition) ? void() : (std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), std::abort()))

namespace lastcpu::test {

/// Bytes that end at a page which can't be read, so that a read behind them ends the program also without a sanitizer.
struct guarded_bytes {
  static constexpr size_t room = 1 << 16;
  static constexpr size_t page = 4096;

  guarded_bytes() {
    void* got = mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    LASTCPU_FUZZ_EXPECT(got != MAP_FAILED);
    start = static_cast<unsigned char*>(got);
    LASTCPU_FUZZ_EXPECT(mprotect(start + room, page, PROT_NONE) == 0);
  }
  unsigned char* put(const uint8_t* data, size_t n) const {
    if (n != 0) std::memcpy(start + room - n, data, n);
    return start + room - n;
  }

  unsigned char* start;
};

}  // namespace lastcpu::test
