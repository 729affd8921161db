// SPDX-License-Identifier: BSL-1.0
#pragma once
// Whether a thread sleeps in the kernel, as its file `stat` says. A thread that its tracer holds is "t", one that is being
// woken "R".

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

namespace nmi_step {

class thread_state {
 public:
  // Not by its process: where two threads of that end at a time, one spins until the kernel has forgotten the other's files.
  explicit thread_state(uint32_t thread) noexcept {
    char name[64];
    snprintf(name, sizeof name, "/proc/%u/stat", thread);
    stat_ = open(name, O_RDONLY | O_CLOEXEC);
  }
  ~thread_state() {
    if (stat_ >= 0) close(stat_);
  }
  thread_state(const thread_state&) = delete;
  thread_state& operator=(const thread_state&) = delete;

  /// True also of a thread that is no more.
  [[nodiscard]] bool sleeps() const noexcept {
    char text[256];
    const ssize_t n = stat_ < 0 ? 0 : pread(stat_, text, sizeof text - 1, 0);
    if (n <= 0) return true;
    text[n] = '\0';
    const char* name_end = strrchr(text, ')');
    return name_end != nullptr && name_end[1] == ' ' && name_end[2] == 'S';
  }

 private:
  int stat_ = -1;
};

}  // namespace nmi_step
