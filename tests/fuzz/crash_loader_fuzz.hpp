// SPDX-License-Identifier: BSL-1.0
#pragma once
// libFuzzer's entry, for the replay too. Aborts with a sentence when the loader is wrong about these bytes.

#include <stddef.h>
#include <stdint.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
