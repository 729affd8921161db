// SPDX-License-Identifier: BSL-1.0
#pragma once
// What describes a loaded crash kernel: a port's `P::image`. Made by the machine's loader (crash_loader.hpp), asked by
// image_intact(), run by its jump. It lives in the dying kernel's memory, so it carries a seal over itself:
// a stray write into it is found before anything in it is followed.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/kexec/digest.hpp>

#include <stddef.h>
#include <stdint.h>

namespace lastcpu::kexec {

/// Offsets count from the region's first byte.
struct crash_image_record {
  uint64_t magic;          ///< crash_image_magic
  crash_region region;     ///< where all of it is
  uint64_t payload;        ///< offset: the lowest segment
  uint64_t payload_bytes;  ///< to the end of the highest, gaps and zero-filled parts included
  uint64_t control;        ///< offset of what the jump needs and nobody writes after the load
  uint64_t control_bytes;  ///< a multiple of a page
  uint64_t free;           ///< offset: from here to the control area nothing is kept, the crash kernel may have it
  uint64_t free_bytes;     ///< how much that is
  uint64_t trampoline;     ///< offset: where the jump begins
  uint64_t core;           ///< offset: the beginning of the core file (core_file.hpp), a crash writes it
  uint64_t core_bytes;     ///< a multiple of a page
  uint64_t handover;       ///< offset: in the core's first note
  uint64_t core_template;  ///< offset, in the control area: what `core` is as far as the end of the handover's header
  uint64_t entry;          ///< physical
  uint64_t map_bytes;      ///< physical memory from 0 on that the crash kernel finds mapped
  uint64_t kernel_data;    ///< handed over; its meaning is the kernel's
  uint64_t ticks_per_second;  ///< handed over; 0: unknown
  uint32_t cpu_capacity;      ///< CPUs that the handover has room for
  uint32_t table_levels;      ///< of the page tables that the jump switches to
  digest_value digest;        ///< of payload and control
  uint64_t seal;              ///< XXH64 of all of the above
};

static_assert(__has_unique_object_representations(crash_image_record), "lastcpu: the seal covers no padding");

/// "lcpurck1".
inline constexpr uint64_t crash_image_magic = 0x316b'6372'7570'636c;

namespace detail {

[[nodiscard]] inline uint64_t seal_of(const crash_image_record& record) noexcept {
  const auto* const all = reinterpret_cast<const unsigned char*>(&record);
  return xxh64_of(all, offsetof(crash_image_record, seal), all, 0);
}

template <class Digest>
[[nodiscard]] inline digest_value digest_of(const crash_image_record& record) noexcept {
  Digest sum;
  sum.add(record.region.mapped + record.payload, record.payload_bytes);
  sum.add(record.region.mapped + record.control, record.control_bytes);
  return sum.finish();
}

}  // namespace detail

/// It is a record, and as it was made. Says nothing of the image itself. Any context.
[[nodiscard]] inline bool record_intact(const crash_image_record& record) noexcept {
  return record.magic == crash_image_magic && record.seal == detail::seal_of(record);
}

/// Record, payload and all that the jump needs are as they were loaded. `Digest` is the one the image was loaded with.
/// Reads every byte of the image once. Any context.
template <class Digest = xxh64>
[[nodiscard]] inline bool image_intact(const crash_image_record& record) noexcept {
  return record_intact(record) && detail::digest_of<Digest>(record) == record.digest;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
