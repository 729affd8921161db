// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a boot loader hands over, as far as this kernel needs it. Addresses are physical.

#include <lastcpu/kexec/ram_map.hpp>

#include <stdint.h>

enum class boot_protocol : uint32_t { pvh, multiboot2 };  // as boot.S tells them apart

struct boot_file {
  uint64_t address;
  uint64_t bytes;  // 0: there is none
};

struct boot_info {
  const char* command_line;
  uint64_t rsdp;                // 0: not told
  boot_file file;               // the first one
  lastcpu::kexec::ram_map ram;  // empty: the boot loader says nothing of it
};
