// SPDX-License-Identifier: BSL-1.0
// expect: lastcpu: a shared word has 32 bits or the size of a pointer
#include <lastcpu/atomic.hpp>

struct pair {
  uintptr_t a, b;
};
lastcpu::atomic<pair> word;
