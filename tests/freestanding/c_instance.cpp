// SPDX-License-Identifier: BSL-1.0
// The C interface, as a kernel's one C++ file has it, with the default configuration: what is left undefined is what the
// kernel supplies.
#include <lastcpu/c/instance.hpp>
