// SPDX-License-Identifier: BSL-1.0
#pragma once
// The core onto a virtio disk that is there for it: one whose serial number is the one that was asked for. No other disk is
// written to.

#include <lastcpu/kexec/handover.hpp>

#include <stdint.h>

namespace disk_dump {

struct task {
  lastcpu::kexec::handover* handover;  // in the core's header; open_handover() has let it pass
  const char* serial;                  // of the disk; at most 20 characters
  uint64_t request_us, all_us;         // bounds; 0: the usual ones
  uint32_t faults_half_way;            // to try the unhappy end
};

/// Says on the console how it goes. False: the core is not complete; why, and what there is of it, has been said.
[[nodiscard]] bool run(const task& t) noexcept;

/// From a fault inside run(): finishes with what is there.
void abandon() noexcept;

}  // namespace disk_dump
