// SPDX-License-Identifier: BSL-1.0
#pragma once
// Why a crash kernel was not loaded, in words for the kernel's log.

#include <lastcpu/detail/begin.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// Why a load is refused: nothing was changed then, but for `damaged`. to_string() says what helps.
enum class load_error : uint32_t {
  none,  ///< loaded
  // the region and the options
  region_misaligned,      ///< not page-aligned
  region_too_small,       ///< no room for the control area
  region_above_map,       ///< ends above map_bytes
  region_inside_map,      ///< mapped below map_bytes at another address than its own
  region_not_executable,  ///< mapped no-execute
  bad_map_bytes,          ///< not a multiple of 2 MiB from 2 MiB to 128 TiB
  no_cpus,                ///< cpu_capacity is 0
  // what the kernel says of itself
  too_many_ram_ranges,      ///< more than 64
  ram_range_wraps,          ///< one ends above every physical address
  too_many_left_out,        ///< more than 64
  left_out_wraps,           ///< one ends above every physical address
  bad_direct_map,           ///< it wraps, or its addresses lie differently in their page
  bad_build_id,             ///< longer than its room
  too_many_image_segments,  ///< more than 8
  image_misaligned,         ///< a segment lies differently in its virtual and its physical page
  image_wraps,              ///< a segment is empty, or wraps
  image_in_region,          ///< a segment lies in the reserved region
  image_left_out,           ///< a segment is in memory that is left out
  memory_above_map,         ///< memory that is to be saved is above map_bytes
  // any file
  file_in_region,     ///< copy it elsewhere first
  empty_file,         ///< null, or no byte
  payload_too_large,  ///< it does not fit below the control area
  flat_is_elf,        ///< an ELF file that is said to be flat
  // an ELF file
  truncated_header,           ///< shorter than a header
  not_elf,                    ///< another magic
  wrong_class,                ///< not of 64 bits
  wrong_byte_order,           ///< not little-endian
  wrong_version,              ///< not version 1
  wrong_machine,              ///< for another processor
  wrong_type,                 ///< neither ET_EXEC nor ET_DYN
  bad_program_headers,        ///< of an unknown size, or none, or more than 128
  truncated_program_headers,  ///< they end behind the file
  dynamic,                    ///< PT_DYNAMIC in ET_EXEC
  interpreter,                ///< PT_INTERP
  no_segments,                ///< no PT_LOAD with bytes
  segment_truncated,          ///< one ends behind the file
  segment_too_short,          ///< one has more bytes in the file than in memory
  segment_wraps,              ///< one wraps around the end of the address space
  segment_misaligned,         ///< its alignment is no power of two, or not kept
  segment_outside_region,     ///< one is linked elsewhere
  segment_in_control_area,    ///< one reaches into the region's end
  segments_overlap,           ///< two do, in physical memory
  entry_outside,              ///< the entry is not in code of the file
  // a position-independent ELF file
  no_dynamic,          ///< no PT_DYNAMIC
  bad_dynamic,         ///< the table of relocations is not in the file, or of an unknown kind
  needs_library,       ///< DT_NEEDED
  other_relocations,   ///< some that are not in DT_RELA
  unknown_relocation,  ///< one that is not RELATIVE
  relocation_outside,  ///< one reaches out of the file's segments
  // the machine's slot
  in_use,   ///< a crash, or another load, has it
  damaged,  ///< the region does not hold what was written to it; none is loaded
};

/// A sentence: what is wrong, and what helps. Never null.
[[nodiscard]] constexpr const char* to_string(load_error e) noexcept {
  switch (e) {
    case load_error::none:
      return "loaded";
    case load_error::region_misaligned:
      return "the reserved region is not page-aligned: align its physical address, mapping and size to 4096";
    case load_error::region_too_small:
      return "the reserved region has no room for the control area: reserve more, lower map_bytes, or be content with "
             "fewer CPUs";
    case load_error::region_above_map:
      return "the reserved region ends above map_bytes: reserve it lower, or raise map_bytes";
    case load_error::region_inside_map:
      return "the reserved region is mapped below map_bytes at another address than its own: map it higher";
    case load_error::region_not_executable:
      return "the reserved region is mapped no-execute: map it executable, for the kernel, in every address space";
    case load_error::bad_map_bytes:
      return "map_bytes is not a multiple of 2 MiB from 2 MiB to 128 TiB";
    case load_error::no_cpus:
      return "cpu_capacity is 0: set it to the number of CPUs, and one more";
    case load_error::too_many_ram_ranges:
      return "more than 64 ranges of RAM: put those together that touch";
    case load_error::ram_range_wraps:
      return "a range of RAM ends above every physical address: the map is damaged";
    case load_error::too_many_left_out:
      return "more than 64 ranges are left out: put those together that touch";
    case load_error::left_out_wraps:
      return "a range that is left out ends above every physical address: leave out less";
    case load_error::bad_direct_map:
      return "the direct map wraps around, or its two addresses lie differently in their page: mend them";
    case load_error::bad_build_id:
      return "the build id is longer than 32 bytes: give the one of the kernel's note, as the linker makes it";
    case load_error::too_many_image_segments:
      return "the image has more than 8 segments: give those together that lie behind one another";
    case load_error::image_misaligned:
      return "a segment of the image lies differently in its virtual and its physical page: mend its address";
    case load_error::image_wraps:
      return "a segment of the image is empty or wraps around: mend its two ends";
    case load_error::image_in_region:
      return "a segment of the image lies in the reserved region: reserve it elsewhere";
    case load_error::image_left_out:
      return "memory of the image is left out: leave out other memory, or give a smaller image";
    case load_error::memory_above_map:
      return "memory that a dump would have lies above map_bytes: raise map_bytes, or leave it out";
    case load_error::file_in_region:
      return "the file lies in the reserved region: copy it elsewhere first";
    case load_error::empty_file:
      return "the file is empty";
    case load_error::payload_too_large:
      return "the file does not fit below the control area: reserve a larger region";
    case load_error::flat_is_elf:
      return "an ELF file that is said to be a flat image: don't say so, or make it flat with objcopy -O binary";
    case load_error::truncated_header:
      return "the file is shorter than an ELF header: is it whole?";
    case load_error::not_elf:
      return "not an ELF file: if it is a flat image, say so";
    case load_error::wrong_class:
      return "not a 64-bit ELF file: build for the machine that it is to run on";
    case load_error::wrong_byte_order:
      return "not a little-endian ELF file: build for the machine that it is to run on";
    case load_error::wrong_version:
      return "not version 1 of ELF: the header is damaged";
    case load_error::wrong_machine:
      return "an ELF file for another machine: build for the one that it is to run on";
    case load_error::wrong_type:
      return "neither a static executable (ET_EXEC) nor a position-independent one (ET_DYN): link with -static or "
             "-static-pie";
    case load_error::bad_program_headers:
      return "program headers of an unknown size, or none, or more than 128: link with one segment for each use";
    case load_error::truncated_program_headers:
      return "the program headers end behind the file: is it whole?";
    case load_error::dynamic:
      return "the file wants a dynamic linker's work (PT_DYNAMIC in ET_EXEC): link with -static -no-pie or -static-pie";
    case load_error::interpreter:
      return "the file names an interpreter (PT_INTERP): link with -static -no-pie or -static-pie";
    case load_error::no_segments:
      return "the file has nothing to load: no PT_LOAD with bytes";
    case load_error::segment_truncated:
      return "a segment ends behind the file: is it whole?";
    case load_error::segment_too_short:
      return "a segment has more bytes in the file than in memory: the header is damaged";
    case load_error::segment_wraps:
      return "a segment wraps around the end of the address space: the header is damaged";
    case load_error::segment_misaligned:
      return "a segment's alignment is no power of two, or its addresses and file offset don't agree with it";
    case load_error::segment_outside_region:
      return "a segment lies outside the reserved region: link it at the region's physical address";
    case load_error::segment_in_control_area:
      return "a segment reaches into the control area at the region's end: reserve a larger region, or link lower";
    case load_error::segments_overlap:
      return "two segments overlap in physical memory: mend the linker script";
    case load_error::entry_outside:
      return "the entry is not in an executable segment's file bytes: it must be a physical address";
    case load_error::no_dynamic:
      return "a position-independent file without PT_DYNAMIC: where are its relocations? Keep .dynamic, in a segment "
             "of its "
             "own kind, too";
    case load_error::bad_dynamic:
      return "the table of relocations (PT_DYNAMIC, DT_RELA) is not in the file's segments or has entries of an "
             "unknown size";
    case load_error::needs_library:
      return "the file needs a shared library (DT_NEEDED): link with -static-pie";
    case load_error::other_relocations:
      return "relocations that are not in DT_RELA (RELR, REL, or those of a PLT): link without -z pack-relative-relocs "
             "and "
             "--pack-dyn-relocs, and hide all symbols";
    case load_error::unknown_relocation:
      return "a relocation that is not RELATIVE: an undefined symbol? Link with -static-pie -z defs and hide all "
             "symbols";
    case load_error::relocation_outside:
      return "a relocation reaches out of the file's segments: the table is damaged";
    case load_error::in_use:
      return "another load or unload is under way, or a crash has taken what was loaded: load it again later";
    case load_error::damaged:
      return "the region does not hold what was written to it: it must be memory, and nobody else's, no device's "
             "either";
  }
  return "unknown error: the value is damaged";
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
