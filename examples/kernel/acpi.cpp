// SPDX-License-Identifier: BSL-1.0
#include "acpi.hpp"

#include "memory.hpp"

namespace {

// A field of a table: they are not aligned.
template <class T>
T field(uint64_t table, uint64_t offset) noexcept {
  T value;
  __builtin_memcpy(&value, memory::at_physical(table + offset), sizeof value);
  return value;
}

constexpr uint32_t signature(const char (&s)[5]) noexcept {
  uint32_t out = 0;
  for (int i = 3; i >= 0; --i) out = out << 8 | static_cast<unsigned char>(s[i]);
  return out;
}

void add_cpu(uint32_t apic_id, uint32_t flags, acpi::machine& out) noexcept {
  constexpr uint32_t enabled = 1;
  if ((flags & enabled) == 0) return;
  if (out.cpu_count < acpi::max_cpus)
    out.apic_ids[out.cpu_count++] = apic_id;
  else
    ++out.cpus_left_out;
}

void read_madt_entry(uint64_t entry, acpi::machine& out) noexcept {
  switch (field<uint8_t>(entry, 0)) {
    case 0:  // local APIC
      return add_cpu(field<uint8_t>(entry, 3), field<uint32_t>(entry, 4), out);
    case 1:  // IO APIC
      if (out.io_apic_count < acpi::max_io_apics) out.io_apics[out.io_apic_count++] = field<uint32_t>(entry, 4);
      return;
    case 5:  // local APIC address
      out.local_apic = field<uint64_t>(entry, 4);
      return;
    case 9:  // local x2APIC
      return add_cpu(field<uint32_t>(entry, 4), field<uint32_t>(entry, 8), out);
    default:
      return;
  }
}

void read_madt(uint64_t madt, uint32_t bytes, acpi::machine& out) noexcept {
  constexpr uint64_t first_entry = 44;
  out.local_apic = field<uint32_t>(madt, 36);
  for (uint64_t at = first_entry; at + 2 <= bytes;) {
    const uint8_t entry_bytes = field<uint8_t>(madt, at + 1);
    if (entry_bytes < 2 || at + entry_bytes > bytes) return;
    read_madt_entry(madt + at, out);
    at += entry_bytes;
  }
}

void read_table(uint64_t table, acpi::machine& out) noexcept {
  if (table == 0 || table >= memory::direct_map_bytes) return;
  const uint32_t bytes = field<uint32_t>(table, 4);
  switch (field<uint32_t>(table, 0)) {
    case signature("APIC"):
      return read_madt(table, bytes, out);
    case signature("FACP"):
      out.pm_timer_port = static_cast<uint16_t>(field<uint32_t>(table, 76));
      return;
    default:
      return;
  }
}

}  // namespace

void acpi::read(uint64_t rsdp, machine& out) noexcept {
  if (rsdp == 0 || rsdp >= memory::direct_map_bytes) return;
  const bool extended = field<uint8_t>(rsdp, 15) >= 2 && field<uint64_t>(rsdp, 24) != 0;
  const uint64_t root = extended ? field<uint64_t>(rsdp, 24) : field<uint32_t>(rsdp, 16);
  constexpr uint64_t first_pointer = 36;
  const uint32_t bytes = field<uint32_t>(root, 4);
  for (uint64_t at = first_pointer; at < bytes; at += extended ? 8 : 4)
    read_table(extended ? field<uint64_t>(root, at) : field<uint32_t>(root, at), out);
}
