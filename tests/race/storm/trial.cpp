// SPDX-License-Identifier: BSL-1.0
#include "trial.hpp"

#include "machine.hpp"

#include <lastcpu/platform/posix/futex.hpp>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace storm {
namespace {

// Only a defect that no state shows runs into it.
constexpr uint64_t last_resort_ns = 60'000'000'000;

[[noreturn]] void be_the_trial(const trial& t, const script& s) noexcept {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGINT, SIG_IGN);  // meant for who runs the trials
  run_machine(t.who, t.where, s, t.seed);
}

[[nodiscard]] bool ends_in_time(pid_t child) noexcept {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  if (fd < 0) return true;  // wait without a limit
  const uint64_t until = lastcpu::posix_detail::monotonic_ns() + last_resort_ns;
  pollfd p{fd, POLLIN, 0};
  int ready = 0;
  do {
    const uint64_t now = lastcpu::posix_detail::monotonic_ns();
    ready = now >= until ? 0 : poll(&p, 1, static_cast<int>((until - now) / 1'000'000) + 1);
  } while (ready < 0 && errno == EINTR);
  close(fd);
  return ready > 0;
}

}  // namespace

std::string prepare_trials() {
  void* p = mmap(nullptr, sizeof(trial_area), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return std::string("no shared memory: ") + strerror(errno);
  area = static_cast<trial_area*>(p);
  return {};
}

verdict run_trial(const trial& t) {
  memset(static_cast<void*>(area), 0, sizeof *area);
  area->began_ns = lastcpu::posix_detail::monotonic_ns();
  const script s = write_script(t.where, t.seed);
  const pid_t child = fork();
  if (child < 0) return {outcome::died, std::string("fork: ") + strerror(errno)};
  if (child == 0) be_the_trial(t, s);
  process_end end{ends_in_time(child), 0};
  if (!end.in_time) kill(child, SIGKILL);
  while (waitpid(child, &end.wait_status, 0) < 0 && errno == EINTR) {
  }
  return judge(t.who, s, end);
}

uint64_t seed_of(uint64_t base, scenario s, uint64_t n) noexcept {
  dice d(base * 1'000'003 + static_cast<uint64_t>(s));
  return dice(d.next() + n).next() >> 16;
}

}  // namespace storm
