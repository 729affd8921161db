/* SPDX-License-Identifier: BSL-1.0 */
/* The crash kernel: the file that the boot loader brought beside this kernel, if any, and what a dump is to know. */
#include <lastcpu/c/lastcpu_kernel.h>

#include "kernel.h"

#define REGION 0x4000000u /* nobody else is there, and no page table keeps it from being written to or executed */
#define REGION_BYTES 0x1000000u

extern char kernel_begin[], data_begin[], kernel_end[], build_id_begin[], build_id_end[]; /* kernel.ld */

LASTCPU_X86_64_FRAME(r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, error_code, rip, cs,
                     rflags, rsp, ss);

volatile void* lastcpu_kernel_local_apic(void) {
  return (volatile void*)0xfee00000u;
}

void load_crash_kernel(void) {
  const struct lastcpu_segment image[] = {
      {kernel_begin, data_begin, (uintptr_t)kernel_begin - KERNEL_BASE, LASTCPU_SEGMENT_READ | LASTCPU_SEGMENT_EXECUTE},
      {data_begin, kernel_end, (uintptr_t)data_begin - KERNEL_BASE, LASTCPU_SEGMENT_READ | LASTCPU_SEGMENT_WRITE}};
  struct lastcpu_crash_kernel k = {0};
  lastcpu_load_error wrong;
  if (boot.file_bytes == 0) return;
  k.region_physical = REGION, k.region_bytes = REGION_BYTES, k.region_mapped = (void*)REGION;
  k.file = (const void*)boot.file, k.file_bytes = boot.file_bytes;
  k.ram = boot.ram, k.ram_count = boot.ram_count, k.rsdp = boot.rsdp;
  k.image = image, k.image_count = 2;
  k.direct_map_bytes = (uint64_t)4 << 30; /* at its physical address */
  k.build_id_begin = build_id_begin, k.build_id_end = build_id_end;
  wrong = lastcpu_crash_load(&k);
  print("kernel: %s\n", wrong ? lastcpu_load_error_text(wrong) : "crash kernel loaded");
}
