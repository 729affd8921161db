// SPDX-License-Identifier: BSL-1.0
#pragma once
// The firmware's list of CPUs and interrupt controllers (ACPI: MADT). Pure: a hosted test reads tables of its own with it.
//
// Firmware is not careful here. It lists one CPU as a local APIC and as a local x2APIC, or twice as the same; it keeps
// entries of CPUs that are not there. A CPU that were started twice would be reset in the middle of its work.

#include <stdint.h>

#include "acpi.hpp"

namespace acpi {

/// A table, or an entry of one, as bytes. Its fields are not aligned.
struct table_view {
  const unsigned char* at;
  uint32_t bytes;

  [[nodiscard]] bool has(uint32_t offset, uint32_t n) const noexcept { return offset <= bytes && n <= bytes - offset; }
  /// 0 where the view ends before it.
  template <class T>
  [[nodiscard]] T field(uint32_t offset) const noexcept {
    T value = 0;
    if (has(offset, sizeof value)) __builtin_memcpy(&value, at + offset, sizeof value);
    return value;
  }
};

[[nodiscard]] inline bool knows_cpu(const machine& m, uint32_t apic_id) noexcept {
  for (uint32_t i = 0; i < m.cpu_count; ++i)
    if (m.apic_ids[i] == apic_id) return true;
  return false;
}

/// `nobody`: the id that this kind of entry has where there is no CPU; as a destination it would mean all of them.
inline void add_cpu(uint32_t apic_id, uint32_t nobody, uint32_t flags, machine& out) noexcept {
  constexpr uint32_t enabled = 1;
  if ((flags & enabled) == 0 || apic_id == nobody || knows_cpu(out, apic_id)) return;
  if (out.cpu_count < max_cpus)
    out.apic_ids[out.cpu_count++] = apic_id;
  else
    ++out.cpus_left_out;
}

inline void read_madt_entry(table_view entry, machine& out) noexcept {
  switch (entry.field<uint8_t>(0)) {
    case 0:  // local APIC
      return add_cpu(entry.field<uint8_t>(3), 0xff, entry.field<uint32_t>(4), out);
    case 1:  // IO-APIC
      if (out.io_apic_count < max_io_apics) out.io_apics[out.io_apic_count++] = entry.field<uint32_t>(4);
      return;
    case 5:  // local APIC address
      out.local_apic = entry.field<uint64_t>(4);
      return;
    case 9:  // local x2APIC
      return add_cpu(entry.field<uint32_t>(4), 0xffff'ffff, entry.field<uint32_t>(8), out);
    default:
      return;
  }
}

/// Adds what `madt` says to `out`. Ends at an entry that does not fit into the table.
inline void read_madt(table_view madt, machine& out) noexcept {
  constexpr uint32_t first_entry = 44;
  out.local_apic = madt.field<uint32_t>(36);
  for (uint32_t at = first_entry; madt.has(at, 2);) {
    const uint8_t bytes = madt.field<uint8_t>(at + 1);
    if (bytes < 2 || !madt.has(at, bytes)) return;
    read_madt_entry({madt.at + at, bytes}, out);
    at += bytes;
  }
}

}  // namespace acpi
