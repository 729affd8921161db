// SPDX-License-Identifier: BSL-1.0
#pragma once
// Access to the private members of a crash_domain, for tests and benchmarks only. Code that claims the gate or
// acknowledges for a CPU past crash_domain breaks every promise.

namespace lastcpu::detail {

struct inside {
  template <class Path>
  [[nodiscard]] static auto& of(Path& path) noexcept {
    return path.ladder_;
  }
  template <class Path>
  [[nodiscard]] static auto& oops_of(Path& path) noexcept {
    return path.oops_;
  }
};

}  // namespace lastcpu::detail
