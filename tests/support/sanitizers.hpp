// SPDX-License-Identifier: BSL-1.0
#pragma once
// LASTCPU_TEST_UNDER_ASAN is defined under AddressSanitizer: gcc has a macro for it, clang a feature.

#if defined(__SANITIZE_ADDRESS__)
#define LASTCPU_TEST_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LASTCPU_TEST_UNDER_ASAN 1
#endif
#endif
