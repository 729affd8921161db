// SPDX-License-Identifier: BSL-1.0
#pragma once
// What `pack` puts behind the shim: this table, a page of it, then the files, each at a page. Offsets count from the image's
// first byte. Plain data.

#include <stdint.h>

struct packed_files {
  static constexpr uint64_t right_magic = 0x3178'6e6c'7570'636c;  // "lcpulnx1"
  uint64_t magic;
  uint64_t kernel, kernel_bytes;  // a bzImage
  uint64_t initrd, initrd_bytes;
  char command_line[1024];  // words of the packer's, behind our own; ends with a zero
};
