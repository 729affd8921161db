// SPDX-License-Identifier: BSL-1.0
#pragma once
// How the port finds what a kernel may leave out (lastcpu_kernel.h), and the one such function that more than one file asks.

#include <lastcpu/c/lastcpu_kernel.h>

#include <lastcpu/detail/begin.hpp>

// A weak reference leaves no undefined symbol behind, and is null where the kernel leaves the function out. Ends with port.hpp.
#define LASTCPU_DETAIL_OPTIONAL(function) __attribute__((__weakref__(#function), __unused__))

namespace lastcpu::c {
namespace {

extern "C" {
static uint64_t ticks_or_null() LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_ticks_per_second);
}

}  // namespace
}  // namespace lastcpu::c

#include <lastcpu/detail/end.hpp>
