// SPDX-License-Identifier: BSL-1.0
// Words that are made of a hardware spinlock (locked_atomic.hpp), and the gate on them, under threads. What they guard is
// plain data, so that ThreadSanitizer sees an order that is too weak.
#include <lastcpu/locked_atomic.hpp>

#include <barrier>

#include "../../support/fake_spinlock.hpp"
#include "crew.hpp"

namespace locked_atomic_stress {
namespace {

using namespace stress;
using lastcpu::test::fake_spinlock;
using lastcpu::test::locked_port;

constexpr cpu_id cores = 4;

template <class F>
void on_cores(F body) {
  std::barrier start(static_cast<std::ptrdiff_t>(cores));
  std::vector<std::thread> crew;
  for (cpu_id me = 0; me < cores; ++me)
    crew.emplace_back([&, me] {
      locked_port::me = me;
      start.arrive_and_wait();
      body(me);
    });
  for (std::thread& t : crew) t.join();
}

TEST(locked_atomic_stress, no_exchange_and_no_store_is_lost) {
  static locked_atomic<uint32_t, fake_spinlock> sum, turn;
  const unsigned each = rounds(200'000);
  on_cores([&](cpu_id) {
    for (unsigned i = 0; i < each; ++i) {
      uint32_t seen = sum.load(order::relaxed);
      while (!sum.compare_exchange(seen, seen + 1, order::relaxed, order::relaxed)) continue;
    }
  });
  EXPECT_EQ(sum.load(order::relaxed), cores * each);
  // Core 1 sets the last bit of what it has found. An exchange that puts an older value there has overwritten a store.
  on_cores([&](cpu_id me) {
    for (unsigned i = 0; i < each && me < 2; ++i) {
      if (me == 0) {
        turn.store(2 * i + 2, order::release);
        ASSERT_GE(turn.load(order::acquire), 2 * i + 2);
      } else {
        uint32_t seen = turn.load(order::acquire);
        (void)turn.compare_exchange(seen, seen | 1, order::acq_rel, order::acquire);
      }
    }
  });
}

TEST(locked_atomic_stress, gate_excludes_and_hands_on_what_was_done) {
  static panic_cpu<locked_port> gate;
  static uint64_t count = 0;
  const unsigned each = rounds(50'000);
  on_cores([&](cpu_id) {
    for (unsigned i = 0; i < each; ++i) {
      while (!gate.claim(hold::trial).won()) std::this_thread::yield();
      ++count;
      ASSERT_EQ(gate.release(), release_outcome::released);
    }
  });
  EXPECT_EQ(count, uint64_t{cores} * each);
}

}  // namespace
}  // namespace locked_atomic_stress
