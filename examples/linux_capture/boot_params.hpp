// SPDX-License-Identifier: BSL-1.0
#pragma once
// Linux's 64-bit boot protocol for x86 (Documentation/arch/x86/boot.rst and zero-page.rst in its sources): what a bzImage says
// of itself, and the page that it is told everything by. Pure: a hosted test reads and fills it.

#include <lastcpu/kexec/bytes.hpp>

#include <stdint.h>

namespace linux_boot {

using lastcpu::kexec::read_word;
using lastcpu::kexec::write_word;

enum class memory : uint32_t { ram = 1, reserved = 2 };

/// A file that is to be booted. Its header is at the same offsets as in the page of parameters.
class bzimage {
 public:
  bzimage(const unsigned char* file, uint64_t bytes) noexcept : file_(file), bytes_(bytes) {}

  /// Null, or what is wrong with it.
  [[nodiscard]] const char* check() const noexcept {
    constexpr uint32_t header_signature = 0x5372'6448;  // "HdrS"
    if (bytes_ < 0x1000 || read_word<uint32_t>(file_ + 0x202) != header_signature || code() >= bytes_)
      return "the file is no bzImage";
    if (read_word<uint16_t>(file_ + 0x206) < 0x20e || (read_word<uint16_t>(file_ + 0x236) & 1) == 0 ||
        file_[0x234] == 0)
      return "the kernel is not a relocatable one for x86-64, from Linux 4.20 on";
    const bool aligned = alignment() >= 4096 && (alignment() & (alignment() - 1)) == 0;
    if (!aligned || bytes_ - code() > memory_bytes() || lowest() > uint64_t{1} << 52)
      return "the kernel's header is damaged: it asks for a place that there can't be";
    return nullptr;
  }

  // After check():
  [[nodiscard]] uint64_t code() const noexcept { return (file_[0x1f1] == 0 ? 5 : file_[0x1f1] + 1u) * 512; }
  [[nodiscard]] uint64_t alignment() const noexcept { return read_word<uint32_t>(file_ + 0x230); }
  [[nodiscard]] uint64_t lowest() const noexcept { return read_word<uint64_t>(file_ + 0x258); }
  [[nodiscard]] uint64_t memory_bytes() const noexcept { return read_word<uint32_t>(file_ + 0x260); }
  [[nodiscard]] uint64_t command_line_bytes() const noexcept { return read_word<uint32_t>(file_ + 0x238); }
  [[nodiscard]] const unsigned char* file() const noexcept { return file_; }

 private:
  const unsigned char* file_;
  uint64_t bytes_;
};

/// A page, which begins as zeros.
class boot_params {
 public:
  boot_params(unsigned char* page, const bzimage& kernel) noexcept : page_(page) {
    constexpr uint64_t header = 0x1f1;
    lastcpu::kexec::copy_bytes(page + header, kernel.file() + header, 0x202 + kernel.file()[0x201] - header);
    page[0x210] = 0xff;  // a boot loader that has no number
  }

  void set_initrd(uint64_t at, uint64_t bytes) noexcept {
    write_halves(0x218, 0x0c0, at);
    write_halves(0x21c, 0x0c4, bytes);
  }
  void set_command_line(uint64_t at) noexcept { write_halves(0x228, 0x0c8, at); }
  void set_rsdp(uint64_t at) noexcept { write_word(page_ + 0x070, at); }

  /// False when there is no room for it.
  bool add_memory(uint64_t at, uint64_t bytes, memory what) noexcept {
    constexpr uint32_t most = 128;
    if (page_[0x1e8] >= most) return false;
    unsigned char* const entry = page_ + 0x2d0 + page_[0x1e8]++ * 20u;
    write_word(entry, at);
    write_word(entry + 8, bytes);
    write_word(entry + 16, static_cast<uint32_t>(what));
    return true;
  }

 private:
  void write_halves(uint64_t low, uint64_t high, uint64_t value) noexcept {
    write_word(page_ + low, static_cast<uint32_t>(value));
    write_word(page_ + high, static_cast<uint32_t>(value >> 32));
  }

  unsigned char* page_;
};

}  // namespace linux_boot
