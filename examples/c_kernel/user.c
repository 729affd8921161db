/* SPDX-License-Identifier: BSL-1.0 */
/* The address space of the only program. */
#include "kernel.h"

extern char init_program[]; /* a page: init.S */
extern uint64_t page_map[512];
static uint64_t tables[3][512] __attribute__((__aligned__(4096)));

static uint64_t user_entry(const void* page) {
  return ((uintptr_t)page - KERNEL_BASE) | 5; /* present, for user mode, not to be written to */
}

uint64_t map_init(void) {
  page_map[1] = user_entry(tables[0]);
  tables[0][0] = user_entry(tables[1]);
  tables[1][0] = user_entry(tables[2]);
  tables[2][0] = user_entry(init_program);
  return (uint64_t)1 << 39;
}
