// SPDX-License-Identifier: BSL-1.0
#pragma once
// The Multiboot2 boot protocol, which is what GRUB speaks. Pure: a hosted test reads tags of its own with it.

#include <stdint.h>

#include "boot_info.hpp"

namespace multiboot2 {

/// `bytes` at `at`, which is where physical address `physical` is mapped: 8-aligned, as the tags in it are.
struct tags {
  const unsigned char* at;
  uint64_t physical;
  uint32_t bytes;

  /// 0 where it ends before.
  template <class T>
  [[nodiscard]] T field(uint32_t offset) const noexcept {
    T value = 0;
    if (offset <= bytes && sizeof value <= bytes - offset) __builtin_memcpy(&value, at + offset, sizeof value);
    return value;
  }
  [[nodiscard]] tags part(uint32_t offset, uint32_t n) const noexcept { return {at + offset, physical + offset, n}; }
};

namespace detail {

/// Of a tag: its type and size come first.
inline constexpr uint32_t content = 8;

inline void add_memory(const tags& tag, lastcpu::kexec::ram_map& out) noexcept {
  constexpr uint32_t first_entry = 16, ram = 1;
  const auto entry_bytes = tag.field<uint32_t>(content);
  if (entry_bytes < 24) return;
  for (uint32_t at = first_entry; at <= tag.bytes && entry_bytes <= tag.bytes - at; at += entry_bytes)
    if (tag.field<uint32_t>(at + 16) == ram) out.add(tag.field<uint64_t>(at), tag.field<uint64_t>(at + 8));
}

// A text must end in its tag.
[[nodiscard]] inline const char* text_of(const tags& tag) noexcept {
  const bool ends = tag.bytes > content && tag.at[tag.bytes - 1] == 0;
  return ends ? reinterpret_cast<const char*>(tag.at + content) : "";
}

inline void read_tag(uint32_t type, const tags& tag, boot_info& out) noexcept {
  switch (type) {
    case 1:
      out.command_line = text_of(tag);
      return;
    case 3:  // a module, from its first byte to behind its last
      if (const auto begin = tag.field<uint32_t>(content), end = tag.field<uint32_t>(content + 4);
          out.file.bytes == 0 && begin < end)
        out.file = {begin, end - begin};
      return;
    case 6:
      return add_memory(tag, out.ram);
    case 14:  // a copy of the RSDP of ACPI 1.0
      if (out.rsdp == 0) out.rsdp = tag.physical + content;
      return;
    case 15:  // of a later one, which knows more
      out.rsdp = tag.physical + content;
      return;
    default:
      return;
  }
}

}  // namespace detail

/// Ends at the tag that says so, or does not fit.
[[nodiscard]] inline boot_info read(const tags& all) noexcept {
  constexpr uint32_t first_tag = 8, end = 0;
  boot_info out{};
  out.command_line = "";
  for (uint32_t at = first_tag; at <= all.bytes && all.bytes - at >= detail::content;) {
    const auto type = all.field<uint32_t>(at);
    const auto bytes = all.field<uint32_t>(at + 4);
    if (type == end || bytes < detail::content || bytes > all.bytes - at) return out;
    detail::read_tag(type, all.part(at, bytes), out);
    at += (bytes + 7) & ~uint32_t{7};
  }
  return out;
}

}  // namespace multiboot2
