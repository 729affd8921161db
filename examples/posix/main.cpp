// SPDX-License-Identifier: BSL-1.0
// A server that wants one clean crash report, whatever its threads do at once. Usage:
//
//     lastcpu_example_posix CAPTURE_PROGRAM
//
// Four workers serve requests; a bad one makes two of them crash at once. One report comes out, with the other's
// message in it if it came that far. Copy what main(), prepare() and worker() do.

#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/posix.hpp>

#include <stdio.h>
#include <time.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace {

constinit lastcpu::crash_domain<lastcpu::posix> machine;

std::atomic<int> bad_requests{0};

void serve(int worker) {
  const timespec a_while{0, 5'000'000};
  nanosleep(&a_while, nullptr);
  if (worker >= 2 || bad_requests.load() == 0) return;
  int* volatile session = nullptr;  // the bug
  *static_cast<volatile int*>(session) = worker;
}

void worker(int number) {
  lastcpu::cpu_guard cpu;  // from here on this thread can be stopped, and has a stack for its fault handler
  if (!cpu) fprintf(stderr, "worker %d: %s\n", number, cpu.error().c_str());
  for (;;) serve(number);
}

// Empty, or what is wrong. Without a capture program a crash still ends in order, of the signal that began it.
[[nodiscard]] std::string prepare(const char* capture_path) {
  std::string error = lastcpu::posix_install(machine);
  if (!error.empty()) return error;
  lastcpu::capture_program capture;
  if (!lastcpu::open_capture_program(capture_path, capture, error)) return error;
  if (machine.image().load(capture) != lastcpu::load_outcome::loaded) return "the capture program was not accepted";
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s CAPTURE_PROGRAM; try lastcpu_example_capture\n", argv[0]);
    return 2;
  }
  if (const std::string error = prepare(argv[1]); !error.empty()) {
    fprintf(stderr, "%s: %s\n", argv[0], error.c_str());
    return 2;
  }
  lastcpu::cpu_guard cpu;
  std::vector<std::thread> workers;
  workers.reserve(4);
  for (int i = 0; i < 4; ++i) workers.emplace_back(worker, i);
  puts("serving; the bad request comes now");
  fflush(stdout);  // the capture program writes to the same place, and what is buffered here dies with us
  bad_requests.store(1);
  for (std::thread& t : workers) t.join();
}
