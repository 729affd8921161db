// SPDX-License-Identifier: BSL-1.0
#include "acpi.hpp"

#include "madt.hpp"
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

void read_table(uint64_t table, acpi::machine& out) noexcept {
  if (table == 0 || table >= memory::direct_map_bytes) return;
  const uint32_t bytes = field<uint32_t>(table, 4);
  switch (field<uint32_t>(table, 0)) {
    case signature("APIC"):
      return acpi::read_madt({memory::at_physical(table), bytes}, out);
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
