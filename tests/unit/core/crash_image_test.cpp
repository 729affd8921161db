// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/crash_image.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace crash_image_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using slot_type = crash_image<fake_platform>;
using image = fake_platform::image;

// What a crash does: reserve, say no before anybody is stopped, check behind the stop.
image_outcome take(slot_type& slot) {
  const image_outcome out = slot.reserve();
  if (out != image_outcome::reserved) return out;
  if (!slot.intact()) {
    slot.hand_back();
    return image_outcome::corrupt;
  }
  return slot.check() ? image_outcome::reserved : image_outcome::corrupt;
}

struct crash_image : testing::Test {
  fake_machine m;
  slot_type slot;

  void load(uint32_t id) { ASSERT_EQ(slot.load(image{id}), load_outcome::loaded); }
  [[nodiscard]] uint32_t held() const { return slot.held() == nullptr ? 0 : slot.held()->id; }
};

TEST_F(crash_image, empty_slot_has_none) {
  EXPECT_FALSE(slot.ready());
  EXPECT_EQ(take(slot), image_outcome::none);
  EXPECT_EQ(slot.held(), nullptr);
}

TEST_F(crash_image, loaded_image_is_claimed_once_checked) {
  load(7);
  EXPECT_TRUE(slot.ready());
  EXPECT_EQ(held(), 0u);
  m.log.clear();
  EXPECT_EQ(take(slot), image_outcome::reserved);
  EXPECT_EQ(m.count("0 checks image 7"), 2);
  EXPECT_EQ(held(), 7u);
  EXPECT_FALSE(slot.ready());
}

TEST_F(crash_image, that_is_reserved_or_claimed_stays_so_for_an_owner_that_asks_again) {
  load(7);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(slot.reserve(), image_outcome::reserved);
  EXPECT_TRUE(slot.is_reserved());
  EXPECT_TRUE(slot.check());
  EXPECT_FALSE(slot.is_reserved());
  EXPECT_EQ(slot.reserve(), image_outcome::reserved);
  EXPECT_FALSE(slot.check()) << "there is nothing left to check";
  slot.hand_back();
  slot.give_up();
  EXPECT_EQ(held(), 7u);
}

TEST_F(crash_image, that_is_not_reserved_is_neither_checked_nor_given_up) {
  load(7);
  m.log.clear();
  EXPECT_FALSE(slot.check());
  slot.give_up();
  EXPECT_TRUE(m.log.empty());
  EXPECT_TRUE(slot.ready());
}

TEST_F(crash_image, damaged_behind_the_reservation_is_not_claimed_and_stays_where_it_is) {
  load(7);
  ASSERT_EQ(slot.reserve(), image_outcome::reserved);
  m.broken_images = {7};
  EXPECT_FALSE(slot.check());
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(slot.reserve(), image_outcome::corrupt);
  EXPECT_EQ(slot.load(image{8}), load_outcome::claimed);
  EXPECT_EQ(slot.unload(), unload_outcome::claimed);
}

TEST_F(crash_image, says_why_there_is_none_and_changes_nothing) {
  EXPECT_EQ(slot.why_none(), image_outcome::none);
  load(7);
  EXPECT_EQ(slot.why_none(), image_outcome::busy) << "it came too late";
  EXPECT_TRUE(slot.ready());
  ASSERT_EQ(slot.reserve(), image_outcome::reserved);
  EXPECT_EQ(slot.why_none(), image_outcome::corrupt) << "its checks have faulted";
  slot.give_up();
  EXPECT_EQ(slot.why_none(), image_outcome::corrupt);
}

TEST_F(crash_image, reload_hands_out_what_it_replaces) {
  image old{99};
  EXPECT_EQ(slot.load(image{7}, &old), load_outcome::loaded);
  EXPECT_EQ(old.id, 99u) << "nothing was replaced";
  EXPECT_EQ(slot.load(image{8}, &old), load_outcome::loaded);
  EXPECT_EQ(old.id, 7u);
  ASSERT_EQ(take(slot), image_outcome::reserved);
  EXPECT_EQ(held(), 8u);
}

TEST_F(crash_image, bad_image_is_refused_and_the_slot_stays_as_it_was) {
  m.broken_images = {8};
  EXPECT_EQ(slot.load(image{8}), load_outcome::refused);
  EXPECT_FALSE(slot.ready());
  load(7);
  image old{99};
  EXPECT_EQ(slot.load(image{8}, &old), load_outcome::refused);
  EXPECT_EQ(old.id, 99u);
  ASSERT_EQ(take(slot), image_outcome::reserved);
  EXPECT_EQ(held(), 7u);
}

TEST_F(crash_image, image_that_went_bad_is_handed_back_so_that_a_reload_can_follow) {
  load(7);
  m.broken_images = {7};
  EXPECT_EQ(take(slot), image_outcome::corrupt);
  EXPECT_EQ(held(), 0u);
  EXPECT_TRUE(slot.ready());
  EXPECT_EQ(take(slot), image_outcome::corrupt);
  image old{};
  ASSERT_EQ(slot.load(image{8}, &old), load_outcome::loaded);
  EXPECT_EQ(old.id, 7u);
  EXPECT_EQ(take(slot), image_outcome::reserved);
  EXPECT_EQ(held(), 8u);
}

TEST_F(crash_image, image_that_went_bad_can_be_unloaded) {
  load(7);
  m.broken_images = {7};
  ASSERT_EQ(take(slot), image_outcome::corrupt);
  EXPECT_EQ(slot.unload(), unload_outcome::unloaded);
  EXPECT_EQ(take(slot), image_outcome::none);
}

TEST_F(crash_image, that_is_made_in_the_slot_is_loaded_where_it_is_whole) {
  for (const uint32_t id : {7u, 8u})
    EXPECT_EQ(slot.load_by([&](image& i) { return i.id = id, true; }), load_outcome::loaded);
  EXPECT_EQ(m.count("0 checks image 7"), 1);
  ASSERT_EQ(take(slot), image_outcome::reserved);
  EXPECT_EQ(held(), 8u);
}

TEST_F(crash_image, that_is_not_made_leaves_the_slot_as_it_was) {
  const auto not_made = [](const image&) { return false; };
  EXPECT_EQ(slot.load_by(not_made), load_outcome::refused);
  EXPECT_EQ(slot.reserve(), image_outcome::none);
  load(7);
  m.broken_images = {7};
  EXPECT_EQ(slot.load_by(not_made), load_outcome::refused) << "it is not asked whether that one is whole";
  EXPECT_TRUE(slot.ready());
  m.broken_images.clear();
  ASSERT_EQ(take(slot), image_outcome::reserved);
  EXPECT_EQ(held(), 7u);
}

TEST_F(crash_image, that_is_made_and_is_not_whole_leaves_an_empty_slot) {
  load(7);
  m.broken_images = {8};
  EXPECT_EQ(slot.load_by([](image& i) { return i.id = 8, true; }), load_outcome::refused);
  EXPECT_EQ(take(slot), image_outcome::none);
  load(9);
}

TEST_F(crash_image, nobody_else_has_the_slot_while_an_image_is_made) {
  load(7);
  const auto make = [&](image& i) {
    EXPECT_EQ(i.id, 7u);
    i.id = 0x55;  // half of it
    m.as(1, [&] {
      EXPECT_EQ(slot.reserve(), image_outcome::busy);
      EXPECT_EQ(slot.why_none(), image_outcome::busy);
      EXPECT_EQ(slot.load(image{9}), load_outcome::busy);
      EXPECT_EQ(slot.load_by([](const image&) { return ADD_FAILURE(), false; }), load_outcome::busy);
      EXPECT_EQ(slot.unload(), unload_outcome::busy);
      EXPECT_FALSE(slot.ready());
    });
    return i.id = 8, true;
  };
  EXPECT_EQ(slot.load_by(make), load_outcome::loaded);
  ASSERT_EQ(take(slot), image_outcome::reserved);
  EXPECT_EQ(held(), 8u);
}

TEST_F(crash_image, that_a_crash_has_is_not_made_anew) {
  load(7);
  const auto make = [](const image&) { return ADD_FAILURE(), true; };
  ASSERT_EQ(slot.reserve(), image_outcome::reserved);
  EXPECT_EQ(slot.load_by(make), load_outcome::busy);
  ASSERT_TRUE(slot.check());
  EXPECT_EQ(slot.load_by(make), load_outcome::claimed);
  EXPECT_EQ(held(), 7u);
}

TEST_F(crash_image, unload_hands_out_what_was_in_it) {
  load(7);
  image old{};
  EXPECT_EQ(slot.unload(&old), unload_outcome::unloaded);
  EXPECT_EQ(old.id, 7u);
  EXPECT_FALSE(slot.ready());
  EXPECT_EQ(take(slot), image_outcome::none);
}

TEST_F(crash_image, unload_of_an_empty_slot_says_so) {
  image old{99};
  EXPECT_EQ(slot.unload(&old), unload_outcome::empty);
  EXPECT_EQ(old.id, 99u);
  load(7);
  EXPECT_EQ(take(slot), image_outcome::reserved);
}

TEST_F(crash_image, claimed_image_is_neither_replaced_nor_unloaded) {
  load(7);
  ASSERT_EQ(take(slot), image_outcome::reserved);
  image old{99};
  EXPECT_EQ(slot.load(image{8}, &old), load_outcome::claimed);
  EXPECT_EQ(slot.unload(&old), unload_outcome::claimed);
  EXPECT_EQ(old.id, 99u);
  EXPECT_EQ(held(), 7u);
}

TEST_F(crash_image, image_that_is_being_checked_belongs_to_the_crash) {
  load(7);
  m.when("0 checks image 7", [&] {
    m.as(1, [&] {
      EXPECT_EQ(slot.load(image{8}), load_outcome::busy);
      EXPECT_EQ(slot.unload(), unload_outcome::busy);
      EXPECT_EQ(slot.held(), nullptr);
    });
  });
  EXPECT_EQ(take(slot), image_outcome::reserved);
  EXPECT_EQ(held(), 7u);
}

TEST_F(crash_image, fault_in_the_check_leaves_the_image_unclaimed_for_one_more_check) {
  load(7);
  ASSERT_EQ(slot.reserve(), image_outcome::reserved);
  m.when("0 checks image 7", [] { fake_platform::park(); });
  m.as(0, [&] { (void)slot.check(); });
  EXPECT_EQ(held(), 0u);
  EXPECT_TRUE(slot.is_reserved());
  EXPECT_TRUE(slot.check());
  EXPECT_EQ(held(), 7u);
}

TEST_F(crash_image, crash_during_a_reload_gets_a_whole_image_or_busy) {
  bool old_claimed = false, busy = false;
  at_every_moment([&](fake_machine& machine, uint32_t n) {
    slot_type s;
    ASSERT_EQ(s.load(image{7}), load_outcome::loaded);
    image_outcome crash{};
    machine.inject(0, n, [&] { machine.as(1, [&] { crash = take(s); }); });
    const load_outcome load = s.load(image{8});
    if (!machine.injected()) return;
    old_claimed |= crash == image_outcome::reserved;
    busy |= crash == image_outcome::busy;
    if (crash == image_outcome::reserved) {
      ASSERT_NE(s.held(), nullptr) << n;
      EXPECT_EQ(s.held()->id, load == load_outcome::loaded ? 8u : 7u) << n;
    } else {
      EXPECT_EQ(crash, image_outcome::busy) << n;
      EXPECT_EQ(load, load_outcome::loaded) << n;
      EXPECT_EQ(take(s), image_outcome::reserved) << n;
      EXPECT_EQ(s.held()->id, 8u) << n;
    }
  });
  EXPECT_TRUE(old_claimed);
  EXPECT_TRUE(busy);
}

TEST_F(crash_image, second_load_during_a_load_is_told_busy_or_comes_before_or_behind_it) {
  bool busy = false;
  at_every_moment([&](fake_machine& machine, uint32_t n) {
    slot_type s;
    load_outcome second{};
    unload_outcome third{};
    image replaced{};
    machine.inject(0, n, [&] {
      machine.as(1, [&] {
        second = s.load(image{8}, &replaced);
        third = s.unload();
      });
    });
    EXPECT_EQ(s.load(image{7}), load_outcome::loaded);
    if (!machine.injected()) return;
    EXPECT_EQ(second == load_outcome::busy, third == unload_outcome::busy) << n;
    EXPECT_EQ(second == load_outcome::loaded, third == unload_outcome::unloaded) << n;
    busy |= second == load_outcome::busy;
    EXPECT_EQ(take(s), replaced.id == 7 ? image_outcome::none : image_outcome::reserved) << n;
  });
  EXPECT_TRUE(busy);
}

TEST_F(crash_image, two_checks_have_one_winner_wherever_the_second_one_comes_in) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    slot_type s;
    ASSERT_EQ(s.load(image{7}), load_outcome::loaded);
    ASSERT_EQ(s.reserve(), image_outcome::reserved);
    bool second = false;
    machine.inject(0, n, [&] { second = s.check(); });
    const bool first = s.check();
    if (!machine.injected()) return;
    EXPECT_NE(first, second) << n;
  });
}

TEST_F(crash_image, slot_is_published_with_release_and_taken_with_acquire) {
  load(7);
  EXPECT_EQ(m.accesses.back().what, word_access::store);
  EXPECT_EQ(m.accesses.back().how, order::release);
  m.accesses.clear();
  (void)slot.reserve();
  (void)slot.check();
  EXPECT_EQ(m.accesses.front().what, word_access::exchange);
  EXPECT_EQ(m.accesses.front().how, order::acquire);
  EXPECT_EQ(m.accesses.front().failure, order::acquire) << "whoever is told busy or none";
  EXPECT_EQ(m.accesses.back().how, order::release) << "claimed";
}

TEST_F(crash_image, slot_that_is_filled_or_emptied_is_taken_with_acquire_and_published_with_release) {
  const auto orders_of = [&](auto change) {
    m.accesses.clear();
    change();
    ASSERT_EQ(m.accesses.size(), 3u);
    EXPECT_EQ(m.accesses[0].what, word_access::load);
    EXPECT_EQ(m.accesses[1].what, word_access::exchange);
    EXPECT_EQ(m.accesses[2].what, word_access::store);
    EXPECT_EQ(m.accesses[0].how, order::acquire);
    EXPECT_EQ(m.accesses[1].how, order::acquire);
    EXPECT_EQ(m.accesses[1].failure, order::acquire);
    EXPECT_EQ(m.accesses[2].how, order::release);
  };
  orders_of([&] { (void)slot.load(image{7}); });
  orders_of([&] { (void)slot.load_by([](image& i) { return i.id = 8, true; }); });
  orders_of([&] { (void)slot.load_by([](const image&) { return false; }); });
  orders_of([&] { (void)slot.unload(); });
}

TEST_F(crash_image, reader_of_the_slot_acquires) {
  m.accesses.clear();
  (void)slot.held();
  (void)slot.ready();
  ASSERT_EQ(m.accesses.size(), 2u);
  for (const word_access& a : m.accesses) EXPECT_EQ(a.how, order::acquire);
}

}  // namespace
}  // namespace crash_image_test
