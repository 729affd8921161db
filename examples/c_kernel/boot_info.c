/* SPDX-License-Identifier: BSL-1.0 */
/* The command line, by either boot protocol. */
#include "kernel.h"

static const char* from_multiboot2(uintptr_t told_at) {
  const uint32_t* tag = (const uint32_t*)(told_at + 8);
  for (; tag[0] != 0; tag += (tag[1] + 7) / 8 * 2)
    if (tag[0] == 1) return (const char*)(tag + 2);
  return "";
}

const char* boot_command_line(uint64_t told_at, uint32_t by_multiboot2) {
  uint64_t line;
  if (by_multiboot2) return from_multiboot2(told_at);
  line = *(const uint64_t*)(told_at + 24); /* of PVH's start info */
  return line ? (const char*)line : "";
}
