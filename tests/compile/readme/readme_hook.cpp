// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/self_stop.hpp>

#include "readme_hook.inc"

int main() {
  panic_smp_self_stop();
}
