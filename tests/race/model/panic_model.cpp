// SPDX-License-Identifier: BSL-1.0
// Every interleaving of the whole crash path: the named races of panics, oopses and NMIs. What must hold in each run
// stands in crash_machine.hpp.

#include "race/model/crash_machine.hpp"

namespace panic_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::deadlines;

template <cpu_id N, cpu_id Panics, bool Image = true, class Port = model::platform<N>>
struct panics : crash_machine<N, model_policy, Port> {
  panics() {
    if (Image) this->load_image();
  }
  void run(cpu_id me) override {
    if (me < Panics) this->panic(me);
  }
  void finish(ending how, cpu_id by) override {
    require(how == (Image ? ending::jumped : ending::restarted), "promise 2: nobody finishes the job");
    crash_machine<N, model_policy, Port>::finish(how, by);
  }
};

// NMI panics: on the owner they return, on a loser they stop it, anywhere else they may win.
TEST(nmi_on_dumper, returns_and_the_dump_goes_on) {
  expect_complete<panics<2, 1>>("2 CPUs, 1 NMI on the dumper", {.nmis = 1, .nmi_cpus = 1});
  expect_complete<panics<2, 1>>("2 CPUs, 2 NMIs on the dumper", {.nmis = 2, .nmi_cpus = 1});
  expect_complete<panics<2, 1>>("2 CPUs, 3 NMIs on the dumper", {.nmis = 3, .nmi_cpus = 1});
  expect_complete<panics<3, 1>>("3 CPUs, 1 NMI on the dumper", {.nmis = 1, .nmi_cpus = 1});
}
TEST(nmi_loser, stops_there_with_its_registers) {
  expect_complete<panics<2, 1>>("2 CPUs, 1 NMI anywhere", {.nmis = 1});
  expect_complete<panics<3, 1>>("3 CPUs, 1 NMI anywhere", {.nmis = 1});
  expect_bounded<panics<2, 2>>("2 CPUs, 2 panics, 1 NMI, 2 switches",
                               {.nmis = 1, .nmi_cpus = 2, .stale = 0, .switches = 2});
  expect_bounded<panics<3, 1>>("3 CPUs, 2 NMIs, 1 switch", {.nmis = 2, .stale = 0, .switches = 1});
}

// An oops dumps while another CPU panics: one gate for both.
template <cpu_id N, bool Image, class Port = model::platform<N>>
struct oops_and_panic : crash_machine<N, model_policy, Port> {
  oops_and_panic() {
    if (Image) this->load_image();
  }
  void run(cpu_id me) override {
    if (me == 1) this->panic(me);
    if (me != 0) return;
    note(this->living) |= 1;
    const kexec_outcome out = this->oops(me);
    require(out == (Image ? kexec_outcome::held_by_other : out), "an oops comes back although there is an image");
    require(model::running().me().irqs_on, "promise 14: interrupts stay off");
  }
  void finish(ending how, cpu_id by) override {
    require(how == (Image ? ending::jumped : ending::restarted), "promise 2: a panic was lost");
    crash_machine<N, model_policy, Port>::finish(how, by);
  }
};
TEST(oops_vs_panic, one_of_them_dumps) {
  expect_complete<oops_and_panic<2, true>>("2 CPUs");
}
TEST(oops_vs_panic, one_of_them_dumps_on_three_cpus) {
  expect_bounded<oops_and_panic<3, true>>("3 CPUs, no stale reads", {.stale = 0});
}
TEST(released_under_waiter, panic_goes_on_when_the_oops_finds_no_image) {
  expect_complete<oops_and_panic<2, false>>("2 CPUs");
  expect_complete<oops_and_panic<3, false>>("3 CPUs");
  expect_bounded<oops_and_panic<4, false>>("4 CPUs, no stale reads", {.stale = 0});
  expect_complete<oops_and_panic<2, false>>("2 CPUs, 1 NMI anywhere", {.nmis = 1});
}

// Oopses one after the other, without an image: a panic that waits comes before the next one.
template <cpu_id N>
struct oopses_and_panic : crash_machine<N> {
  void run(cpu_id me) override {
    if (me == 0) this->panic(me);
    (void)this->oops(me);
    (void)this->oops(me);
  }
};
TEST(waiting_panic, is_not_overtaken_by_a_second_trial) {
  expect_complete<oopses_and_panic<2>>("2 CPUs, 2 oopses");
  expect_complete<oopses_and_panic<2>>("2 CPUs, 2 oopses, 1 NMI on the panic", {.nmis = 1, .nmi_cpus = 1});
  expect_bounded<oopses_and_panic<3>>("3 CPUs, 4 oopses, 2 switches", {.stale = 0, .switches = 2});
}

// The commit leaves losers asleep: they have answered, and the others are stopped without them.
TEST(drowsy_losers, sleep_through_the_commit_and_hold_nobody_up) {
  expect_complete<panics<2, 2, true, drowsy_platform<2>>>("2 CPUs, 2 panics");
  expect_complete<panics<2, 1, true, drowsy_platform<2>>>("2 CPUs, 1 NMI anywhere", {.nmis = 1});
  expect_bounded<panics<3, 2, true, drowsy_platform<3>>>("3 CPUs, 2 panics, no stale reads", {.stale = 0});
}
TEST(drowsy_losers, take_the_gate_that_is_given_back) {
  expect_complete<oops_and_panic<2, false, drowsy_platform<2>>>("2 CPUs");
  expect_complete<oops_and_panic<3, false, drowsy_platform<3>>>("3 CPUs");
}

// An NMI panics on a CPU that is in crash_kexec().
template <cpu_id N, bool Image>
struct oops_with_nmi : crash_machine<N> {
  oops_with_nmi() {
    if (Image) this->load_image();
  }
  void run(cpu_id me) override {
    if (me != 0) return;
    (void)this->oops(me);
  }
};
TEST(nmi_on_dumper, of_an_oops_returns_and_the_dump_goes_on) {
  expect_complete<oops_with_nmi<2, true>>("2 CPUs, 2 NMIs", {.nmis = 2, .nmi_cpus = 1});
  expect_complete<oops_with_nmi<3, true>>("3 CPUs, 1 NMI", {.nmis = 1, .nmi_cpus = 1});
}
TEST(nmi_panic_pending, oops_goes_on_as_that_panic) {
  expect_complete<oops_with_nmi<2, false>>("2 CPUs, 1 NMI", {.nmis = 1, .nmi_cpus = 1});
  expect_complete<oops_with_nmi<2, false>>("2 CPUs, 3 NMIs", {.nmis = 3, .nmi_cpus = 1});
  expect_complete<oops_with_nmi<2, false>>("2 CPUs, 1 NMI anywhere", {.nmis = 1});
  expect_complete<oops_with_nmi<3, false>>("3 CPUs, 1 NMI anywhere", {.nmis = 1});
}

// Nobody commits: everybody goes back to normal life.
template <cpu_id N>
struct oopses : crash_machine<N> {
  void run(cpu_id me) override {
    const kexec_outcome out = this->oops(me);
    require(out == kexec_outcome::no_image || out == kexec_outcome::held_by_other, "an odd outcome");
    require(model::running().me().irqs_on, "promise 14: interrupts stay off");
  }
  void finish(ending how, cpu_id by) override {
    require(how == ending::quiet, "promise 14: an oops without an image ends the machine");
    crash_machine<N>::finish(how, by);
  }
};
TEST(oops_vs_oops, without_an_image_everybody_lives_on) {
  expect_complete<oopses<2>>("2 CPUs");
  expect_complete<oopses<3>>("3 CPUs");
  expect_complete<oopses<4>>("4 CPUs");
}

// The image is replaced or taken away while a CPU dies.
enum class reload_by { load, unload_and_load, making_it };
template <bool Panic, reload_by How>
struct reload : crash_machine<2> {
  uintptr_t region = 1;  // what the image in the slot uses, where it is made there

  typename reload::P::template atomic<uint32_t> between{};
  reload() { load_image(); }
  // In two halves, with a step of any CPU between them.
  template <class Image>
  bool make(Image& image) noexcept {
    region = image.id = reload::P::damaged | 2;
    (void)between.load(order::relaxed);
    region = image.id = 2;
    return true;
  }
  void run(cpu_id me) override {
    if (me == 0 && Panic) panic(me);
    if (me == 0) (void)oops(me);
    if (me == 0) return;
    (void)P::irq_save();  // or it would be stopped in the middle, which silences nobody
    if (How == reload_by::unload_and_load) (void)domain.image().unload();
    if (How != reload_by::making_it) (void)domain.image().load({2});
    if (How == reload_by::making_it) (void)domain.image().load_by([this](auto& image) noexcept { return make(image); });
    P::irq_restore(1);
  }
  void finish(ending how, cpu_id by) override {
    if (how != ending::jumped && how != ending::quiet) return require(how == ending::restarted, "an odd end");
    if (how == ending::jumped) {
      require(domain.image().held() != nullptr, "promise 12: a jump into an image that nobody has claimed");
      require(domain.image().held()->id == 1 || domain.image().held()->id == 2, "promise 12: the image is not whole");
      if (How == reload_by::making_it)
        require(domain.image().held()->id == region, "promise 12: a jump into an image whose region is another one's");
    }
    crash_machine<2>::finish(how, by);
  }
};
TEST(reload_vs_crash, boots_a_whole_image_or_none) {
  expect_complete<reload<true, reload_by::load>>("panic, reload");
  expect_complete<reload<true, reload_by::unload_and_load>>("panic, unload and load");
  expect_complete<reload<true, reload_by::making_it>>("panic, image made in the slot");
  expect_complete<reload<false, reload_by::load>>("oops, reload");
  expect_complete<reload<false, reload_by::unload_and_load>>("oops, unload and load");
  expect_complete<reload<false, reload_by::making_it>>("oops, image made in the slot");
}

// A fault in a step: each step may have one, two in a run.
struct faulty_policy : model_policy {
  static constexpr uint32_t most = 2;
  inline static void (*fault)() = nullptr;
  static void maybe() noexcept {
    if (note(3) < most && model::choose(2) == 1) {
      ++note(3);
      fault();
    }
  }
  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    model_policy::report(info);
    maybe();
  }
  template <class Report>
  static void notifiers(const Report&) noexcept {
    maybe();
  }
  template <class Domain>
  static void message_dump(const Domain&) noexcept {
    maybe();
  }
  static void flush() noexcept { maybe(); }
};
template <cpu_id N, cpu_id Panics, bool Image>
struct faults_in_steps : crash_machine<N, faulty_policy> {
  faults_in_steps() {
    faulty_policy::fault = [] { model::current<faults_in_steps>().domain.panic("fault"); };
    if (Image) this->load_image();
  }
  void run(cpu_id me) override {
    if (me < Panics) this->panic(me);
  }
  void finish(ending how, cpu_id by) override {
    require(how == (Image ? ending::jumped : ending::restarted), "promise 15: a fault keeps the machine from its end");
    crash_machine<N, faulty_policy>::finish(how, by);
  }
};
TEST(nested_in_step, goes_on_at_the_next_step) {
  expect_complete<faults_in_steps<2, 1, false>>("2 CPUs, 2 faults, no image");
  expect_complete<faults_in_steps<2, 1, true>>("2 CPUs, 2 faults");
  expect_bounded<faults_in_steps<2, 2, false>>("2 CPUs, 2 panics, 2 faults, 2 switches", {.stale = 0, .switches = 2});
  expect_bounded<faults_in_steps<2, 1, false>>("2 CPUs, 2 faults, 1 NMI", {.nmis = 1, .stale = 0, .switches = 2});
}

// Nobody has to answer in time, or at all.
template <cpu_id N>
struct late_answers : panics<N, 2> {
  void run(cpu_id me) override {
    note(this->may_be_silent) = 1;
    panics<N, 2>::run(me);
  }
};
TEST(late_ack, deadline_may_pass_at_any_moment) {
  expect_bounded<late_answers<2>>("2 CPUs, no stale reads", {.time = deadlines::any_time, .stale = 0});
}
template <cpu_id N>
struct one_wedged : panics<N, 1> {
  void run(cpu_id me) override {
    if (me == N - 1) model::wedge();
    note(this->may_be_silent) = 1;  // the owner waits for that one
    panics<N, 1>::run(me);
  }
};
TEST(stop, cpu_that_answers_nobody_is_named_silent) {
  expect_complete<one_wedged<2>>("2 CPUs");
  expect_complete<one_wedged<3>>("3 CPUs");
  expect_complete<one_wedged<4>>("4 CPUs");
}

// The large ones come last.
TEST(panic_vs_panic, of_two_one_dumps_and_the_other_stops) {
  expect_complete<panics<2, 2>>("2 CPUs");
  expect_complete<panics<2, 2, false>>("2 CPUs, no image");
}
TEST(panic_vs_panic, of_three_one_dumps) {
  expect_complete<panics<3, 1>>("3 CPUs, 1 panic");
  expect_bounded<panics<3, 3>>("3 CPUs, 3 panics, 1 switch", {.stale = 0, .switches = 1});
  expect_complete<panics<3, 2>>("3 CPUs, 2 panics");
}
TEST(panic_vs_panic, of_four_one_dumps) {
  expect_complete<panics<4, 1>>("4 CPUs, 1 panic");
  expect_bounded<panics<4, 2>>("4 CPUs, 2 panics, 1 switch", {.stale = 0, .switches = 1});
  expect_bounded<panics<4, 4>>("4 CPUs, 4 panics, no switch", {.stale = 0, .switches = 0});
}
TEST(panic_vs_panic, waits_may_end_for_no_reason) {
  expect_bounded<panics<2, 2>>("2 CPUs, 1 spurious wake-up", {.spurious = 1, .stale = 0});
}

}  // namespace
}  // namespace panic_model
