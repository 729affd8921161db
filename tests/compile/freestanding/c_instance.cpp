// SPDX-License-Identifier: BSL-1.0
// The C interface, as a kernel's one C++ file has it, with the default configuration: what is left undefined is what the
// kernel supplies.
#define LASTCPU_CONFIG <stdint.h>  // no choice is made in it
#include <lastcpu/c/instance.hpp>
