// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/crash_image.hpp>
#include <lastcpu/platform/x86_64/crash_loader.hpp>
#include <lastcpu/platform_defaults.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "unit/x86_64/crash_file.hpp"
#include "unit/x86_64/reserved_memory.hpp"

namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using kexec::crash_image_record;
using kexec::load_error;

// Answers as it is told, and notes what is asked of it.
struct told_slot {
  unload_outcome out = unload_outcome::empty;
  load_outcome in = load_outcome::loaded;
  crash_image_record kept{};
  std::string log;

  unload_outcome unload(crash_image_record* removed = nullptr) {
    log += "unload ";
    if (out == unload_outcome::unloaded && removed != nullptr) *removed = kept;
    return out;
  }
  load_outcome load(const crash_image_record& r) {
    log += "load ";
    kept = r;
    return in;
  }
};

struct load_into_slot : testing::Test {
  reserved_memory memory;
  told_slot slot;
  bytes file = good_elf();

  load_error load() {
    return x86::load_into_slot(slot, memory.region(), file.data(), file.size(), reserved_memory::options());
  }
};

TEST_F(load_into_slot, puts_the_first_one_in) {
  EXPECT_EQ(load(), load_error::none);
  EXPECT_EQ(slot.log, "unload load ");
  EXPECT_TRUE(kexec::image_intact(slot.kept));
}

TEST_F(load_into_slot, puts_another_one_in_its_place) {
  ASSERT_EQ(load(), load_error::none);
  slot.out = unload_outcome::unloaded;
  file = make_elf(base, {{base, counting(16, 1), 16}});
  EXPECT_EQ(load(), load_error::none);
  EXPECT_EQ(slot.kept.payload_bytes, 16u);
  EXPECT_TRUE(kexec::image_intact(slot.kept));
}

TEST_F(load_into_slot, refused_file_leaves_an_empty_one_empty) {
  file[0] = 'e';
  EXPECT_EQ(load(), load_error::not_elf);
  EXPECT_EQ(slot.log, "unload ");
  EXPECT_TRUE(memory.untouched());
}

TEST_F(load_into_slot, refused_file_leaves_the_one_before_in_it) {
  ASSERT_EQ(load(), load_error::none);
  const crash_image_record before = slot.kept;
  slot.out = unload_outcome::unloaded;
  slot.log.clear();
  file[0] = 'e';
  EXPECT_EQ(load(), load_error::not_elf);
  EXPECT_EQ(slot.log, "unload load ");
  EXPECT_EQ(std::memcmp(&slot.kept, &before, sizeof before), 0);
  EXPECT_TRUE(kexec::image_intact(slot.kept));
}

TEST_F(load_into_slot, in_use_is_left_alone) {
  for (const auto out : {unload_outcome::busy, unload_outcome::claimed}) {
    slot.out = out;
    slot.log.clear();
    EXPECT_EQ(load(), load_error::in_use);
    EXPECT_EQ(slot.log, "unload ");
    EXPECT_TRUE(memory.untouched());
  }
}

TEST_F(load_into_slot, taken_or_damaged_meanwhile_is_named) {
  for (const auto in : {load_outcome::busy, load_outcome::claimed}) {
    slot.in = in;
    EXPECT_EQ(load(), load_error::in_use);
  }
  slot.in = load_outcome::refused;
  EXPECT_EQ(load(), load_error::damaged);
}

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
  static bool image_intact(const image& i) noexcept { return kexec::image_intact(i); }
  static void jump(const image&) noexcept {}
};

TEST(load_into_machine, is_ready_until_a_crash_takes_it) {
  reserved_memory memory;
  crash_image<port> slot;
  const bytes file = good_elf();
  const auto load = [&] {
    return x86::load_into_slot(slot, memory.region(), file.data(), file.size(), reserved_memory::options());
  };
  EXPECT_EQ(load(), load_error::none);
  EXPECT_EQ(load(), load_error::none);
  EXPECT_TRUE(slot.ready());
  ASSERT_EQ(slot.reserve(), image_outcome::reserved);
  EXPECT_EQ(load(), load_error::in_use);
  EXPECT_TRUE(slot.check());
  EXPECT_EQ(load(), load_error::in_use);
}

}  // namespace
