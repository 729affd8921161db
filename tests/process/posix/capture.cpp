// SPDX-License-Identifier: BSL-1.0
// The capture program of the tests: writes down what it was handed.
#include "capture.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

namespace {

using posix_test::capture_result;

uint64_t mask_named(const char* name) {
  FILE* f = fopen("/proc/self/status", "r");
  if (f == nullptr) return ~uint64_t{0};
  uint64_t mask = ~uint64_t{0};
  for (char line[256]; fgets(line, sizeof line, f) != nullptr;)
    if (strncmp(line, name, strlen(name)) == 0) mask = strtoull(line + strlen(name), nullptr, 16);
  fclose(f);
  return mask;
}

void read_notes(const char* path, capture_result& r) {
  const int fd = open(path, O_RDONLY);
  lastcpu::crash_note_record record;
  while (r.records < posix_test::max_records && lastcpu::read_crash_note(fd, r.records == 0, record))
    r.record[r.records++] = record;
}

}  // namespace

int main(int argc, char** argv) {
  static capture_result r{};
  r.ran = 1;
  r.arguments = static_cast<uint32_t>(argc);
  r.pid = getpid();
  r.blocked = mask_named("SigBlk:");
  r.pending = mask_named("SigPnd:") | mask_named("ShdPnd:");
  r.ignored = mask_named("SigIgn:");
  if (argc > 1) snprintf(r.option, sizeof r.option, "%s", argv[1]);
  if (const char* g = getenv(posix_test::greeting_variable)) snprintf(r.greeting, sizeof r.greeting, "%s", g);
  constexpr char option[] = "--crash-notes=";
  if (argc > 1 && strncmp(argv[1], option, strlen(option)) == 0) read_notes(argv[1] + strlen(option), r);

  const char* where = getenv(posix_test::result_variable);
  if (where == nullptr || pwrite(atoi(where), &r, sizeof r, 0) != static_cast<ssize_t>(sizeof r)) return 1;
  if (const char* ms = getenv(posix_test::linger_variable)) {
    const timespec t{atoi(ms) / 1000, atoi(ms) % 1000 * 1'000'000L};
    nanosleep(&t, nullptr);
  }
  return posix_test::capture_exit;
}
