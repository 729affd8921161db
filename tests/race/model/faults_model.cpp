// SPDX-License-Identifier: BSL-1.0
// Faults inside faults: what a fault handler calls while this CPU holds the gate, waits for it, or parks.

#include "race/model/crash_machine.hpp"

namespace faults_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;

// The image check faults, once or twice; the handler calls oops(), as the README's does.
struct faulty_check : model::platform<2> {
  inline static void (*fault)() = nullptr;
  static bool image_intact(const image& i) noexcept {
    if (i.id == 1 && model::machine::running != nullptr && model::running().on_fiber() && note(3) < 2 &&
        model::choose(2) == 1) {
      ++note(3);
      fault();
    }
    return platform::image_intact(i);
  }
};
template <bool OtherPanics, bool Oops>
struct oops_in_the_check : crash_machine<2, model_policy, faulty_check> {
  oops_in_the_check() {
    faulty_check::fault = [] {
      auto& self = model::current<oops_in_the_check>();
      const registers r{fault_pc};
      (void)self.domain.oops(r, "fault");
      require(false, "promise 15: life goes on although the gate is held");
    };
    load_image();
  }
  static constexpr uintptr_t fault_pc = 0x99;
  void run(cpu_id me) override {
    if (me == 1 && OtherPanics) panic(me);
    if (me == 0 && !Oops) panic(me);
    if (me == 0) (void)oops(me);
  }
  void finish(ending how, cpu_id by) override {
    require(how == ending::jumped || (how == ending::restarted && note(3) == 2), "promise 15: a good image is lost");
    crash_machine::finish(how, by);
  }
};
TEST(nested_oops, inside_the_check_of_the_image_ends_the_machine_and_loses_neither_panic_nor_image) {
  expect_complete<oops_in_the_check<false, true>>("an oops, 2 faults");
  expect_bounded<oops_in_the_check<true, true>>("an oops and a panic, 2 faults, 1 switch", {.stale = 0, .switches = 1});
  expect_bounded<oops_in_the_check<true, false>>("2 panics, 2 faults, 1 switch", {.stale = 0, .switches = 1});
  expect_complete<oops_in_the_check<false, true>>("an oops, 2 faults, 1 NMI", {.nmis = 1, .nmi_cpus = 1});
}

// A CPU damages the image until it is stopped. Nobody can tell the owner but the check behind the stop.
struct image_of_the_moment : model::platform<2> {
  static bool image_intact(const image& i) noexcept { return platform::image_intact(i) && note(3) == 0; }
};
struct damaged_until_the_stop : crash_machine<2, model_policy, image_of_the_moment> {
  damaged_until_the_stop() { load_image(); }
  void run(cpu_id me) override {
    if (me == 0) panic(me);
    if (model::choose(2) == 1) note(3) = 1;
  }
  void told_why(kexec_outcome why) override {
    require(why == kexec_outcome::image_corrupt && note(3) != 0, "promise 16: a good image is called corrupt");
    ++note(reasons);
  }
  void finish(ending how, cpu_id by) override {
    require((how == ending::jumped) == (note(3) == 0),
            "promise 16: a jump into a damaged image, or none into a good one");
    crash_machine::finish(how, by);
  }
};
TEST(damaged_image, is_not_jumped_into_however_late_it_was_damaged) {
  expect_complete<damaged_until_the_stop>("2 CPUs, damaged at any moment before the stop");
}

// The wait or the park of a loser faults, as often as it likes.
struct faulty_wait : model::platform<2> {
  static constexpr events told = events::some_missing;
  inline static void (*fault)() = nullptr;
  static constexpr uint32_t most = 6;
  static void maybe() noexcept {
    if (this_cpu() == 1 && note(3) < most && model::choose(2) == 1) {
      ++note(3);
      fault();
    }
  }
  template <class T>
  static bool wait_while(const model::atomic<T>& word, T value, uint64_t at) noexcept {
    maybe();
    return platform::wait_while(word, value, at);
  }
  [[noreturn]] static void park() noexcept {
    maybe();
    platform::park();
  }
};
template <bool Trial>
struct loser_that_faults : crash_machine<2, model_policy, faulty_wait> {
  loser_that_faults() {
    faulty_wait::fault = [] {
      auto& self = model::current<loser_that_faults>();
      if (self.domain.gate().on_this_cpu()) note(self.may_be_silent) = 1;  // it waited for the answers, as the owner
      self.domain.panic("fault");
    };
    if (!Trial) load_image();
  }
  void run(cpu_id me) override {
    if (me == 1) panic(me);
    if (Trial) (void)oops(me);
    if (!Trial) panic(me);
  }
  void finish(ending how, cpu_id by) override {
    require(how == (Trial ? ending::restarted : ending::jumped), "promise 15: a fault on a loser keeps the machine");
    // Three in its panics, and one where the stop NMI parks it.
    require(note(3) <= 3 + 1 + (by == 1 ? faulty_wait::most : 0), "promise 15: a loser faults again and again");
    crash_machine::finish(how, by);
  }
};
TEST(faulty_loser, ends_within_a_fixed_depth_and_takes_the_gate_that_is_given_back) {
  expect_bounded<loser_that_faults<false>>("2 panics, the loser faults, 1 switch", {.stale = 0, .switches = 1});
  expect_bounded<loser_that_faults<true>>("an oops and a panic that faults, 1 switch", {.stale = 0, .switches = 1});
}

}  // namespace
}  // namespace faults_model
