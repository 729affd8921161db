// SPDX-License-Identifier: BSL-1.0
#pragma once
// The version, for a kernel that prints it or asks for one.

#include <lastcpu/detail/begin.hpp>

namespace lastcpu {

///@{
/// The version of these headers, as in CHANGELOG.md.
inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;
inline constexpr char version_string[] = "0.1.0";
///@}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
