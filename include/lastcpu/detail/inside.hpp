// SPDX-License-Identifier: BSL-1.0
#pragma once
// What crash_domain does not hand out, for tests and benchmarks: who claims the gate or answers for a CPU behind its back
// breaks every promise.

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
