// SPDX-License-Identifier: BSL-1.0
// Every interleaving of a panic on a port that takes CPUs away (stop_how::forced).

#include <lastcpu/barebones.hpp>
#include <lastcpu/panic.hpp>

#include "race/model/expect.hpp"
#include "race/model/promises.hpp"

namespace forced_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::interrupt;
using model::require;

template <cpu_id N>
struct forcing : model::platform<N> {
  static bool force_stop(cpu_id cpu) noexcept {
    model::take_away(cpu);
    return true;
  }
};

struct forcing_policy : panic_policy {
  static constexpr uint32_t message_bytes = 16;
  static constexpr rung rungs[] = {{stop_how::nmi, 1000}, {stop_how::forced, 1000}};
  template <class Note>
  static void summary(const Note& n) noexcept {
    if (n.registers != nullptr)
      require(model::uses(*n.registers).pc % 16 == n.cpu, "promise 8: the registers of a CPU are not its own");
    require(n.state != stop_state::silent, "promise 5: a CPU that can be taken away is named silent");
    if (n.state == stop_state::forced) {
      require(model::state_of(n.cpu).deaf, "promise 5: named forced, and was not");
      require(n.registers == nullptr, "promise 8: registers of a CPU that saved none");
    }
  }
};

// CPUs below Panics panic, the last one answers nobody where Wedged, all others answer.
template <template <class, class> class Domain, cpu_id N, cpu_id Panics, bool Wedged>
struct taken_away : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = forcing<N>;
  Domain<P, forcing_policy> domain;

  void run(cpu_id me) override {
    if (Wedged && me == N - 1) model::wedge();
    const typename P::registers r{0x100 + me};
    if (me < Panics) domain.panic("died", &r);
  }
  void nmi(cpu_id me, interrupt) override {
    const typename P::registers r{0x200 + me};
    domain.handle_nmi(r);
  }
  void on_trace(const trace_event& e) override { promises<N>::see(e); }
  void finish(ending how, cpu_id by) override {
    promises<N>::end(how, by);
    require(how == ending::restarted, "promise 2: nobody finishes the job");
    for (cpu_id cpu = 0; cpu < N; ++cpu) {
      require(domain.is_stopped(cpu) == (cpu != by), "promise 5: a CPU runs on behind the stop");
      require(cpu == by || domain.cpus().acknowledged(cpu) || model::state_of(cpu).deaf,
              "promise 5: named stopped, and was not");
    }
    require(!Wedged || domain.state_of(N - 1) == stop_state::forced, "promise 5: it is not named forced");
  }
};

constexpr model::options any_time{.time = model::deadlines::any_time};
constexpr model::options bounded{.time = model::deadlines::any_time, .stale = 0, .switches = 2};

TEST(forced, nobody_runs_on_behind_the_stop_whoever_answers) {
  expect_complete<taken_away<crash_domain, 2, 1, true>>("2 CPUs, 1 wedged", any_time);
  expect_complete<taken_away<crash_domain, 2, 1, false>>("2 CPUs", any_time);
  expect_complete<taken_away<crash_domain, 3, 1, true>>("3 CPUs, 1 wedged", any_time);
  expect_bounded<taken_away<crash_domain, 2, 2, false>>("2 CPUs, 2 panics, 2 switches", bounded);
}

TEST(forced, nobody_runs_on_behind_a_bare_domains_stop) {
  expect_complete<taken_away<bare_domain, 2, 1, true>>("2 CPUs, 1 wedged", any_time);
  expect_complete<taken_away<bare_domain, 3, 1, true>>("3 CPUs, 1 wedged", any_time);
  expect_complete<taken_away<bare_domain, 3, 1, false>>("3 CPUs", any_time);
  expect_bounded<taken_away<bare_domain, 3, 2, false>>("3 CPUs, 2 panics, 2 switches", bounded);
}

}  // namespace
}  // namespace forced_model
