// SPDX-License-Identifier: BSL-1.0
#include "pvh.hpp"

#include "memory.hpp"

namespace {

struct start_info {
  uint32_t magic;
  uint32_t version;
  uint32_t flags;
  uint32_t module_count;
  uint64_t modules;
  uint64_t command_line;
  uint64_t rsdp;
  uint64_t memory_map;  // from version 1 on
  uint32_t memory_map_entries;
  uint32_t reserved;
};

struct start_module {
  uint64_t address;
  uint64_t bytes;
  uint64_t command_line;
  uint64_t reserved;
};

struct start_memory {
  static constexpr uint32_t ram = 1;
  uint64_t address;
  uint64_t bytes;
  uint32_t type;
  uint32_t reserved;
};

}  // namespace

boot_info pvh::read(uint64_t address) noexcept {
  const auto& info = *memory::at_physical<const start_info>(address);
  boot_info out{};
  out.command_line = memory::at_physical<const char>(info.command_line);
  out.rsdp = info.rsdp;
  if (info.module_count != 0) {
    const auto& module = *memory::at_physical<const start_module>(info.modules);
    out.file = {module.address, module.bytes};
  }
  const auto* entries = memory::at_physical<const start_memory>(info.memory_map);
  for (uint32_t i = 0; info.version != 0 && i < info.memory_map_entries; ++i)
    if (entries[i].type == start_memory::ram) out.ram.add(entries[i].address, entries[i].bytes);
  return out;
}
