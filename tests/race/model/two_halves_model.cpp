// SPDX-License-Identifier: BSL-1.0
// A panic in two halves with a formatted message, in every interleaving: who comes back from the first half, how often,
// and what it may believe of the others then.

#include "race/model/crash_machine.hpp"

namespace two_halves_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

struct no_faults : model_policy {
  static void maybe() noexcept {}
};
struct fault_in_the_words : model_policy {
  inline static void (*fault)() = nullptr;
  static void maybe() noexcept {
    if (note(3) == 0 && model::choose(2) == 1) {
      ++note(3);
      fault();
    }
  }
};

template <cpu_id N, cpu_id Panics, bool Image = true, class Policy = no_faults>
struct halves : crash_machine<N, Policy> {
  using base = crash_machine<N, Policy>;
  using typename base::registers;

  halves() {
    if constexpr (requires { Policy::fault; })
      Policy::fault = [] { model::current<halves>().in_halves("fault", nullptr); };
    if (Image) this->load_image();
  }
  void run(cpu_id me) override {
    if (me >= Panics) return;
    note(base::panicked) |= 1u << me;
    note(base::living) &= ~(uint64_t{1} << me);
    const registers r{base::crash_pc + me};
    uint32_t room = 0;
    if (char* to = this->domain.message_begin(room)) {
      std::string_view{base::panic_text[me]}.copy(to, room - 1);
      this->domain.message_end();
    }
    in_halves(nullptr, &r);
  }
  void in_halves(const char* message, const registers* r) {
    this->domain.panic_begin(message, r);
    say_words();
    this->domain.panic_end();
  }
  void nmi(cpu_id me, interrupt which) override {
    const registers r{base::nmi_pc + me};
    this->domain.handle_nmi(r);
    if (which != interrupt::injected_nmi) return;
    note(base::panicked) |= 1u << me;
    if (!this->domain.nmi_panic_begin(base::nmi_text[me], r)) return;
    say_words();
    this->domain.panic_end();
  }
  void say_words() {
    const gate_word gate = this->domain.gate().read();
    const cpu_id me = base::P::this_cpu();
    require(gate.owner() == me && gate.is_committed(), "promise 1: the words are not of the owner");
    require(++note(words) == 1, "promise 7: the kernel's own words are said twice");
    for (cpu_id cpu = 0; cpu < N; ++cpu)
      if (this->domain.is_stopped(cpu)) note(known_stopped) |= uint64_t{1} << cpu;
    require((note(known_stopped) >> me & 1) == 0, "the owner is called stopped");
    Policy::maybe();
  }
  void on_trace(const trace_event& e) override {
    require((note(known_stopped) >> e.cpu & 1) == 0 || e.kind == trace_kind::parked,
            "a CPU is called stopped and runs on");
    base::on_trace(e);
  }
  void finish(ending how, cpu_id by) override {
    require(how == (Image ? ending::jumped : ending::restarted), "promise 2: nobody finishes the job");
    require(note(words) == 1, "promise 2: nobody has said the words");
    base::finish(how, by);
  }
  static constexpr uint32_t words = 8, known_stopped = 9;  // notes
};

TEST(two_halves, of_two_panics_one_comes_back_once) {
  expect_bounded<halves<2, 2>>("2 CPUs, 2 panics, no stale reads", {.stale = 0});
  expect_bounded<halves<2, 2, false>>("2 CPUs, 2 panics, no image, 3 switches", {.stale = 1, .switches = 3});
  expect_complete<halves<3, 1>>("3 CPUs, 1 panic");
}
TEST(two_halves, of_an_nmi_come_back_to_the_new_owner_alone) {
  expect_complete<halves<2, 1>>("2 CPUs, 1 NMI on the dumper", {.nmis = 1, .nmi_cpus = 1});
  expect_complete<halves<2, 1>>("2 CPUs, 1 NMI anywhere", {.nmis = 1});
}
TEST(two_halves, with_a_fault_between_them_still_end) {
  expect_complete<halves<2, 1, true, fault_in_the_words>>("2 CPUs, 1 fault");
  expect_bounded<halves<2, 2, false, fault_in_the_words>>("2 CPUs, 2 panics, 1 fault, 2 switches",
                                                          {.stale = 0, .switches = 2});
}

// The one that asks who is stopped is a bystander, at any moment.
template <cpu_id N>
struct asking : halves<N, 2> {
  using base = halves<N, 2>;
  void run(cpu_id me) override {
    if (me < 2) return base::run(me);
    for (const cpu_id cpu : {0u, 1u})
      if (this->domain.is_stopped(cpu)) note(base::known_stopped) |= uint64_t{1} << cpu;
  }
};
TEST(is_stopped, is_true_of_no_cpu_that_runs_on) {
  expect_bounded<asking<3>>("3 CPUs, 2 panics, 1 switch", {.stale = 0, .switches = 1});
}

// A trial that is given back to a panic that was parked: not stopped, whoever asks.
template <cpu_id N>
struct asking_behind_a_trial : crash_machine<N> {
  using base = crash_machine<N>;
  void run(cpu_id me) override {
    if (me == 1) this->panic(me);
    if (me == 0) (void)this->oops(me);
    if (me == 2 && this->domain.is_stopped(1)) note(base::of_the_test) = 1;
  }
  void on_trace(const trace_event& e) override {
    require(e.cpu != 1 || note(base::of_the_test) == 0 || e.kind == trace_kind::parked,
            "a CPU is called stopped and runs on");
    base::on_trace(e);
  }
};
TEST(is_stopped, is_not_true_of_a_loser_that_wins) {
  expect_bounded<asking_behind_a_trial<3>>("3 CPUs, an oops and a panic, 3 switches", {.switches = 3});
}

}  // namespace
}  // namespace two_halves_model
