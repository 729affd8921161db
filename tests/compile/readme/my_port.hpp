// SPDX-License-Identifier: BSL-1.0
#pragma once
// The port that the documents' examples are compiled with.

#include <lastcpu/archetype.hpp>
#include <lastcpu/panic_policy.hpp>

using my_port = lastcpu::archetype;
inline void console_line(const char*) noexcept {}
inline void console_put(const char*) noexcept {}
