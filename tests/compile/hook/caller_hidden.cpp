// SPDX-License-Identifier: BSL-1.0
// A kernel whose symbols are all hidden: an undefined hidden weak symbol must still be null.
#pragma GCC visibility push(hidden)
#include "caller.cpp"
