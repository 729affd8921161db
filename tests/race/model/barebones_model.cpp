// SPDX-License-Identifier: BSL-1.0
// Every interleaving of panics, NMIs and arrivals on a bare_domain, and of CPUs that come online (online_cpus.hpp).

#include <lastcpu/barebones.hpp>
#include <lastcpu/online_cpus.hpp>

#include <string_view>

#include "race/model/expect.hpp"
#include "race/model/promises.hpp"

namespace barebones_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::interrupt;
using model::note;
using model::require;

struct bare_policy : panic_policy {
  static constexpr uint32_t message_bytes = 16;
  static constexpr rung rungs[] = {{stop_how::nmi, 1000}};
  template <class Note>
  static void summary(const Note& n) noexcept;
};

struct summed_up : model::scenario {
  virtual void line(cpu_id cpu, stop_state state, uintptr_t pc, std::string_view text) = 0;

 protected:
  ~summed_up() = default;
};
template <class Note>
void bare_policy::summary(const Note& n) noexcept {
  const uintptr_t pc = n.registers == nullptr ? 0 : model::uses(*n.registers).pc;
  model::running().look([&] { model::current<summed_up>().line(n.cpu, n.state, pc, n.message); });
}

template <cpu_id N, cpu_id Panics>
struct bare : summed_up {
  static constexpr cpu_id cpus = N;
  using P = model::platform<N>;
  bare_domain<P, bare_policy> domain;

  void run(cpu_id me) override {
    if (me >= Panics) return;
    note(panicked) = 1;
    const typename P::registers r{crash_pc + me};
    domain.panic(text[me], &r);
  }
  void nmi(cpu_id me, interrupt which) override {
    const typename P::registers r{nmi_pc + me};
    domain.handle_nmi(r);
    if (which != interrupt::injected_nmi) return;
    note(panicked) = 1;
    domain.nmi_panic("nmi", r);
  }
  void on_trace(const trace_event& e) override {
    promises<N>::see(e);
    if (e.kind == trace_kind::acknowledged)
      require(domain.registers_of(e.cpu) != nullptr, "promise 8: a CPU answers and has saved no registers");
  }
  void line(cpu_id cpu, stop_state state, uintptr_t pc, std::string_view said) override {
    require(state != stop_state::silent, "promise 5: a CPU that answers is named silent");
    require(pc == crash_pc + cpu || pc == nmi_pc + cpu, "promise 8: the registers of a CPU are not its own");
    require(said.empty() || said == text[cpu] || said == "(being written)" || pc == nmi_pc + cpu,
            "promise 2: a message is not its CPU's");
    note(lines) |= uint64_t{1} << cpu;
  }
  void finish(ending how, cpu_id by) override {
    promises<N>::end(how, by);
    if (note(panicked) == 0) return;
    require(how == ending::restarted, "promise 2: nobody finishes the job");
    require(note(lines) == (1u << N) - 1, "a CPU has no line");
    require(domain.gate().read().owner() == by, "promise 1: another CPU ends the machine");
    for (cpu_id cpu = 0; cpu < N; ++cpu) require(domain.is_stopped(cpu) == (cpu != by), "a CPU runs on");
  }
  enum notes : uint32_t { panicked, lines };
  static constexpr uintptr_t crash_pc = 1000, nmi_pc = 2000;
  static constexpr const char* text[] = {"panic 0", "panic 1", "panic 2"};
};

TEST(barebones, of_two_panics_one_finishes_and_the_other_stops) {
  expect_complete<bare<2, 1>>("2 CPUs, 1 panic");
  expect_complete<bare<2, 2>>("2 CPUs, 2 panics");
  expect_bounded<bare<3, 2>>("3 CPUs, 2 panics, 2 switches", {.stale = 0, .switches = 2});
}
TEST(barebones, nmi_panic_anywhere_is_not_lost) {
  expect_complete<bare<2, 1>>("2 CPUs, 1 NMI anywhere", {.nmis = 1});
  expect_bounded<bare<2, 2>>("2 CPUs, 2 panics, 1 NMI, 2 switches", {.nmis = 1, .stale = 0, .switches = 2});
}

// CPU 1 arrives while CPU 0 commits: the owner knows it, or it sees the commit.
struct arrival : model::scenario {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<2>;
  panic_cpu<P> gate;
  online_cpus<P::atomic, 2> table;

  void run(cpu_id me) override {
    if (me == 0) {
      (void)gate.claim(hold::final);
      (void)gate.commit();
      table.close();
      note(0) += table.contains(1) ? 1 : 0;
    } else {
      table.add(1);
      note(0) += gate.read().is_committed() ? 1 : 0;
    }
  }
  void finish(ending, cpu_id) override { require(note(0) != 0, "promise 5: a CPU arrives, and nobody stops it"); }
};
TEST(online_cpus, who_arrives_at_the_commit_is_asked_or_sees_it) {
  expect_complete<arrival>("2 CPUs");
}

}  // namespace
}  // namespace barebones_model
