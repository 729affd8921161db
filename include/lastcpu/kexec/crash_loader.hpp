// SPDX-License-Identifier: BSL-1.0
#pragma once
// What every machine's loader of crash kernels does alike: divides the reserved region, checks the file, fills in the
// record, writes the payload and seals. The machine's loader adds what its jump needs (platform/x86_64/crash_loader.hpp).
//
//   region │ payload … │ free │ stack │ control: what the jump needs, core template │ core │
//                                     └ in the digest, as the payload ┘
//
// In this order: check_region(), check_contents(), core_layout::place(), region_layout::place(), begin_record(), record_core(),
// check_file(); the control area, build_core() and write_payload(); seal_image(). Up to check_file() nothing but layout and record is written.
// Thread context, one at a time.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/core_template.hpp>
#include <lastcpu/kexec/crash_record.hpp>
#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/kexec/elf64.hpp>
#include <lastcpu/kexec/elf64_relocations.hpp>
#include <lastcpu/kexec/kernel_facts.hpp>
#include <lastcpu/kexec/load_error.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// The crash kernel's first stack.
inline constexpr uint64_t crash_stack_bytes = 16384;

/// A static ELF64 executable, whose segments go to their physical addresses and whose entry is physical; or a static
/// position-independent one (-static-pie) with no relocations but RELATIVE ones, which goes to the region's start as its
/// alignment allows; or, `flat`, an image that goes to the region's start and is entered at its first byte.
/// It lies outside the region, also where it is mapped twice, and nobody writes to it meanwhile.
struct crash_file {
  const unsigned char* data;  ///< its first byte
  uint64_t bytes;             ///< its size
  bool flat;                  ///< it is no ELF
};

/// Offsets in the region; all but `end` are multiples of a page. What lies below `stack` is for the payload.
struct region_layout {
  uint64_t stack;    ///< of the crash kernel
  uint64_t control;  ///< what the jump needs
  uint64_t core;     ///< the beginning of the core
  uint64_t end;      ///< the region's size

  /// Fills it in. `control_bytes` and `core_bytes` are multiples of a page. False when the region has no room for it
  /// and a page of payload.
  [[nodiscard]] bool place(uint64_t region_bytes, uint64_t control_bytes, uint64_t core_bytes) noexcept {
    const uint64_t bytes = crash_stack_bytes + control_bytes + core_bytes;
    if (region_bytes < bytes + page_bytes) return false;
    stack = region_bytes - bytes;
    control = stack + crash_stack_bytes;
    core = control + control_bytes;
    end = region_bytes;
    return true;
  }
};

/// What is wrong with the region's place, or the number of CPUs; `none`: nothing.
[[nodiscard]] inline load_error check_region(const crash_region& region, uint32_t cpu_capacity) noexcept {
  const auto mapped = reinterpret_cast<uintptr_t>(region.mapped);
  if (cpu_capacity == 0) return load_error::no_cpus;
  const bool aligned = ((region.physical | mapped | region.bytes) & (page_bytes - 1)) == 0;
  return aligned ? load_error::none : load_error::region_misaligned;
}

/// Fills in what the layout says; the machine's loader adds the rest.
inline void begin_record(const crash_region& region, const region_layout& layout, crash_image_record& r) noexcept {
  r.magic = crash_image_magic;
  r.region.physical = region.physical;  // all at once may be a call of memcpy
  r.region.mapped = region.mapped;
  r.region.bytes = region.bytes;
  r.control = layout.control;
  r.control_bytes = layout.core - layout.control;
  r.core = layout.core;
  r.core_bytes = layout.end - layout.core;
}

namespace detail {

/// [payload, payload + payload_bytes) of the record: the span of all segments.
inline void find_payload(const elf64_file& elf, crash_image_record& r) noexcept {
  uint64_t first = ~uint64_t{0};
  uint64_t end = 0;
  for (uint32_t i = 0; i < elf.segment_count(); ++i) {
    const elf64_segment s = elf.segment(i);
    if (!s.is_loaded()) continue;
    if (s.physical_address < first) first = s.physical_address;
    if (s.physical_address + s.memory_bytes > end) end = s.physical_address + s.memory_bytes;
  }
  r.payload = first - r.region.physical;
  r.payload_bytes = end - first;
  r.entry = elf.entry();
}

[[nodiscard]] inline load_error check_elf(const crash_file& file, elf64_machine machine, const region_layout& layout,
                                          crash_image_record& r) noexcept {
  elf64_file elf(file.data, file.bytes);
  const uint64_t at = r.region.physical;
  load_error wrong = elf.check(machine, {at, at + layout.stack, at + layout.end});
  if (wrong == load_error::none) wrong = elf64_relocations(elf).check();
  if (wrong == load_error::none) find_payload(elf, r);
  return wrong;
}

[[nodiscard]] inline load_error check_flat(const crash_file& file, const region_layout& layout,
                                           crash_image_record& r) noexcept {
  if (file.bytes >= 4 && read_word<uint32_t>(file.data) == elf64_file::magic) return load_error::flat_is_elf;
  if (file.bytes > layout.stack) return load_error::payload_too_large;
  r.payload = 0;
  r.payload_bytes = file.bytes;
  r.entry = r.region.physical;
  return load_error::none;
}

inline void copy_segments(const crash_file& file, const crash_region& region) noexcept {
  elf64_file elf(file.data, file.bytes);
  (void)elf.place(region.physical);
  for (uint32_t i = 0; i < elf.segment_count(); ++i) {
    const elf64_segment s = elf.segment(i);
    if (s.is_loaded())
      copy_bytes(region.mapped + (s.physical_address - region.physical), file.data + s.file_offset, s.file_bytes);
  }
  elf64_relocations(elf).apply(region);
}

}  // namespace detail

/// What is wrong with the file; `none`: nothing. Where it fits, fills in the payload's place, the entry and what stays
/// free.
[[nodiscard]] inline load_error check_file(const crash_file& file, elf64_machine machine, const region_layout& layout,
                                           crash_image_record& r) noexcept {
  const uint64_t offset = reinterpret_cast<uintptr_t>(file.data) - reinterpret_cast<uintptr_t>(r.region.mapped);
  if (file.bytes == 0 || file.data == nullptr) return load_error::empty_file;
  if (offset < r.region.bytes || file.bytes > uint64_t{0} - offset) return load_error::file_in_region;
  const load_error wrong =
      file.flat ? detail::check_flat(file, layout, r) : detail::check_elf(file, machine, layout, r);
  if (wrong != load_error::none) return wrong;
  r.free = round_up(r.payload + r.payload_bytes, page_bytes);
  r.free_bytes = layout.stack - r.free;
  return load_error::none;
}

/// Writes the file's segments into the region, after check_file() has found nothing.
inline void write_payload(const crash_file& file, const crash_image_record& r) noexcept {
  zero_bytes(r.region.mapped + r.payload, r.payload_bytes);
  if (file.flat)
    copy_bytes(r.region.mapped, file.data, file.bytes);
  else
    detail::copy_segments(file, r.region);
}

/// Loads into a machine's slot, `machine.image()`: `load(record)` does the work, as a machine's loader does it, and answers
/// `none`, or has changed neither region nor record. It is called where nobody else has the slot. A crash meanwhile finds
/// the slot busy. Refused, the image before is in it again, but for two reasons: `in_use`, a crash or another load has it;
/// `damaged`, the region does not hold what was written to it: then none is loaded. Thread context.
template <class Slot, class Load>
[[nodiscard]] inline load_error load_into(Slot&& slot, Load&& load) noexcept {
  load_error wrong = load_error::in_use;
  const auto out = slot.load_by([&](crash_image_record& record) noexcept {
    wrong = load(record);
    return wrong == load_error::none;
  });
  using loaded = decltype(out);
  return wrong == load_error::none && out != loaded::loaded ? load_error::damaged : wrong;
}

/// Fills in digest and seal, the last of all: from here on the image is whole. `Digest`: digest.hpp.
template <class Digest>
inline void seal_image(crash_image_record& r) noexcept {
  const digest_value digest = detail::digest_of<Digest>(r);
  for (int i = 0; i < 4; ++i) r.digest.words[i] = digest.words[i];
  r.seal = detail::seal_of(r);
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
