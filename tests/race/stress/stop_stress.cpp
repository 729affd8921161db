// SPDX-License-Identifier: BSL-1.0
// Stopping real threads, again and again: registers and plain data of who has acknowledged belong to the owner.
#include "crew.hpp"

#include "../../process/posix/machine.hpp"

#include <algorithm>

namespace stop_stress {
namespace {

using namespace stress;

[[nodiscard]] posix_registers pattern(uint64_t seed) {
  posix_registers r{};
  r.pc = seed;
  r.sp = seed + 1;
  r.fp = seed + 2;
  r.flags = seed + 3;
  for (uint64_t& g : r.general) g = ++seed;
  return r;
}

[[nodiscard]] bool same(const posix_registers& a, const posix_registers& b) {
  return a.pc == b.pc && a.sp == b.sp && a.fp == b.fp && a.flags == b.flags && std::ranges::equal(a.general, b.general);
}

// The last CPU owns the gate; the others save, leave plain data behind, acknowledge.
TEST(stop_stress, registers_are_whole_once_they_are_acknowledged) {
  expect_success([] {
    constexpr cpu_id cpus = 4, owner = cpus - 1;
    static stop_cpus<posix> stops;
    static uint64_t plain[cpus];
    in_rounds(
        cpus, rounds(2'000), [](unsigned) { std::construct_at(&stops); },
        [](cpu_id me, unsigned round) {
          if (me != owner) {
            const posix_registers mine = pattern(round * 64 + me);
            plain[me] = round;
            stops.save_registers(me, &mine);
            stops.acknowledge(me, stop_state::parked);
            return;
          }
          for (cpu_id c = 0; c < owner; ++c) {
            while (!stops.acknowledged(c)) std::this_thread::yield();
            must(plain[c] == round, "what was done before the acknowledgement is there");
            must(stops.registers_of(c) != nullptr, "registers are saved before it");
            must(same(*stops.registers_of(c), pattern(round * 64 + c)), "and whole");
          }
        },
        [](unsigned) {});
  });
}

TEST(stop_stress, an_owner_that_waits_for_acknowledgements_misses_none) {
  expect_success([] {
    constexpr cpu_id cpus = 4, owner = cpus - 1;
    struct mute : posix {
      static void send_stop(const cpu_set<max_cpus>&, stop_how) noexcept {}
    };
    static stop_cpus<mute> stops;
    static panic_cpu<mute> gate;
    in_rounds(
        cpus, rounds(1'500),
        [](unsigned) {
          std::construct_at(&stops);
          std::construct_at(&gate);
        },
        [](cpu_id me, unsigned round) {
          if (me != owner) {
            const posix_registers mine = pattern(round + me);
            stops.save_registers(me, &mine);
            stops.acknowledge(me, stop_state::by_irq);
            return;
          }
          must(gate.claim(hold::final).won() && gate.commit(), "the owner commits");
          constexpr rung one[] = {{stop_how::irq, 20'000'000}};
          const auto report = stops.stop_others(gate, one);
          must(report.status() == stop_status::stopped, "all answered");
          for (cpu_id c = 0; c < owner; ++c) {
            must(report.state(c) == stop_state::by_irq && report.registers_valid(c), "as it says");
            must(same(*stops.registers_of(c), pattern(round + c)), "with whole registers");
          }
        },
        [](unsigned) {});
  });
}

// --- the whole path on real threads; each round is a process

constexpr cpu_id crowd = 6;
uint64_t plain_of[crowd];  // each CPU's own, until it has stopped
posix_test::shared<uint32_t>* ends = nullptr;

struct look_at_all : panic_policy {
  static constexpr rung rungs[] = {{stop_how::irq, 10'000'000}, {stop_how::nmi, 10'000'000}};
  template <class Report>
  static void notifiers(const Report& report) noexcept {
    must(report.status() == stop_status::stopped, "everybody stopped");
    for (cpu_id c = 0; c < crowd; ++c) {
      if (c == posix::this_cpu()) continue;
      const stop_state s = report.state(c);
      must(s == stop_state::parked || s == stop_state::by_irq || s == stop_state::by_nmi, "and says how");
      must(report.registers_valid(c), "with registers");
      must(plain_of[c] != 0, "its data is the owner's now");
      plain_of[c] = 0;
    }
    __atomic_fetch_add(&**ends, 1, __ATOMIC_RELAXED);
  }
};
auto& machine = posix_test::the_machine<posix, look_at_all>;

// What the threads of one round do when the crash comes: all panic, or some are at work.
void crash_together(cpu_id panicking) {
  must(posix_install(machine).empty(), "installed");
  std::barrier ready(crowd);
  on_cpus(crowd, [&ready, panicking](cpu_id me) {
    plain_of[me] = me + 1;
    ready.arrive_and_wait();
    if (me < panicking) machine.panic("all at once");
    if (me % 2 == 0) posix_test::sleep_for_ever();
    static constinit lastcpu::atomic<uint32_t> beats{};
    for (;;) {
      ++plain_of[me];
      beats.fetch_add(1, order::relaxed);  // no compiler may drop the loop, and a stop is taken in it
      posix_detail::let_pending_handlers_run();
    }
  });
}

void expect_one_end(cpu_id panicking, unsigned count) {
  posix_test::shared<uint32_t> ended;
  ends = &ended;
  for (unsigned round = 0; round < count; ++round) {
    const outcome o = in_child([=] { crash_together(panicking); }, deadline_ms);
    ASSERT_TRUE(o.died_of(SIGABRT)) << o;
    ASSERT_EQ(*ended, round + 1) << "the notifiers ran once";
  }
}

TEST(stop_stress, one_of_many_that_panic_together_stops_all_others) {
  expect_one_end(crowd, 40 / (slower > 1 ? 4 : 1));
}

TEST(stop_stress, one_that_panics_stops_the_busy_and_the_sleeping) {
  expect_one_end(1, 40 / (slower > 1 ? 4 : 1));
}

TEST(stop_stress, losers_and_workers_together_stop) {
  expect_one_end(3, 40 / (slower > 1 ? 4 : 1));
}

}  // namespace
}  // namespace stop_stress
