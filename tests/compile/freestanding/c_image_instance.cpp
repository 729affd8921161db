// SPDX-License-Identifier: BSL-1.0
// c_instance.cpp where the kernel itself loads a crash kernel, as it does on a machine that is no x86-64.
#define LASTCPU_CONFIG <stdint.h>  // no choice is made in it
#define LASTCPU_IMAGE_BYTES 8
#include <lastcpu/c/instance.hpp>
