// SPDX-License-Identifier: BSL-1.0
#pragma once
// A file that is written from front to back through a room of its own, and the notes of an ELF core.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/text.hpp>

#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

namespace lastcpu::reporter_detail {

class core_file {
 public:
  /// A new file that only its owner may read. An older one of that name is replaced, a device or a pipe is not, and no
  /// link is followed.
  [[nodiscard]] bool open(const char* path) noexcept {
    struct stat st {};
    const bool is_there = kernel_call(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_there && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))) kernel_call(SYS_unlinkat, AT_FDCWD, path, 0);
    fd_ = kernel_call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) error_ = static_cast<int>(-fd_);
    return fd_ >= 0;
  }
  void close() noexcept {
    if (fd_ >= 0) kernel_call(SYS_close, fd_);
    fd_ = -1;
  }

  /// Takes the file away where nothing is in it.
  void drop(const char* path) noexcept {
    close();
    kernel_call(SYS_unlinkat, AT_FDCWD, path, 0);
  }

  void put(const void* data, size_t bytes) noexcept {
    const auto* at = static_cast<const char*>(data);
    while (bytes > 0) {
      if (filled_ == sizeof room_) flush();
      const size_t n = bytes < sizeof room_ - filled_ ? bytes : sizeof room_ - filled_;
      copy_bytes(room_ + filled_, at, n);
      filled_ += n, at += n, bytes -= n;
    }
  }
  void pad_to(uint64_t alignment) noexcept {
    while (position() % alignment != 0) put("", 1);
  }
  void go_to(uint64_t offset) noexcept {
    flush();
    offset_ = offset;
  }
  void flush() noexcept {
    (void)write_at(room_, filled_, offset_);
    offset_ += filled_;
    filled_ = 0;
  }
  [[nodiscard]] uint64_t position() const noexcept { return offset_ + filled_; }

  /// Writes memory as it is; how many bytes of it could be written.
  [[nodiscard]] uint64_t write_at(const void* data, uint64_t bytes, uint64_t offset) noexcept {
    uint64_t done = 0;
    while (done < bytes && error_ == 0) {
      const long n = kernel_call(SYS_pwrite64, fd_, static_cast<const char*>(data) + done, bytes - done, offset + done);
      if (n == -EINTR) continue;
      if (n == -EFAULT) break;  // that page can't be read
      if (n <= 0) error_ = n == 0 ? ENOSPC : static_cast<int>(-n);
      if (n > 0) done += static_cast<uint64_t>(n);
    }
    return done;
  }
  void end_at(uint64_t bytes) noexcept {
    if (const long n = kernel_call(SYS_ftruncate, fd_, bytes); n < 0 && error_ == 0) error_ = static_cast<int>(-n);
  }

  /// The first error of a write, or 0.
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  long fd_ = -1;
  int error_ = 0;
  uint64_t offset_ = 0;
  size_t filled_ = 0;
  char room_[8 * 1024];
};

/// The head of a note whose descriptor has this many bytes; the descriptor and pad_to(4) come behind it.
inline void begin_note(core_file& to, const char* name, uint32_t type, uint64_t bytes) noexcept {
  const size_t n = length_of(name) + 1;
  const Elf64_Nhdr head{static_cast<Elf64_Word>(n), static_cast<Elf64_Word>(bytes), type};
  to.put(&head, sizeof head);
  to.put(name, n);
  to.pad_to(4);
}

template <class T>
void put_note(core_file& to, const char* name, uint32_t type, const T& descriptor) noexcept {
  begin_note(to, name, type, sizeof descriptor);
  to.put(&descriptor, sizeof descriptor);
  to.pad_to(4);
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
