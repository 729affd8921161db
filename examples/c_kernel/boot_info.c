/* SPDX-License-Identifier: BSL-1.0 */
/* What the boot loader says, by either boot protocol. */
#include "kernel.h"

struct boot_info boot = {"", 0, 0, 0, {{0, 0}}, 0};

/* More than there is room for is left out: a dump lacks it. */
static void add_memory(uint64_t at, uint64_t bytes, uint32_t type) {
  if (type != 1 || boot.ram_count == sizeof boot.ram / sizeof *boot.ram) return;
  boot.ram[boot.ram_count].physical = at;
  boot.ram[boot.ram_count++].bytes = bytes;
}

/* --- Multiboot2. */
static void read_memory_map(const uint32_t* tag) {
  uint32_t at;
  if (tag[2] < 24) return; /* an entry's size: it would not end with 0 */
  for (at = 16; at + 24 <= tag[1]; at += tag[2]) {
    const uint64_t* entry = (const uint64_t*)((uintptr_t)tag + at);
    add_memory(entry[0], entry[1], (uint32_t)entry[2]);
  }
}

static void read_multiboot2(uintptr_t told_at) {
  const uint32_t* tag = (const uint32_t*)(told_at + 8);
  for (; tag[0] != 0 && tag[1] >= 8; tag += (tag[1] + 7) / 8 * 2) {
    if (tag[0] == 1) boot.command_line = (const char*)(tag + 2);
    if (tag[0] == 3 && boot.file_bytes == 0 && tag[2] < tag[3]) boot.file = tag[2], boot.file_bytes = tag[3] - tag[2];
    if (tag[0] == 6) read_memory_map(tag);
    if (tag[0] == 15 || (tag[0] == 14 && boot.rsdp == 0)) boot.rsdp = (uintptr_t)(tag + 2); /* 15 knows more */
  }
}

/* --- PVH. */
struct start_info {
  uint32_t magic, version, flags, module_count;
  uint64_t modules, command_line, rsdp, memory_map;
  uint32_t memory_map_entries, reserved;
};
struct start_module {
  uint64_t address, bytes, command_line, reserved;
};
struct start_memory {
  uint64_t address, bytes;
  uint32_t type, reserved;
};

static void read_pvh(uintptr_t told_at) {
  const struct start_info* info = (const struct start_info*)told_at;
  const struct start_module* module = (const struct start_module*)info->modules;
  const struct start_memory* memory = (const struct start_memory*)info->memory_map;
  uint32_t i;
  if (info->command_line) boot.command_line = (const char*)info->command_line;
  if (info->module_count) boot.file = module->address, boot.file_bytes = module->bytes;
  boot.rsdp = info->rsdp;
  for (i = 0; info->version && i < info->memory_map_entries; i++)
    add_memory(memory[i].address, memory[i].bytes, memory[i].type);
}

void read_boot_info(uint64_t told_at, uint32_t by_multiboot2) {
  if (by_multiboot2)
    read_multiboot2(told_at);
  else
    read_pvh(told_at);
}
