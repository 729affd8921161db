// SPDX-License-Identifier: BSL-1.0
// c_instance.cpp with the loader of crash kernels, and a frame of the kernel's own.
#define LASTCPU_CONFIG <stdint.h>  // no choice is made in it
#define LASTCPU_CRASH_LOADER 1
#define LASTCPU_REGISTERS struct frame
#define LASTCPU_REGISTERS_BYTES 176
#include <lastcpu/c/instance.hpp>
