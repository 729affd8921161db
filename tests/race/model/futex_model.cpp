// SPDX-License-Identifier: BSL-1.0
// Every interleaving of who sleeps and who wakes by the count of posix/futex.hpp: a waker asks the kernel only where
// somebody is counted, and nobody may sleep on.
//
// The kernel is the model's wait: it compares behind every wake that came before, as a futex does under its lock.

#include <lastcpu/platform/posix/futex.hpp>

#include "race/model/expect.hpp"

namespace futex_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
namespace sleeping = lastcpu::posix_detail;

template <cpu_id N, cpu_id Wakers>
struct sleepers_and_wakers : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = model::platform<N>;
  typename P::template atomic<uint32_t> count, word[Wakers];
  uint64_t prepared[Wakers];

  void run(cpu_id me) override {
    if (me < Wakers) {
      prepared[me] = 1;
      word[me].store(1, order::release);
      if (sleeping::somebody_sleeps(count)) P::wake(word[me]);
    } else {
      for (cpu_id waker = 0; waker < Wakers; ++waker) await(waker);
    }
  }
  void await(cpu_id waker) {
    auto& w = word[waker];
    while (w.load(order::acquire) == 0)
      sleeping::sleep_counted(count, w, 0u, [&w] { (void)P::wait_while(w, 0u, no_deadline); });
    model::require(model::uses(prepared[waker]) == 1, "a sleeper goes on before what it waits for is there");
  }
  void finish(model::ending, cpu_id) override {
    model::require(count.load(order::relaxed) == 0, "somebody is counted who does not sleep");
  }
};
TEST(futex, changed_word_leaves_no_sleeper_behind) {
  expect_complete<sleepers_and_wakers<2, 1>>("1 sleeper, 1 waker");
  expect_complete<sleepers_and_wakers<3, 1>>("2 sleepers, 1 waker");
  expect_complete<sleepers_and_wakers<2, 1>>("1 sleeper, 1 waker, 1 spurious", {.spurious = 1});
}
TEST(futex, words_that_share_a_count_leave_no_sleeper_behind) {
  expect_complete<sleepers_and_wakers<3, 2>>("1 sleeper, 2 wakers");
}

}  // namespace
}  // namespace futex_model
