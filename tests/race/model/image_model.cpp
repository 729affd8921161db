// SPDX-License-Identifier: BSL-1.0
// Every interleaving of loads, unloads and claims of the crash image.

#include <lastcpu/crash_image.hpp>

#include "race/model/expect.hpp"

namespace image_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::require;

template <cpu_id N, class Platform = model::platform<N>>
struct slot_machine : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = Platform;
  using image = typename P::image;
  crash_image<P> slot;

  static uint64_t& claims() { return model::note(0); }
  // What the owner of the gate does: reserve, check behind the stop.
  void claim_once(bool may_be_empty) {
    const image_outcome out = slot.reserve();
    if (out == image_outcome::reserved && slot.check()) {
      require(claims()++ == 0, "promise 1: the image is claimed twice");
      const uintptr_t id = model::uses(*slot.held()).id;
      require(id == 1 || id == 2, "promise 12: a claimed image is not whole");
    }
    require(out != image_outcome::corrupt, "promise 12: an image that is whole is called corrupt");
    require(out != image_outcome::none || may_be_empty, "promise 12: an image was there all the time");
  }
};

struct reload_vs_claim : slot_machine<3> {
  reload_vs_claim() { (void)slot.load({1}); }
  void run(cpu_id me) override {
    if (me == 0) {
      image old{0};
      const load_outcome out = slot.load({2}, &old);
      require(out == load_outcome::loaded || out == load_outcome::claimed || out == load_outcome::busy,
              "an odd outcome");
      require(out != load_outcome::loaded || old.id == 1, "what was replaced is not handed out");
    } else {
      claim_once(false);
    }
  }
};
TEST(reload_vs_crash, claim_gets_a_whole_image_or_busy) {
  expect_complete<reload_vs_claim>("1 reload, 2 claims");
}

struct unload_vs_claim : slot_machine<3> {
  unload_vs_claim() { (void)slot.load({1}); }
  void run(cpu_id me) override {
    if (me == 0) {
      image old{0};
      if (slot.unload(&old) == unload_outcome::unloaded)
        require(old.id == 1 || old.id == 2, "an odd image is unloaded");
    } else if (me == 1) {
      (void)slot.load({2});
    } else {
      claim_once(true);
    }
  }
};
TEST(reload_vs_crash, unload_and_load_and_claim) {
  expect_complete<unload_vs_claim>("unload, load, claim");
}

// An image that is made in the slot, in two halves with a step of any CPU between them.
template <bool Made, bool First>
struct make_vs_claim : slot_machine<3> {
  using image = typename slot_machine<3>::image;
  P::atomic<uint32_t> between;
  make_vs_claim() {
    if (!First) (void)slot.load({1});
  }
  bool make(image& i) noexcept {
    if (!Made) return (void)between.load(order::relaxed), false;
    i.id = P::damaged | 2;
    (void)between.load(order::relaxed);
    i.id = 2;
    return true;
  }
  void run(cpu_id me) override {
    if (me != 0) return claim_once(First);
    const load_outcome out = slot.load_by([this](image& i) noexcept { return make(i); });
    require(out != load_outcome::loaded || Made, "an image that was not made is loaded");
    require(out != load_outcome::refused || !Made, "promise 13: a good image is refused");
  }
};
TEST(reload_vs_crash, image_that_is_made_in_the_slot_is_claimed_whole_or_not_at_all) {
  expect_complete<make_vs_claim<true, false>>("made in place of one, 2 claims");
  expect_complete<make_vs_claim<true, true>>("made, 2 claims");
  expect_complete<make_vs_claim<false, false>>("not made in place of one, 2 claims");
}

// Each writes to what both images stand for: never both at a time, and what is in the slot fits to it.
struct two_makers : slot_machine<2> {
  uintptr_t region = 0;
  void run(cpu_id me) override {
    const auto make = [this, me](image& i) noexcept {
      i.id = region = me + 1;
      return true;
    };
    require(slot.load_by(make) != load_outcome::refused, "promise 13: a good image is refused");
    if (me == 0) (void)slot.unload();
  }
  void finish(ending, cpu_id) override {
    if (slot.reserve() != image_outcome::reserved) return;
    require(slot.check() && slot.held()->id == region, "promise 12: the image is not what its region holds");
  }
};
TEST(reload_vs_crash, two_that_make_an_image_take_turns) {
  expect_complete<two_makers>("2 made, 1 unload");
}

struct first_load : slot_machine<2> {
  void run(cpu_id me) override {
    if (me == 0)
      require(slot.load({1}) == load_outcome::loaded || slot.held() == nullptr, "nobody was in the way of this load");
    else
      claim_once(true);
  }
};
TEST(reload_vs_crash, image_is_whole_when_it_can_be_claimed) {
  expect_complete<first_load>("1 load, 1 claim");
}

// An image that a stray write has damaged is handed back, and the next one boots.
struct stray_write : model::platform<2> {
  static bool image_intact(const image& i) noexcept {
    return platform::image_intact(i) && i.id != model::note(1);  // the image with this id is not what was loaded
  }
};
struct damaged_then_reloaded : slot_machine<2, stray_write> {
  P::atomic<uint32_t> refused;
  damaged_then_reloaded() { (void)slot.load({1}); }
  void run(cpu_id me) override {
    model::note(1) = 1;
    if (me == 0) {
      require(slot.reserve() == image_outcome::reserved && !slot.intact(), "promise 12: a damaged image looks whole");
      slot.hand_back();
      refused.store(1, order::release);
      P::wake(refused);
      return;
    }
    while (refused.load(order::acquire) == 0) (void)P::wait_while(refused, 0u, no_deadline);
    require(slot.load({2}) == load_outcome::loaded, "promise 12: no reload can follow");
    require(slot.reserve() == image_outcome::reserved && slot.check(), "promise 12: the new image can't be claimed");
    require(model::uses(*slot.held()).id == 2, "promise 12: the damaged image is claimed");
    P::jump(*slot.held());
  }
  void finish(ending how, cpu_id) override { require(how == ending::jumped, "promise 12: nothing boots"); }
};
TEST(reload_vs_crash, damaged_image_is_handed_back_and_the_next_one_boots) {
  expect_complete<damaged_then_reloaded>("damaged, then reloaded");
}

struct two_loads : slot_machine<2> {
  void run(cpu_id me) override {
    image old{0};
    if (slot.load({me + 1}, &old) == load_outcome::loaded)
      require(old.id != me + 1, "what was replaced is not handed out");
  }
  void finish(ending, cpu_id) override { require(slot.ready(), "promise 12: two loads leave none"); }
};
TEST(reload_vs_crash, two_loads_take_turns) {
  expect_complete<two_loads>("2 loads");
}

struct refused : slot_machine<2> {
  static constexpr uintptr_t bad = P::damaged | 1;
  void run(cpu_id me) override {
    if (me == 0) {
      require(slot.load({bad}) == load_outcome::refused, "promise 13: a bad image is loaded");
      require(slot.load({2}) != load_outcome::refused, "promise 13: a good image is refused");
    } else {
      claim_once(true);
    }
  }
};
TEST(reload_vs_crash, bad_image_is_refused_and_a_good_one_follows) {
  expect_complete<refused>("refused, then loaded");
}

}  // namespace
}  // namespace image_model
