// SPDX-License-Identifier: BSL-1.0
#pragma once
// Bytes as a file, for what reads files by their name.

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "unit/fuzz/target.hpp"

namespace lastcpu::test {

class named_file {
 public:
  named_file(const uint8_t* data, size_t bytes) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    LASTCPU_FUZZ_EXPECT(fd_ >= 0 && write(fd_, data, bytes) == static_cast<ssize_t>(bytes));
    struct stat st {};
    LASTCPU_FUZZ_EXPECT(fstat(fd_, &st) == 0);
    inode = st.st_ino;
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd_);
  }
  ~named_file() { close(fd_); }
  named_file(const named_file&) = delete;
  named_file& operator=(const named_file&) = delete;

  char path[40];
  uint64_t inode = 0;

 private:
  int fd_;
};

}  // namespace lastcpu::test
