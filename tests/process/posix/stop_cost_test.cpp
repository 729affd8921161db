// SPDX-License-Identifier: BSL-1.0
// What a stop costs, in system calls, wake-ups and pages: that much and no more.
#include "counted_calls.hpp"
#include "machine.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>

#include <fstream>
#include <vector>

namespace stop_cost_test {
namespace {

using namespace posix_test;

constexpr cpu_id owner = 0;

/// What /proc says of a CPU's thread in this line.
[[nodiscard]] uint64_t status_of(cpu_id cpu, const char* what, int base) {
  std::ifstream status("/proc/self/task/" + std::to_string(tid_of(cpu)) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(what, 0) == 0) return strtoull(line.c_str() + strlen(what), nullptr, base);
  must(false, what);  // no such line, or no such thread
  return 0;
}

[[nodiscard]] bool is_asleep(cpu_id cpu) {
  std::ifstream status("/proc/self/task/" + std::to_string(tid_of(cpu)) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("State:", 0) == 0) return line.find('S', 6) != line.npos;
  return false;
}

void await_sleep(cpu_id first, cpu_id last) {
  for (cpu_id cpu = first; cpu <= last; ++cpu) must(eventually([cpu] { return is_asleep(cpu); }), "it sleeps");
}

template <class Domain>
void start_sleepers(Domain&, cpu_id first, cpu_id last) {
  for (cpu_id cpu = first; cpu <= last; ++cpu)
    start_cpu(cpu, [] {
      for (;;) poll(nullptr, 0, -1);
    });
  await_sleep(first, last);
}

/// The gate is CPU 0's; they panic too late.
template <class Domain>
void start_losers(Domain& m, cpu_id first, cpu_id last) {
  for (cpu_id cpu = first; cpu <= last; ++cpu) start_cpu(cpu, [&m] { m.panic("too late"); });
  for (cpu_id cpu = first; cpu <= last; ++cpu)
    must(eventually([&m, cpu] { return m.cpus().acknowledged(cpu); }), "the loser counts as stopped");
  await_sleep(first, last);
}

// CPUs 1 to 20 sleep, 21 to 28 have lost the race. Each CPU's voluntary context switches, before.
constexpr cpu_id last_sleeper = 20, last_loser = 28;
uint64_t switches_before[last_loser + 1];

struct one_patient_rung : panic_policy {
  static constexpr rung rungs[] = {{stop_how::irq, 20'000'000}};
};

void stop_sleepers_and_losers() {
  auto& m = the_machine<posix, one_patient_rung>;
  boot(m);
  static const cpu_guard cpu(owner);
  must(lastcpu::detail::inside::of(m).gate.claim(hold::final).won(), "CPU 0 is first");
  counted.gate_word = &m.gate();
  start_sleepers(m, 1, last_sleeper);
  start_losers(m, last_sleeper + 1, last_loser);
  for (cpu_id c = 1; c <= last_loser; ++c) switches_before[c] = status_of(c, "voluntary_ctxt_switches:", 10);
  stop_report<posix::max_cpus> report;
  count_calls_of([&] {
    must(lastcpu::detail::inside::of(m).gate.commit(), "CPU 0 commits");
    report = m.stop_others();
  });
  must(report.count(stop_state::by_irq) == last_sleeper, "the sleepers are stopped");
  must(report.count(stop_state::parked) == last_loser - last_sleeper, "the losers are stopped");
}

TEST(stop_cost, each_running_cpu_gets_one_request_and_a_loser_none) {
  const auto o = in_child([] {
    stop_sleepers_and_losers();
    for (cpu_id c = 0; c <= last_loser; ++c)
      must(counted.cpu[c].requests.load(order::relaxed) == (c != owner && c <= last_sleeper ? 1u : 0u), "as many");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(stop_cost, losers_sleep_through_the_commit_and_the_stop) {
  const auto o = in_child([] {
    stop_sleepers_and_losers();
    must(counted.gate_wakes.load(order::relaxed) == 0, "nobody is woken on the gate");
    for (cpu_id c = last_sleeper + 1; c <= last_loser; ++c) {
      must(status_of(c, "voluntary_ctxt_switches:", 10) == switches_before[c], "it has not run");
      must(counted.cpu[c].calls.load(order::relaxed) == 0, "nor asked for anything");
    }
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(stop_cost, losers_are_let_go_to_park_by_the_shutdown) {
  const auto o = in_child([] {
    stop_sleepers_and_losers();
    lastcpu::detail::inside::of(the_machine<posix, one_patient_rung>).gate.wake_losers();
    const auto parked = [](cpu_id c) { return (status_of(c, "SigBlk:", 16) & bit(SIGUSR2)) != 0; };
    for (cpu_id c = 1; c <= last_loser; ++c) must(eventually([=] { return parked(c); }), "it masks everything");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

// CPUs that answer one after the other, from the first to the last, each when the owner sleeps and has had the time to
// sleep again where it was woken.
struct in_turn : posix {
  static inline const stop_cpus<in_turn>* stops = nullptr;
  static void make_resettable() noexcept {
    const cpu_id me = this_cpu();
    while (me != 1 && !stops->acknowledged(me - 1)) sleep_ms(1);
    sleep_ms(2);
    while (posix_detail::all_sleepers() == 0) sleep_ms(1);
  }
};

TEST(stop_cost, an_answer_wakes_only_who_waits_for_it) {
  constexpr cpu_id last = 48;
  // The last one wakes the owner. Another one asks the kernel for nothing but when its word shares a count with that
  // one's: one in 64.
  constexpr uint32_t most_wakes = 1 + 8;
  const auto o = in_child([] {
    auto& m = the_machine<in_turn, one_patient_rung>;
    boot(m);
    in_turn::stops = &m.cpus();
    const cpu_guard cpu(owner);
    must(lastcpu::detail::inside::of(m).gate.claim(hold::final).won(), "CPU 0 is first");
    start_sleepers(m, 1, last);
    count_calls_of([&] {
      must(lastcpu::detail::inside::of(m).gate.commit(), "CPU 0 commits");
      must(m.stop_others().count(stop_state::by_irq) == last, "all answer");
    });
    const uint32_t wakes = counted.wakes.load(order::relaxed);
    printf("%u wakes for %u answers\n", wakes, last);
    fflush(stdout);
    must(wakes <= most_wakes, "few of them");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

// It parks by one call. How many wake the owner before that is counted above.
TEST(stop_cost, a_stopped_cpu_makes_one_system_call_and_at_most_one_wake) {
  const auto o = in_child([] {
    stop_sleepers_and_losers();
    counted.on.store(1, order::release);  // the last to answer may still be on their way
    for (cpu_id c = 1; c <= last_sleeper; ++c)
      must(eventually([=] { return (status_of(c, "SigBlk:", 16) & bit(SIGUSR2)) != 0; }), "it parks");
    counted.on.store(0, order::release);
    for (cpu_id c = 1; c <= last_sleeper; ++c) {
      const uint32_t wakes = counted.cpu[c].wakes.load(order::relaxed);
      must(wakes <= 1, "one answer, one wake");
      must(counted.cpu[c].calls.load(order::relaxed) <= 1 + wakes, "one other call");
    }
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

/// From now on this thread shares its processor with a process that never sleeps, if there is one to share.
[[nodiscard]] pid_t start_hog_beside_me() {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  CPU_SET(sched_getcpu(), &mine);
  must(sched_setaffinity(0, sizeof mine, &mine) == 0, "a processor of one's own choice");
  const pid_t hog = fork();
  must(hog >= 0, "a hog");
  if (hog != 0) return hog;
  become_a_test_child();
  be_busy_for_ever();
  _exit(0);
}

void use_up_ns(uint64_t ns) {
  for (const uint64_t at = posix::now() + ns; posix::now() < at;) {
  }
}

// What one wait has spent in its yields, until it slept or gave up.
uint64_t yield_in_a_wait_of(uint64_t patience_ns) {
  static atomic<uint32_t> never{};
  use_up_ns(2'000'000);  // who has slept is not made to wait for the hog
  bool more = true;
  counted.yields_ns.store(0, order::relaxed);
  counted.last_yield_ns.store(0, order::relaxed);
  count_calls_of([&] { more = posix::wait_while(never, 0u, posix::now() + patience_ns); });
  const uint64_t all = counted.yields_ns.load(order::relaxed);
  const uint64_t before_the_last = all - counted.last_yield_ns.load(order::relaxed);
  must(before_the_last < posix_detail::longest_yielding_ns && before_the_last < patience_ns, "then it yields no more");
  must(!more || all < patience_ns, "it does not sleep over its deadline");
  return all;
}

// Each of its yields may give away a slice of milliseconds, past any deadline.
TEST(stop_cost, a_bounded_wait_gives_its_processor_away_once_and_then_looks_at_its_deadline) {
  constexpr uint64_t part_of_a_slice_ns = 500'000;
  const auto o = in_child([] {
    const pid_t hog = start_hog_beside_me();
    uint32_t given_away = 0;
    for (int wait = 0; wait < 500 && given_away < 20; ++wait)
      for (const uint64_t patience_ns : {uint64_t{300'000}, uint64_t{4'000'000}})
        if (yield_in_a_wait_of(patience_ns) >= part_of_a_slice_ns) ++given_away;
    kill(hog, SIGKILL);
    must(given_away > 0, "the hog was given something");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

/// Pages that the first store would have to ask the kernel for. Bit 63 of an entry says that there is one, bit 61 that it
/// is a file's.
[[nodiscard]] uint32_t absent_pages(const void* at, size_t bytes) {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = reinterpret_cast<uintptr_t>(at) / page;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(at) + bytes - 1) / page;
  std::vector<uint64_t> entries(last - first + 1);
  const int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const size_t size = entries.size() * sizeof entries[0];
  must(pread(map, entries.data(), size, static_cast<off_t>(first * sizeof entries[0])) == static_cast<ssize_t>(size),
       "/proc/self/pagemap can be read");
  close(map);
  uint32_t absent = 0;
  for (const uint64_t e : entries) absent += (e >> 63 & 1) == 0 || (e >> 61 & 1) != 0 ? 1u : 0u;
  return absent;
}

[[nodiscard]] uint32_t absent_pages(cpu_id entry) {
  return absent_pages(&posix_detail::cpu_table[entry], sizeof(posix_detail::cpu_entry));
}

/// A CPU whose entry is on two pages, of which the one with the fault is another one than that with its thread's number.
/// One that no neighbour in memory has brought in, where there is one.
[[nodiscard]] cpu_id cpu_on_two_pages() {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto page_of = [page](const auto* at) { return reinterpret_cast<uintptr_t>(at) / page; };
  cpu_id found = no_cpu;
  for (cpu_id cpu = 0; cpu + 1 < posix::max_cpus && (found == no_cpu || absent_pages(found) == 0); ++cpu)
    if (page_of(&posix_detail::cpu_table[cpu].fault) != page_of(&posix_detail::cpu_table[cpu + 1])) found = cpu;
  must(found != no_cpu, "there is one");
  return found;
}

// Neighbours in memory may have brought a page in already: what counts is that it was asked for.
TEST(stop_cost, what_a_crash_writes_to_is_asked_for_by_the_installation) {
  const auto o = in_child([] {
    auto& m = the_machine<>;
    count_calls_of([&] { boot(m); });
    const auto was_asked_for = [](const void* at, size_t bytes) {
      for (const auto& r : counted.population)
        if (r.holds(at, bytes)) return true;
      return false;
    };
    must(was_asked_for(&m, sizeof m), "the domain");
    must(was_asked_for(posix_detail::sleepers, sizeof posix_detail::sleepers), "the counts of who sleeps");
    must(counted.populated == 2, "nothing else");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(stop_cost, what_a_crash_writes_to_is_in_memory_before) {
  const auto o = in_child([] {
    auto& m = the_machine<>;
    const cpu_id me = cpu_on_two_pages();
    must(absent_pages(&m, sizeof m) > 0 && absent_pages(me) > 0, "it is not, at first");
    boot(m);
    const cpu_guard cpu(me);
    must(absent_pages(&m, sizeof m) == 0, "the domain");
    must(absent_pages(me) == 0, "the record of a fault");
    stack_t stack{};
    must(sigaltstack(nullptr, &stack) == 0, "a signal stack");
    constexpr size_t used = 4096;
    must(absent_pages(static_cast<char*>(stack.ss_sp) + stack.ss_size - used, used) == 0, "the stack of a stop");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

}  // namespace
}  // namespace stop_cost_test
