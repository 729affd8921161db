// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which memory the crash kernel gets: as `crashkernel=` on the command line says, "96M" or, with a place, "96M@160M". A
// number is in MiB. Pure: a hosted test asks it.

#include <lastcpu/kexec/ram_map.hpp>

#include <stdint.h>

#include "boot_info.hpp"

namespace crash_region {

inline constexpr uint64_t mib = uint64_t{1} << 20;
inline constexpr uint64_t step = 2 * mib;  // what the direct map's pages are
inline constexpr uint64_t lowest =
    64 * mib;  // the kernel ends below, and a crash kernel that is linked to one place is here
inline constexpr uint64_t end = 3072 * mib;  // the direct map has devices behind
inline constexpr uint64_t most = 256 * mib;

struct wish {
  uint64_t bytes = 16 * mib;
  uint64_t at = 0;  // 0: wherever there is room
};

namespace detail {

// "123M"; moves `text` behind it. No size is as large as what is too large to be read.
[[nodiscard]] inline bool read_size(const char*& text, uint64_t& out) noexcept {
  uint64_t n = 0;
  const char* const begin = text;
  for (; *text >= '0' && *text <= '9'; ++text)
    if (n < most) n = n * 10 + static_cast<uint64_t>(*text - '0');
  if (text == begin || *text != 'M') return false;
  ++text;
  out = n * mib;
  return true;
}

}  // namespace detail

/// Null, or what is wrong with the value; an empty one wishes for nothing else than `out` says.
[[nodiscard]] inline const char* read(const char* value, wish& out) noexcept {
  if (*value == '\0') return nullptr;
  wish w;
  bool right = detail::read_size(value, w.bytes);
  if (right && *value == '@') right = detail::read_size(++value, w.at) && w.at != 0;
  if (!right || *value != '\0') return "crashkernel= is no size such as 96M, nor one with a place such as 96M@160M";
  if (w.bytes % step != 0 || w.bytes == 0 || w.bytes > most)
    return "crashkernel= asks for a size that is not an even number of MiB from 2 to 256";
  if (w.at % step != 0 || (w.at != 0 && w.at < lowest))
    return "crashkernel= asks for a place that is not an even number of MiB from 64 on";
  out = w;
  return nullptr;
}

/// Null with the region's place in `at`, or why there is none. The file's own memory is not taken.
[[nodiscard]] inline const char* find(const wish& w, const lastcpu::kexec::ram_map& ram, const boot_file& file,
                                      uint64_t& at) noexcept {
  const auto fits = [&](uint64_t place) {
    const bool apart = place + w.bytes <= file.address || file.address + file.bytes <= place;
    return place + w.bytes <= end && (apart || file.bytes == 0) && ram.contains(place, w.bytes);
  };
  if (w.at != 0 && !fits(w.at))
    return "crashkernel= asks for a place that is not memory below 3 GiB, or holds the crash kernel's file: leave the "
           "place out";
  for (at = w.at != 0 ? w.at : lowest; !fits(at); at += step)
    if (at >= end)
      return "the machine has no memory for the crash kernel's region: 128 MiB, or 64 and what crashkernel= asks for";
  return nullptr;
}

}  // namespace crash_region
