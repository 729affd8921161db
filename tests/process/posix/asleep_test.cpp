// SPDX-License-Identifier: BSL-1.0
// A loser that waits for the gate executes nothing, so it can't cost the owner anything: no processor time, and no cache
// line. While the owner works, neither a loser's processor time nor the number of its context switches changes.
#include "machine.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <vector>

// ThreadSanitizer runs a signal handler only where its thread does something: there a sleeper looks up now and then.
#if !defined(LASTCPU_POSIX_UNDER_TSAN)

namespace asleep_test {
namespace {

using namespace posix_test;

constexpr cpu_id losers = 3;

// What a thread has executed so far, and whether it sleeps now.
struct activity {
  uint64_t cpu_ns = 0;
  uint64_t switches = 0;
  bool asleep = false;
  bool operator==(const activity&) const = default;
};

[[nodiscard]] uint64_t cpu_ns_of(pid_t tid) {
  // The clock of one thread, as pthread_getcpuclockid() makes it.
  timespec t{};
  must(clock_gettime(static_cast<clockid_t>((~static_cast<unsigned>(tid) << 3) | 6u), &t) == 0, "a thread's clock");
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

[[nodiscard]] activity activity_of(cpu_id cpu) {
  const pid_t tid = tid_of(cpu);
  activity a{cpu_ns_of(tid), 0, false};
  int counters = 0;
  std::ifstream status("/proc/self/task/" + std::to_string(tid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("State:", 0) == 0) a.asleep = line.find('S', 6) != std::string::npos;
    if (line.find("_ctxt_switches:") == std::string::npos) continue;
    a.switches += std::stoull(line.substr(line.find(':') + 1));
    ++counters;
  }
  must(counters == 2, "the kernel counts voluntary and other context switches");
  return a;
}

using activities = std::array<activity, losers>;

[[nodiscard]] activities of_all_losers() {
  activities all;
  for (cpu_id i = 0; i < losers; ++i) all[i] = activity_of(i + 1);
  return all;
}

// Behind its acknowledgement a loser has a few instructions to go before it sleeps.
[[nodiscard]] bool all_fall_asleep() {
  return eventually([] {
    const activities before = of_all_losers();
    sleep_ms(20);
    const activities now = of_all_losers();
    for (const activity& a : now)
      if (!a.asleep) return false;
    return now == before;
  });
}

// The owner's work: memory, and a look at the gate now and then.
template <class Gate>
void work_for_ms(long ms, const Gate& gate) {
  std::vector<unsigned> memory(1 << 20);
  const uint64_t end = posix::now() + static_cast<uint64_t>(ms) * 1'000'000u;
  while (posix::now() < end)
    for (size_t i = 0; i < memory.size(); i += 16)
      if (gate.on_this_cpu()) ++memory[i];
  must(memory[16] != 0, "the owner has worked, and owns the gate");
}

struct verdict {
  bool slept, stayed_asleep;
};
shared<verdict>* seen = nullptr;

struct work_beside_losers : panic_policy {
  template <class Registers>
  static void report(const panic_info<Registers>&) noexcept {
    auto& machine = the_machine<posix, work_beside_losers>;
    for (cpu_id cpu = 1; cpu <= losers; ++cpu)
      start_cpu(cpu, [] { the_machine<posix, work_beside_losers>.panic("too late"); });
    for (cpu_id cpu = 1; cpu <= losers; ++cpu)
      must(eventually([&] { return machine.cpus().acknowledged(cpu); }), "a loser acknowledges");
    (*seen)->slept = all_fall_asleep();
    const activities before = of_all_losers();
    work_for_ms(300, machine.gate());
    (*seen)->stayed_asleep = of_all_losers() == before;
  }
};

TEST(asleep, losers_execute_nothing_while_the_owner_works) {
  shared<verdict> s;
  seen = &s;
  const outcome o = in_child([] {
    auto& machine = the_machine<posix, work_beside_losers>;
    boot(machine);
    const cpu_guard cpu(0);
    machine.panic("first");
  });
  EXPECT_TRUE(o.died_of(SIGABRT)) << o;
  EXPECT_TRUE(s->slept);
  EXPECT_TRUE(s->stayed_asleep) << "a loser ran while the owner worked";
}

}  // namespace
}  // namespace asleep_test

#endif
