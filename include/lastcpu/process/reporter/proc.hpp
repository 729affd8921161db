// SPDX-License-Identifier: BSL-1.0
#pragma once
// Reading /proc during a crash: directories of threads, files line by line. No allocation.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/text.hpp>

#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>

namespace lastcpu::reporter_detail {

/// A descriptor. Where the limit leaves none, the one with the highest number is closed: only the capture process has
/// them, its own copies. Does not wait, whatever the path has become: a pipe that nobody writes to, for one.
[[nodiscard]] inline long open_for_reading(const char* path) noexcept {
  return kernel_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
}
inline void close_fd(long fd) noexcept {
  if (fd >= 0) kernel_call(SYS_close, fd);
}

/// /proc/PID/task, or a file of it.
inline void path_of_task(text& out, uint32_t pid, uint32_t tid = 0, const char* file = nullptr) noexcept {
  out << "/proc/" << pid << "/task";
  if (file != nullptr) out << "/" << tid << "/" << file;
}

/// Whether /proc is there and numbers processes as this one does: not so in a PID namespace with the /proc of another.
[[nodiscard]] inline bool proc_is_ours() noexcept {
  char link[32] = {};
  const long n = kernel_call(SYS_readlinkat, AT_FDCWD, "/proc/self", link, sizeof link - 1);
  const char* at = link;
  return n > 0 && read_number(at, 10) == own_pid();
}

/// f(tid) for each thread of the process; false where they can't be listed.
template <class F>
[[nodiscard]] bool for_each_task(uint32_t pid, F f) noexcept {
  char path[64];
  text name(path);
  path_of_task(name, pid);
  const long fd = kernel_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) return false;
  struct entry {
    uint64_t inode, offset;
    uint16_t bytes;
    uint8_t type;
    char name[1];  // and more
  };
  alignas(8) char room[4096];
  long n;
  while ((n = kernel_call(SYS_getdents64, fd, room, sizeof room)) > 0)
    for (long at = 0; at < n;) {
      const auto* e = reinterpret_cast<const entry*>(room + at);
      const char* digits = reinterpret_cast<const char*>(e) + offsetof(entry, name);
      if (const uint64_t tid = read_number(digits, 10); tid != 0) f(static_cast<uint32_t>(tid));
      at += e->bytes;
    }
  close_fd(fd);
  return n == 0;
}

/// Reads a small file as text; empty when it can't be read. The number of bytes.
template <size_t N>
size_t read_small(const char* path, char (&room)[N]) noexcept {
  room[0] = '\0';
  const long fd = open_for_reading(path);
  if (fd < 0) return 0;
  const long n = kernel_call(SYS_read, fd, room, N - 1);
  close_fd(fd);
  room[n > 0 ? n : 0] = '\0';
  return n > 0 ? static_cast<size_t>(n) : 0;
}

/// A file line by line. A line that is longer than the room is cut.
class line_reader {
 public:
  explicit line_reader(const char* path) noexcept : fd_(open_for_reading(path)) {}
  ~line_reader() { close_fd(fd_); }
  line_reader(const line_reader&) = delete;
  line_reader& operator=(const line_reader&) = delete;

  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  /// The next line without its end, valid until the next call; null at the end of the file.
  [[nodiscard]] char* next() noexcept {
    line_[0] = '\0';
    size_t n = 0;
    for (int c; (c = get()) >= 0;) {
      if (c == '\n') return line_;
      if (n + 1 < sizeof line_) line_[n++] = static_cast<char>(c);
      line_[n] = '\0';
    }
    return n != 0 ? line_ : nullptr;
  }

 private:
  int get() noexcept {
    if (at_ == filled_) {
      const long n = kernel_call(SYS_read, fd_, room_, sizeof room_);
      if (n <= 0) return -1;
      filled_ = static_cast<size_t>(n);
      at_ = 0;
    }
    return static_cast<unsigned char>(room_[at_++]);
  }

  long fd_;
  size_t at_ = 0, filled_ = 0;
  char room_[4096];
  char line_[4352];
};

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
