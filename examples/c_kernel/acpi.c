/* SPDX-License-Identifier: BSL-1.0 */
/* Which CPUs there are: the firmware's table of interrupt controllers (ACPI: MADT), by way of a BIOS. */
#include "kernel.h"

static uint32_t u32(uintptr_t at) {
  const uint8_t* b = (const uint8_t*)at;
  return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static int is(uintptr_t at, const char* text) {
  for (; *text; text++, at++)
    if (*(const char*)at != *text) return 0;
  return 1;
}

static uintptr_t find_madt(void) {
  uintptr_t at, root;
  for (at = 0xe0000; at < 0x100000; at += 16) {
    if (!is(at, "RSD PTR ")) continue;
    root = u32(at + 16);
    for (at = root + 36; at < root + u32(root + 4); at += 4)
      if (is(u32(at), "APIC")) return u32(at);
    return 0;
  }
  return 0;
}

uint32_t read_apic_ids(uint8_t* ids, uint32_t room) {
  const uintptr_t madt = find_madt();
  const uintptr_t end = madt ? madt + u32(madt + 4) : 0;
  const uint8_t* entry = (const uint8_t*)madt + 44;
  uint32_t n = 0;
  for (; (uintptr_t)entry + 8 <= end && entry[1] != 0; entry += entry[1])
    if (entry[0] == 0 && (entry[4] & 1) != 0 && n < room) ids[n++] = entry[3]; /* a local APIC, enabled */
  return n;
}
