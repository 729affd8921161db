/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_C_CRASH_LOADER_H
#define LASTCPU_C_CRASH_LOADER_H
/** @file
 * A crash kernel for x86-64: a file that the boot loader has brought is put into memory that was reserved, and a panic starts
 * it with every CPU's registers and words, and with what a dump shall know of the kernel. LASTCPU_CRASH_LOADER 1 in the
 * configuration; lastcpu_kernel.h includes this file. The recipe: docs/c.md.
 *
 *     struct lastcpu_crash_kernel k = {0};
 *     k.region_physical = 0x4000000, k.region_mapped = at_physical(0x4000000), k.region_bytes = 0x4000000;
 *     k.file = module, k.file_bytes = module_bytes;
 *     lastcpu_load_error wrong = lastcpu_crash_load(&k);
 *     if (wrong) print("no crash kernel: %s\n", lastcpu_load_error_text(wrong)); */

#include <stdint.h>

#include <lastcpu/c/lastcpu.h>
#include <lastcpu/c/x86_64_frame.h>

#if LASTCPU_CRASH_LOADER

#if defined(__cplusplus)
extern "C" {
#endif

/* --- What the kernel says of the crash kernel and of itself: plain data, read during the load and not kept. What is zero is
 * not said, or has the default that stands beside it. */

/** A range of memory. */
struct lastcpu_memory {
  uint64_t physical; /**< its first byte */
  uint64_t bytes;    /**< its size */
};

/** A part of the kernel's image, [begin, end) as it runs. Whole pages are saved. */
struct lastcpu_segment {
  const void* begin; /**< its first byte */
  const void* end;   /**< behind its last */
  uint64_t physical; /**< where `begin` is in memory */
  uint32_t flags;    /**< LASTCPU_SEGMENT_..., or-ed */
};
#define LASTCPU_SEGMENT_EXECUTE 1u                   /**< it may be executed */
#define LASTCPU_SEGMENT_WRITE 2u                     /**< it may be written to */
#define LASTCPU_SEGMENT_READ 4u                      /**< it may be read */
#define LASTCPU_SEGMENT_NOT_IN_SMALL_CORES 0x100000u /**< tables and buffers that no debugger needs */

/** The crash kernel, and the kernel that dies. */
struct lastcpu_crash_kernel {
  /** @{ */
  /** Memory that was reserved at boot, in whole pages: nothing else may ever use it. Every address space has it mapped at
   * `region_mapped`, writable, executable and cached. */
  uint64_t region_physical, region_bytes;
  void* region_mapped;
  /** @} */

  /** @{ */
  /** A static ELF64 executable that is linked to run in the region, or a -static-pie one, which is moved there; or with
   * `is_flat` bytes that go to its start and are entered at the first. Outside the region; nobody writes to it meanwhile.
   * What user mode gave is copied first. */
  const void* file;
  uint64_t file_bytes;
  uint32_t is_flat;
  /** @} */

  /** 1: that the region can be executed is believed. 0: it is tried; for a moment this CPU has a page-fault gate of
   * lastcpu's. */
  uint32_t execution_untried;
  uint64_t map_bytes;   /**< so much memory from 0 on is mapped for the crash kernel; 0: 4 GiB */
  uint64_t kernel_data; /**< handed over; its meaning is the kernel's */

  /** @{ */
  /** What is saved of memory: what lies in `ram` and in the direct map, and the image; but not what is left out. Without an
   * image a debugger sees no variable. At most 64 ranges each, and 8 segments. */
  const struct lastcpu_memory* ram;
  const struct lastcpu_memory* left_out;
  const struct lastcpu_segment* image;
  uint32_t ram_count, left_out_count, image_count;
  uint64_t direct_map_physical, direct_map_virtual, direct_map_bytes;
  /** @} */

  const void* build_id_begin; /**< around KEEP(*(.note.gnu.build-id)) in the linker script */
  const void* build_id_end;   /**< behind it */
  uint64_t slide;             /**< run-time minus link-time address */
  uint64_t rsdp;              /**< where ACPI's tables begin, physical */
};

/** Why a crash kernel was not loaded: 0, or one of lastcpu::kexec::load_error (kexec/load_error.hpp), or the one below. */
typedef uint32_t lastcpu_load_error;
#define LASTCPU_LOADED 0u           /**< it was */
#define LASTCPU_LOAD_NO_ARRAY 1000u /**< a count without its array */

/** What is wrong, and what helps; never null. Any context. */
const char* lastcpu_load_error_text(lastcpu_load_error error);

/** Loads it, in place of the one that was loaded: a crash meanwhile starts none (LASTCPU_IMAGE_BUSY). Refused, that one is still
 * loaded, and the region as it was, with one exception: where the region does not hold what was written to it, none is loaded.
 * Thread context, with lastcpu_kernel_this_cpu() answering; 4 KiB of stack; one at a time, or it is refused. */
lastcpu_load_error lastcpu_crash_load(const struct lastcpu_crash_kernel* kernel);

/** None is loaded any more, and the region may be written to: 1. A crash or a load is at it: 0. Thread context. */
int lastcpu_crash_unload(void);

/* --- What the kernel supplies, beside lastcpu_kernel.h, with the same rules. lastcpu_kernel_now() is the TSC here: the crash
 * kernel goes on counting. lastcpu leaves VMX operation and SVM on each CPU that stops, and masks interrupts before the jump. */

/** Where physical address 0xfee00000, the local APIC, is mapped uncached. In x2APIC mode it is not used. */
volatile void* lastcpu_kernel_local_apic(void);

/** Optional: where the registers of the IO-APIC number i = 0, 1, ... are mapped uncached; null ends. Without: the crash kernel
 * meets lines that are not masked. */
volatile void* lastcpu_kernel_io_apic(uint32_t i);

/** Optional, for a hypervisor: this CPU has run VMXON. Without: CR4.VMXE says so. */
int lastcpu_kernel_in_vmx_operation(void);

#if !LASTCPU_SHIPS_CAPTURE
/** @{ */
/** From the kernel's structure of registers to the machine's, for the dump, and back, for lastcpu_capture(). One line at file
 * scope makes both, where the structure is complete: its members in the order of struct lastcpu_x86_64_frame, whatever theirs
 * is. A member of a member will do (`hw.rip`). Other members are left alone.
 *
 *     LASTCPU_X86_64_FRAME(r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, error, ip, cs, flags, sp,
 *                          ss); */
void lastcpu_kernel_to_x86_64(const LASTCPU_REGISTERS* from, struct lastcpu_x86_64_frame* to);
void lastcpu_kernel_from_x86_64(const struct lastcpu_x86_64_frame* from, LASTCPU_REGISTERS* to);
/** @} */

/* clang-format off */
#define LASTCPU_DETAIL_TAKE(ours, theirs) to_->theirs = (__typeof__(to_->theirs))from_->ours
/** Makes both: see there. */
#define LASTCPU_X86_64_FRAME(r15_, r14_, r13_, r12_, rbp_, rbx_, r11_, r10_, r9_, r8_, rax_, rcx_, rdx_, rsi_, rdi_,   \
                             error_code_, rip_, cs_, rflags_, rsp_, ss_)                                               \
  void lastcpu_kernel_from_x86_64(const struct lastcpu_x86_64_frame* from_, LASTCPU_REGISTERS* to_) {                  \
    LASTCPU_DETAIL_TAKE(r15, r15_), LASTCPU_DETAIL_TAKE(r14, r14_), LASTCPU_DETAIL_TAKE(r13, r13_);                    \
    LASTCPU_DETAIL_TAKE(r12, r12_), LASTCPU_DETAIL_TAKE(rbp, rbp_), LASTCPU_DETAIL_TAKE(rbx, rbx_);                    \
    LASTCPU_DETAIL_TAKE(r11, r11_), LASTCPU_DETAIL_TAKE(r10, r10_), LASTCPU_DETAIL_TAKE(r9, r9_);                      \
    LASTCPU_DETAIL_TAKE(r8, r8_), LASTCPU_DETAIL_TAKE(rax, rax_), LASTCPU_DETAIL_TAKE(rcx, rcx_);                      \
    LASTCPU_DETAIL_TAKE(rdx, rdx_), LASTCPU_DETAIL_TAKE(rsi, rsi_), LASTCPU_DETAIL_TAKE(rdi, rdi_);                    \
    LASTCPU_DETAIL_TAKE(error_code, error_code_), LASTCPU_DETAIL_TAKE(rip, rip_), LASTCPU_DETAIL_TAKE(cs, cs_);        \
    LASTCPU_DETAIL_TAKE(rflags, rflags_), LASTCPU_DETAIL_TAKE(rsp, rsp_), LASTCPU_DETAIL_TAKE(ss, ss_);                \
  }                                                                                                                    \
  void lastcpu_kernel_to_x86_64(const LASTCPU_REGISTERS* from_, struct lastcpu_x86_64_frame* to_) {                    \
    LASTCPU_DETAIL_TAKE(r15_, r15), LASTCPU_DETAIL_TAKE(r14_, r14), LASTCPU_DETAIL_TAKE(r13_, r13);                    \
    LASTCPU_DETAIL_TAKE(r12_, r12), LASTCPU_DETAIL_TAKE(rbp_, rbp), LASTCPU_DETAIL_TAKE(rbx_, rbx);                    \
    LASTCPU_DETAIL_TAKE(r11_, r11), LASTCPU_DETAIL_TAKE(r10_, r10), LASTCPU_DETAIL_TAKE(r9_, r9);                      \
    LASTCPU_DETAIL_TAKE(r8_, r8), LASTCPU_DETAIL_TAKE(rax_, rax), LASTCPU_DETAIL_TAKE(rcx_, rcx);                      \
    LASTCPU_DETAIL_TAKE(rdx_, rdx), LASTCPU_DETAIL_TAKE(rsi_, rsi), LASTCPU_DETAIL_TAKE(rdi_, rdi);                    \
    LASTCPU_DETAIL_TAKE(error_code_, error_code), LASTCPU_DETAIL_TAKE(rip_, rip), LASTCPU_DETAIL_TAKE(cs_, cs);        \
    LASTCPU_DETAIL_TAKE(rflags_, rflags), LASTCPU_DETAIL_TAKE(rsp_, rsp), LASTCPU_DETAIL_TAKE(ss_, ss);                \
  }                                                                                                                    \
  void lastcpu_kernel_to_x86_64(const LASTCPU_REGISTERS* from, struct lastcpu_x86_64_frame* to)
/* clang-format on */
#endif

#if defined(__cplusplus)
}
#endif

#endif /* LASTCPU_CRASH_LOADER */

#endif
