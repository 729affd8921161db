// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/crash_image.hpp>
#include <lastcpu/platform/x86_64/crash_loader.hpp>
#include <lastcpu/platform_defaults.hpp>

#include <gtest/gtest.h>

#include <cstring>

#include "unit/x86_64/crash_file.hpp"
#include "unit/x86_64/reserved_memory.hpp"

namespace load_into_slot_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using kexec::crash_image_record;
using kexec::load_error;

// The slot of a machine.
struct port : platform_defaults<port> {
  static constexpr cpu_id max_cpus = 1;
  static cpu_id this_cpu() noexcept { return 0; }
  static bool is_online(cpu_id) noexcept { return true; }
  static void send_stop_to(cpu_id, stop_how) noexcept {}
  [[noreturn]] static void park() noexcept {
    for (;;) {
    }
  }
  using image = crash_image_record;
  static inline bool no_memory = false;  // the region does not keep what is written to it
  static bool image_intact(const image& i) noexcept { return !no_memory && kexec::image_intact(i); }
  static void jump(const image&) noexcept {}
};

struct load_into_slot : testing::Test {
  reserved_memory memory;
  crash_image<port> slot;
  bytes file = good_elf();

  ~load_into_slot() override { port::no_memory = false; }

  load_error load() {
    return x86::load_into_slot(slot, memory.region(), file.data(), file.size(), reserved_memory::options());
  }
};

TEST_F(load_into_slot, puts_the_first_one_in) {
  EXPECT_EQ(load(), load_error::none);
  EXPECT_TRUE(slot.ready());
  ASSERT_EQ(slot.reserve(), image_outcome::reserved);
  EXPECT_TRUE(slot.check());
}

TEST_F(load_into_slot, puts_another_one_in_its_place) {
  ASSERT_EQ(load(), load_error::none);
  file = make_elf(base, {{base, counting(16, 1), 16}});
  EXPECT_EQ(load(), load_error::none);
  crash_image_record now;
  ASSERT_EQ(slot.unload(&now), unload_outcome::unloaded);
  EXPECT_EQ(now.payload_bytes, 16u);
  EXPECT_TRUE(kexec::image_intact(now));
}

TEST_F(load_into_slot, refused_file_leaves_an_empty_one_empty) {
  file[0] = 'e';
  EXPECT_EQ(load(), load_error::not_elf);
  EXPECT_EQ(slot.reserve(), image_outcome::none);
  EXPECT_TRUE(memory.untouched());
}

TEST_F(load_into_slot, refused_file_leaves_the_one_before_in_it) {
  crash_image_record before, after;
  ASSERT_EQ(load(), load_error::none);
  ASSERT_EQ(slot.unload(&before), unload_outcome::unloaded);
  ASSERT_EQ(slot.load(before), load_outcome::loaded);
  file[0] = 'e';
  EXPECT_EQ(load(), load_error::not_elf);
  ASSERT_EQ(slot.unload(&after), unload_outcome::unloaded);
  EXPECT_EQ(std::memcmp(&after, &before, sizeof before), 0);
  EXPECT_TRUE(kexec::image_intact(after));
}

TEST_F(load_into_slot, in_use_is_left_alone) {
  ASSERT_EQ(load(), load_error::none);
  const bytes region(memory.first, memory.first + reserved_memory::size);
  file = make_elf(base, {{base, counting(16, 1), 16}});
  ASSERT_EQ(slot.reserve(), image_outcome::reserved);
  EXPECT_EQ(load(), load_error::in_use);
  EXPECT_TRUE(slot.check());
  EXPECT_EQ(load(), load_error::in_use);
  EXPECT_EQ(bytes(memory.first, memory.first + reserved_memory::size), region);
}

TEST_F(load_into_slot, damaged_is_named_and_none_is_loaded) {
  port::no_memory = true;
  EXPECT_EQ(load(), load_error::damaged);
  EXPECT_EQ(slot.reserve(), image_outcome::none);
}

TEST_F(load_into_slot, is_busy_for_a_crash_and_another_load_from_before_the_first_write) {
  ASSERT_EQ(load(), load_error::none);
  const auto meanwhile = [&](const crash_image_record& r) noexcept {
    EXPECT_EQ(slot.reserve(), image_outcome::busy);
    EXPECT_EQ(slot.unload(), unload_outcome::busy);
    EXPECT_EQ(load(), load_error::in_use);
    EXPECT_TRUE(kexec::image_intact(r)) << "nothing is written yet";
    return load_error::not_elf;
  };
  EXPECT_EQ(kexec::load_into(slot, meanwhile), load_error::not_elf);
  EXPECT_TRUE(slot.ready());
}

}  // namespace
}  // namespace load_into_slot_test
