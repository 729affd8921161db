// SPDX-License-Identifier: BSL-1.0
#include "ending.hpp"

#include "line.hpp"
#include "words.hpp"

namespace {

using calls::make;
using calls::number;

/// Shared by both processes.
struct progress {
  uint64_t steps;
  uint64_t bytes;
};
constinit progress* seen = nullptr;

constexpr int restart_command = 0x0123'4567;

/// At once, whatever waits for a device.
[[noreturn]] void restart_by_force() noexcept {
  const int64_t trigger = make(number::open, "/proc/sysrq-trigger", calls::write_only);
  (void)make(number::write, trigger, "b", 1);
  for (;;) (void)make(number::reboot, 0xfee1dead, 0x28121969, restart_command, nullptr), calls::sleep(1000);
}

[[noreturn]] void watch() noexcept {
  const uint64_t stall = words::milliseconds("capture_stall", 60), limit = words::milliseconds("capture_limit", 1800);
  const uint64_t begin = calls::now();
  for (uint64_t steps = ~uint64_t{0}, changed = begin;; calls::sleep(100)) {
    const uint64_t now = calls::now(), is = __atomic_load_n(&seen->steps, __ATOMIC_RELAXED);
    if (is != steps) steps = is, changed = now;
    if (now - changed <= stall && now - begin <= limit) continue;
    line() << "capture: FAILED: stalled: " << (now - changed > stall ? "one step" : "all of it") << " has taken "
           << (now - changed > stall ? now - changed : now - begin) << " ms, after " << seen->bytes / (1024 * 1024)
           << " MiB";
    restart_by_force();
  }
}

}  // namespace

void ending::set_up() noexcept {
  constexpr uint64_t page = 4096, read_and_write = 3, shared_and_anonymous = 0x21;
  seen = reinterpret_cast<progress*>(make(number::mmap, nullptr, page, read_and_write, shared_and_anonymous, -1, 0));
  if (make(number::fork) == 0) watch();
}

void ending::step(uint64_t bytes) noexcept {
  __atomic_store_n(&seen->bytes, bytes, __ATOMIC_RELAXED);
  (void)__atomic_fetch_add(&seen->steps, 1, __ATOMIC_RELAXED);
}

void ending::restart() noexcept {
  step(0);
  (void)make(number::reboot, 0xfee1dead, 0x28121969, restart_command, nullptr);  // flushes the disk
  restart_by_force();
}

void ending::fail(const char* what, const char* more) noexcept {
  line() << "capture: FAILED: " << what << more;
  restart();
}
