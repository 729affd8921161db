// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a kernel says of itself when it loads a crash kernel, so that a dump of it can be opened: plain data, read during
// the load and not kept. All of it is optional, zeros say nothing: without `ram` and `direct_map` the core has no memory
// but the image, without an image no variable of the kernel, without a build id nobody knows whose it is.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/crash_region.hpp>
#include <lastcpu/kexec/load_error.hpp>
#include <lastcpu/kexec/ram_map.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// What may be done with a segment, as ELF's p_flags say it.
enum class segment_flag : uint32_t {
  execute = 1,                     ///< it has code
  write = 2,                       ///< it is written to
  read = 4,                        ///< it is read
  not_in_small_cores = 0x10'0000,  ///< tables and buffers that no debugger needs, in the image: small_core.hpp
};

/// A part of the kernel's image: where it runs, and where in memory that is.
struct image_segment {
  uint64_t virtual_address;  ///< where it runs
  uint64_t physical;         ///< where it lies
  uint64_t bytes;            ///< its size
  uint32_t flags;            ///< segment_flag, or-ed
  uint32_t reserved;         ///< 0
};

/// To fill in, in memory that was zero: for load_options::kernel.
struct kernel_facts {
  /// How many segments an image may have.
  static constexpr uint32_t most_segments = 8;
  /// What there is room for; a longer one is cut.
  static constexpr uint32_t most_build_id_bytes = 32;

  ram_map ram;       ///< all memory
  ram_map left_out;  ///< what is not to be saved; the region never is
  uint64_t rsdp;     ///< physical; 0: none
  uint64_t slide;    ///< run-time minus link-time address
  ///@{
  /// Memory that is mapped one after the other: physical address direct_map_physical at direct_map_virtual, and so on.
  uint64_t direct_map_virtual, direct_map_physical, direct_map_bytes;
  ///@}
  uint32_t image_count;                         ///< by add_image()
  uint32_t build_id_bytes;                      ///< by find_build_id()
  image_segment image[most_segments];           ///< by add_image()
  unsigned char build_id[most_build_id_bytes];  ///< by find_build_id()

  /// Adds a segment of the image: [from, to) as it runs, which lies at `at` in physical memory. Whole pages are saved.
  void add_image(const void* from, const void* to, uint64_t at, uint32_t flags) noexcept {
    const auto begin = reinterpret_cast<uintptr_t>(from);
    const uint32_t i = image_count++;  // a count over the room is refused by the load
    if (i >= most_segments) return;
    image[i].virtual_address = begin;
    image[i].physical = at;
    image[i].bytes = reinterpret_cast<uintptr_t>(to) - begin;
    image[i].flags = flags;
  }
  /// Takes the build id out of the notes in [from, to), which the linker script has put between two symbols
  /// (`KEEP(*(.note.gnu.build-id))`; the linker makes it with --build-id). False where there is none.
  bool find_build_id(const void* from, const void* to) noexcept;
};

inline bool kernel_facts::find_build_id(const void* from, const void* to) noexcept {
  constexpr uint64_t header = 12;
  constexpr uint32_t gnu = 0x0055'4e47;  // "GNU"
  constexpr uint32_t build_id_type = 3;
  const auto* at = static_cast<const unsigned char*>(from);
  const auto* const end = static_cast<const unsigned char*>(to);
  while (at < end && static_cast<uint64_t>(end - at) >= header) {
    const uint64_t name = round_up(read_word<uint32_t>(at), 4);
    const uint64_t bytes = read_word<uint32_t>(at + 4);
    const uint64_t whole = header + name + round_up(bytes, 4);
    if (whole > static_cast<uint64_t>(end - at)) return false;
    if (name == 4 && read_word<uint32_t>(at + header) == gnu && read_word<uint32_t>(at + 8) == build_id_type) {
      build_id_bytes = bytes < most_build_id_bytes ? static_cast<uint32_t>(bytes) : most_build_id_bytes;
      copy_bytes(build_id, at + header + name, build_id_bytes);
      return true;
    }
    at += whole;
  }
  return false;
}

namespace detail {

// No machine has more. Sums of two such numbers don't wrap.
inline constexpr uint64_t physical_limit = uint64_t{1} << 56;

[[nodiscard]] constexpr bool is_physical(uint64_t at, uint64_t bytes) noexcept {
  return at <= physical_limit && bytes <= physical_limit - at;
}
[[nodiscard]] constexpr bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) noexcept {
  return a < b + b_bytes && b < a + a_bytes;
}

[[nodiscard]] inline load_error check_ranges(const ram_map& map, load_error too_many, load_error wraps) noexcept {
  if (map.no_room != 0 || map.count > ram_map::capacity) return too_many;
  for (uint32_t i = 0; i < map.count; ++i)
    if (!is_physical(map.ranges[i].physical, map.ranges[i].bytes)) return wraps;
  return load_error::none;
}

[[nodiscard]] inline load_error check_image_segment(const kernel_facts& facts, const image_segment& s,
                                                    const ram_range& region, uint64_t map_bytes) noexcept {
  constexpr uint64_t mask = page_bytes - 1;
  if (((s.virtual_address ^ s.physical) & mask) != 0) return load_error::image_misaligned;
  if (s.bytes == 0 || !is_physical(s.physical, s.bytes) || s.bytes - 1 > ~s.virtual_address)
    return load_error::image_wraps;
  const uint64_t first = s.physical & ~mask;
  const uint64_t bytes = round_up(s.physical + s.bytes, page_bytes) - first;
  if (first + bytes > map_bytes) return load_error::memory_above_map;
  if (overlap(first, bytes, region.physical, region.bytes)) return load_error::image_in_region;
  for (uint32_t i = 0; i < facts.left_out.count; ++i)
    if (overlap(first, bytes, facts.left_out.ranges[i].physical, facts.left_out.ranges[i].bytes))
      return load_error::image_left_out;
  return load_error::none;
}

}  // namespace detail

/// What is wrong with the facts, before anything is made of them; `none`: nothing. `region` is the crash kernel's,
/// `map_bytes` what it finds mapped.
[[nodiscard]] inline load_error check_facts(const kernel_facts& facts, const ram_range& region,
                                            uint64_t map_bytes) noexcept {
  load_error wrong = detail::check_ranges(facts.ram, load_error::too_many_ram_ranges, load_error::ram_range_wraps);
  if (wrong == load_error::none)
    wrong = detail::check_ranges(facts.left_out, load_error::too_many_left_out, load_error::left_out_wraps);
  if (wrong != load_error::none) return wrong;
  const bool mapped = detail::is_physical(facts.direct_map_physical, facts.direct_map_bytes) &&
                      (facts.direct_map_bytes == 0 || facts.direct_map_bytes - 1 <= ~facts.direct_map_virtual);
  if (!mapped || ((facts.direct_map_physical ^ facts.direct_map_virtual) & (page_bytes - 1)) != 0)
    return load_error::bad_direct_map;
  if (facts.build_id_bytes > kernel_facts::most_build_id_bytes) return load_error::bad_build_id;
  if (facts.image_count > kernel_facts::most_segments) return load_error::too_many_image_segments;
  for (uint32_t i = 0; i < facts.image_count && wrong == load_error::none; ++i)
    wrong = detail::check_image_segment(facts, facts.image[i], region, map_bytes);
  return wrong;
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
