// SPDX-License-Identifier: BSL-1.0
// CPUs without a number: the first one that panics has a place of its own, and goes down the ladder behind the same gate.

#include <lastcpu/panic.hpp>

#include "race/model/expect.hpp"
#include "race/model/promises.hpp"

namespace place_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::interrupt;
using model::note;
using model::require;

// N CPUs, of which the first `Numbered` know their number.
template <cpu_id N, cpu_id Numbered>
struct half_known : model::platform<N> {
  static constexpr cpu_id max_cpus = Numbered;
  [[nodiscard]] static uint32_t hardware_id() noexcept { return model::running().this_cpu(); }
  [[nodiscard]] static cpu_id this_cpu() noexcept { return hardware_id() < Numbered ? hardware_id() : no_cpu; }
  static void send_stop(const cpu_set<Numbered>& cpus, stop_how how) noexcept {
    cpu_set<N> all;
    cpus.for_each([&all](cpu_id cpu) { all.add(cpu); });
    model::platform<N>::send_stop(all, how);
  }
  static void trace(const trace_event& e) noexcept {
    if (e.cpu < Numbered) model::platform<N>::trace(e);
    model::running().look([&] { promises<Numbered>::see(e); });
    if (e.kind == trace_kind::step_begun) {
      require(note(1) == 0 || note(1) == hardware_id() + 1, "promise 1: two CPUs run steps");
      note(1) = hardware_id() + 1;
    }
  }
};

struct place_policy : panic_policy {
  static constexpr uint32_t message_bytes = 16;
  static constexpr rung rungs[] = {{stop_how::nmi, 1000}};
  inline static void (*fault)() = nullptr;

  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    const uintptr_t pc = info.registers == nullptr ? 0 : model::uses(*info.registers).pc;
    require(pc == 0x10 + model::running().this_cpu(), "promise 8: the report has registers of another crash");
    require(++note(2) == 1, "promise 1: two reports");
    if (fault != nullptr && note(3) < 2 && model::choose(2) == 1) {
      ++note(3);
      fault();
    }
  }
};

template <cpu_id N, cpu_id Numbered, uint32_t Panics, bool Image>
struct places : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = half_known<N, Numbered>;
  using registers = typename P::registers;
  crash_domain<P, place_policy> domain;

  places() {
    place_policy::fault = nullptr;
    if (Image) (void)domain.image().load({1});
  }
  void run(cpu_id me) override {
    if ((Panics >> me & 1) == 0) return;
    const registers r{0x10 + me};
    domain.panic("panic", &r);
  }
  // An NMI on a CPU that has no number is nobody's request: the handler looks all the same.
  void nmi(cpu_id me, interrupt) override {
    const gate_word before = domain.gate().read();
    const registers r{0x20 + me};
    domain.handle_nmi(r);
    if (before.is_committed())
      model::running().look([&] { require(note(1) == me + 1, "promise 5: a CPU runs on into the crash kernel"); });
  }
  void finish(ending how, cpu_id by) override {
    promises<Numbered>::end(how, by < Numbered ? by : Numbered);
    require(how == (Image ? ending::jumped : ending::restarted), "promise 2: a panic is lost");
    require(note(1) == by + 1, "promise 1: a CPU that does not own the gate ends the machine");
    uint32_t said = 0;
    for (cpu_id cpu = 0; cpu <= Numbered; ++cpu)
      said += domain.messages().state(cpu, panic_context::normal) == message_state::none ? 0 : 1;
    for (uint32_t i = 0; i < domain.messages().spares; ++i) said += *domain.messages().spare(i) != '\0' ? 1 : 0;
    require(said >= 1, "promise 2: no message is kept");
    const auto* regs = domain.cpus().registers_of(by < Numbered ? by : Numbered, by < Numbered ? by : Numbered);
    require(regs != nullptr && regs->pc == 0x10 + by, "promise 8: the registers of the CPU that crashed are missing");
  }
};

TEST(unknown_cpu, and_a_known_one_panic_and_one_of_them_dumps) {
  expect_complete<places<2, 1, 0b11, true>>("1 CPU of 2 has a number");
  expect_complete<places<2, 1, 0b11, false>>("1 CPU of 2 has a number, no image");
  expect_bounded<places<2, 1, 0b11, true>>("1 CPU of 2 has a number, 1 NMI, 2 switches",
                                           {.nmis = 1, .nmi_cpus = 2, .stale = 0, .switches = 2});
}
TEST(unknown_cpu, of_two_one_dumps_and_the_other_parks) {
  expect_complete<places<3, 1, 0b110, true>>("2 CPUs of 3 have no number");
  expect_complete<places<3, 1, 0b110, false>>("2 CPUs of 3 have no number, no image");
}
TEST(unknown_cpu, that_gets_an_nmi_when_another_one_has_committed_parks) {
  expect_complete<places<2, 1, 0b01, true>>("1 CPU of 2 has no number, 2 NMIs on it", {.nmis = 2, .nmi_cpus = 2});
}

// It faults in its report; so may the other one.
template <uint32_t Panics>
struct faulty_places : places<2, 1, Panics, true> {
  faulty_places() {
    place_policy::fault = [] {
      const typename faulty_places::registers r{0x30};
      model::current<faulty_places>().domain.panic("fault", &r);
    };
  }
};
TEST(unknown_cpu, that_faults_in_its_report_goes_on_at_the_next_step) {
  expect_complete<faulty_places<0b10>>("it alone, 2 faults");
  expect_complete<faulty_places<0b11>>("and a known one, 2 faults");
}

// An oops of a CPU with a number, and a panic of one without: it waits like any other panic.
struct oops_and_unknown_panic : places<2, 1, 0b10, false> {
  void run(cpu_id me) override {
    if (me == 0) {
      const registers r{0x10};
      (void)domain.crash_kexec(&r, "oops");
      (void)domain.crash_kexec(&r, "oops");
    }
    places::run(me);
  }
};
TEST(unknown_cpu, panics_when_an_oops_gives_the_gate_back) {
  expect_complete<oops_and_unknown_panic>("2 oopses, 1 panic without a number");
}

}  // namespace
}  // namespace place_model
