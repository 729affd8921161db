// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a PVH boot loader hands over, as far as this kernel reads it. Addresses are physical.

#include <stdint.h>

struct start_info {
  static constexpr uint32_t right_magic = 0x336e'c578;
  uint32_t magic;
  uint32_t version;
  uint32_t flags;
  uint32_t module_count;
  uint64_t modules;
  uint64_t command_line;
  uint64_t rsdp;
};

struct start_module {
  uint64_t address;
  uint64_t bytes;
  uint64_t command_line;
  uint64_t reserved;
};
