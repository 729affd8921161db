// SPDX-License-Identifier: BSL-1.0
#pragma once
// The dead kernel's memory, by its physical addresses and through its own page tables. Nothing in it is trusted: each
// address is checked before it is used, and each walk has an end. What the handover does not call memory is not read: a
// device may take a load for a command. For a crash kernel, or a tool that has all of that memory; any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/handover.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// `Walk` is the processor's part (x86-64: platform/x86_64/page_walk.hpp):
///     static bool translate(uint64_t root, uint32_t levels, uint64_t address, uint64_t& physical, read_entry) noexcept;
///     static bool is_kernel_address(uint64_t) noexcept;
/// where `bool read_entry(uint64_t physical, uint64_t& out)` reads one aligned word of memory.
template <class Walk>
class old_memory {
 public:
  /// A handover that open_handover() has let pass, which stays where it is. `zero` is where physical address 0 is mapped.
  explicit old_memory(const handover& from, uintptr_t zero = 0) noexcept
      : from_(from), zero_(zero), root_(from.page_tables) {}

  /// The address space of another root than that of the CPU that jumped, as a CPU's control words have it.
  [[nodiscard]] old_memory with_root(uint64_t root) const noexcept {
    old_memory other(from_, zero_);
    other.root_ = root;
    return other;
  }

  /// [at, at + bytes) is memory, and mapped.
  [[nodiscard]] bool is_readable(uint64_t at, uint64_t bytes) const noexcept {
    return ram_range{0, from_.map_bytes}.contains(at, bytes) && from_.is_ram(at, bytes);
  }
  /// The word at `at`, an address that is a multiple of its size; false, and `out` as it was, where there is none.
  template <class T>
  [[nodiscard]] bool read_physical(uint64_t at, T& out) const noexcept {
    if (at % sizeof(T) != 0 || !is_readable(at, sizeof(T))) return false;
    out = *reinterpret_cast<const volatile T*>(zero_ + at);
    return true;
  }
  /// The same at an address of the dead kernel's.
  template <class T>
  [[nodiscard]] bool read(uint64_t address, T& out) const noexcept {
    uint64_t physical = 0;
    return address % sizeof(T) == 0 && translate(address, physical) && read_physical(physical, out);
  }

  /// [at, at + bytes) to `to`. False where a part of it can't be read: what comes before that part has been copied.
  [[nodiscard]] bool copy_physical(uint64_t at, void* to, uint64_t bytes) const noexcept {
    return in_pages(at, to, bytes, [](uint64_t, uint64_t&) { return true; });
  }
  /// The same from an address of the dead kernel's.
  [[nodiscard]] bool copy(uint64_t address, void* to, uint64_t bytes) const noexcept {
    return in_pages(address, to, bytes, [this](uint64_t from, uint64_t& at) { return translate(from, at); });
  }

  /// Where the dead kernel has `address`. False where it is not mapped; says nothing of what is there.
  [[nodiscard]] bool translate(uint64_t address, uint64_t& physical) const noexcept {
    return Walk::translate(root_, from_.page_table_levels, address, physical,
                           [this](uint64_t at, uint64_t& entry) { return read_physical(at, entry); });
  }

  /// The program counters of a chain of frame pointers, `pc` the first; as many as it has, `most` at most. A chain that goes
  /// in a circle ends there. One that changes the stack, as in an NMI, may go up or down.
  [[nodiscard]] uint32_t backtrace(uint64_t pc, uint64_t frame, uint64_t* out, uint32_t most) const noexcept {
    uint32_t n = 0;
    while (n < most) {
      out[n++] = pc;
      uint64_t outer = 0;
      if (!Walk::is_kernel_address(frame) || !read(frame, outer) || !read(frame + 8, pc) || pc == 0) break;
      frame = outer;
    }
    return n;
  }

 private:
  static constexpr uint64_t page = 4096;

  template <class Translate>
  [[nodiscard]] bool in_pages(uint64_t from, void* to, uint64_t bytes, Translate translate) const noexcept {
    auto* out = static_cast<unsigned char*>(to);
    if (bytes != 0 && bytes - 1 > ~from) return false;
    while (bytes != 0) {
      const uint64_t rest = page - from % page;
      const uint64_t n = bytes < rest ? bytes : rest;
      uint64_t physical = from;
      if (!translate(from, physical) || !is_readable(physical, n)) return false;
      copy_bytes(out, reinterpret_cast<const unsigned char*>(zero_ + physical), n);
      from += n;
      out += n;
      bytes -= n;
    }
    return true;
  }

  const handover& from_;
  uintptr_t zero_;
  uint64_t root_;
};

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
