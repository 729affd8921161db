// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the firmware's tables say of the machine: its CPUs, its interrupt controllers, its timer. Read once, by the boot
// CPU. Tables above 4 GiB are not looked at.

#include <stdint.h>

namespace acpi {

inline constexpr uint32_t max_cpus = 256;
inline constexpr uint32_t max_io_apics = 8;

struct machine {
  uint64_t local_apic = 0xfee0'0000;
  uint32_t cpu_count = 0;
  uint32_t cpus_left_out = 0;  // beyond max_cpus
  uint32_t apic_ids[max_cpus] = {};
  uint32_t io_apic_count = 0;
  uint64_t io_apics[max_io_apics] = {};
  uint16_t pm_timer_port = 0;  // 0: none
};

/// Fills `out` with what is there; a table that is missing leaves the default.
void read(uint64_t rsdp, machine& out) noexcept;

}  // namespace acpi
