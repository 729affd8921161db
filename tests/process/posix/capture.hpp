// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the tests' capture program found, and the file that it leaves it in: a memfd whose number is in its environment.

#include <lastcpu/platform/posix/crash_notes.hpp>

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace posix_test {

inline constexpr int capture_exit = 42;
inline constexpr char result_variable[] = "LASTCPU_TEST_RESULT";
inline constexpr char linger_variable[] = "LASTCPU_TEST_LINGER_MS";  // waits so long before it ends
inline constexpr char greeting_variable[] = "LASTCPU_TEST_GREETING";
inline constexpr uint32_t max_records = 16;

struct capture_result {
  uint32_t ran;
  uint32_t arguments;
  uint32_t records;
  int32_t pid;
  uint64_t blocked, pending, ignored;  // signals, when it started
  char option[64];
  char greeting[64];
  lastcpu::crash_note_record record[max_records];

  [[nodiscard]] const lastcpu::crash_note_record* of(lastcpu::cpu_id cpu) const {
    for (uint32_t i = 0; i < records; ++i)
      if (record[i].cpu == cpu) return &record[i];
    return nullptr;
  }
};

/// Where the capture program of this process, and of its children, leaves its result.
class capture_room {
 public:
  capture_room() : fd_(memfd_create("capture-result", 0)) { setenv(result_variable, name().c_str(), 1); }
  ~capture_room() { close(fd_); }
  capture_room(const capture_room&) = delete;
  capture_room& operator=(const capture_room&) = delete;

  /// What stands in the environment for it.
  [[nodiscard]] std::string name() const { return std::to_string(fd_); }
  /// All zero as long as no capture program ran.
  [[nodiscard]] capture_result result() const {
    capture_result r{};
    if (pread(fd_, &r, sizeof r, 0) != static_cast<ssize_t>(sizeof r)) r.ran = 0;
    return r;
  }
  [[nodiscard]] bool ran() const { return result().ran != 0; }

 private:
  int fd_;
};

}  // namespace posix_test
