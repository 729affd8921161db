// SPDX-License-Identifier: BSL-1.0
// expect: (ambiguat|differ only in their return type|conflicting)
#include <lastcpu/self_stop.hpp>

extern "C" int panic_smp_self_stop() noexcept {
  return 0;
}
