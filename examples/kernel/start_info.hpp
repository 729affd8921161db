// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a PVH boot loader hands over, as far as this kernel reads it. Addresses are physical.

#include <stdint.h>

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
