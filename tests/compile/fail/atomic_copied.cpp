// SPDX-License-Identifier: BSL-1.0
// expect: deleted
#include <lastcpu/atomic.hpp>

lastcpu::atomic<uint32_t> word;
lastcpu::atomic<uint32_t> copy{word};
