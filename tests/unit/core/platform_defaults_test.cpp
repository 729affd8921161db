// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform_defaults.hpp>

#include <lastcpu/panic.hpp>

#include <gtest/gtest.h>

#include <csetjmp>
#include <string>
#include <vector>

namespace platform_defaults_test {
namespace {

using namespace lastcpu;

// As small as a port can be.
struct smallest : platform_defaults<smallest> {
  static constexpr cpu_id max_cpus = 4;
  static cpu_id this_cpu() noexcept { return 0; }
  static bool is_online(cpu_id) noexcept { return true; }
  static void send_stop_to(cpu_id, stop_how) noexcept {}
  [[noreturn]] static void park() noexcept {
    for (;;) {
    }
  }
};
static_assert(platform_checked<smallest>);

// The same for several, and nothing that a program may not do.
struct in_a_program : platform_defaults<in_a_program> {
  static constexpr cpu_id max_cpus = 4;
  static constexpr uint32_t rounds_of_a_still_clock = 8;
  static inline std::vector<std::string> log;
  static inline std::jmp_buf end;

  static cpu_id this_cpu() noexcept { return 0; }
  static bool is_online(cpu_id cpu) noexcept { return cpu != 3; }
  static void send_stop_to(cpu_id cpu, stop_how how) noexcept {
    log.push_back((how == stop_how::nmi ? "nmi " : "irq ") + std::to_string(cpu));
  }
  [[noreturn]] static void park() noexcept { std::longjmp(end, 1); }
  static irq_state irq_save() noexcept { return 0; }
  static void irq_restore(irq_state) noexcept {}
};

struct policy : panic_policy {
  static inline std::string outcome;
  static inline place_registers registers;
  static void no_crash_kernel(kexec_outcome why) noexcept { outcome = to_string(why); }
  template <class Note>
  static void summary(const Note& n) noexcept {
    if (n.crashing) registers = *n.registers;
  }
};

using domain = crash_domain<in_a_program, policy>;

void panic_to_the_end(domain& machine) {
  in_a_program::log.clear();
  if (setjmp(in_a_program::end) == 0) machine.panic("the end");
}

TEST(platform_defaults, panic_asks_each_cpu_that_is_there_and_parks_at_the_end) {
  static domain machine;
  panic_to_the_end(machine);
  EXPECT_EQ(in_a_program::log, (std::vector<std::string>{"irq 1", "irq 2", "nmi 1", "nmi 2"}));
  EXPECT_EQ(machine.state_of(1), stop_state::silent);
  EXPECT_EQ(policy::outcome, to_string(kexec_outcome::no_image));
}

TEST(platform_defaults, panic_without_registers_has_its_place) {
  static domain machine;
  panic_to_the_end(machine);
  EXPECT_NE(policy::registers.pc, 0u);
  EXPECT_NE(policy::registers.fp, 0u);
}

TEST(platform_defaults, registers_are_those_of_the_caller) {
  place_registers here{};
  smallest::capture_registers(here);
  const auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  EXPECT_LT(here.sp, frame);
  EXPECT_LT(frame - here.sp, 4096u);
}

TEST(platform_defaults, image_is_refused) {
  static domain machine;
  EXPECT_NE(machine.image().load({}), load_outcome::loaded);
}

struct with_a_clock : platform_defaults<with_a_clock> {
  static inline uint64_t time = 0;
  static inline int relaxed = 0;
  static uint64_t now() noexcept { return time; }
  static void relax() noexcept { ++relaxed; }
};

TEST(platform_defaults, wait_ends_at_the_ports_own_clock) {
  const with_a_clock::atomic<uint32_t> word{};
  with_a_clock::time = 9;
  EXPECT_TRUE(with_a_clock::wait_while(word, 0u, 10));
  with_a_clock::time = 10;
  EXPECT_FALSE(with_a_clock::wait_while(word, 0u, 10));
}

TEST(platform_defaults, wait_pauses_only_while_the_word_holds_the_value) {
  const with_a_clock::atomic<uint32_t> word{};
  with_a_clock::relaxed = 0;
  (void)with_a_clock::wait_while(word, 1u, no_deadline);
  EXPECT_EQ(with_a_clock::relaxed, 0);
  (void)with_a_clock::wait_while(word, 0u, no_deadline);
  EXPECT_EQ(with_a_clock::relaxed, 1);
}

// What has no honest default is missed, by name.
struct without_send_stop : platform_defaults<without_send_stop> {
  static constexpr cpu_id max_cpus = 4;
};
static_assert(!detail::has_send_stop<without_send_stop> && detail::has_send_stop<smallest>);
static_assert(!detail::has_park<without_send_stop> && detail::has_park<smallest>);

// A crash kernel is the port's with all that belongs to it.
struct with_half_an_image : smallest {
  struct image {
    int entry;
  };
};
static_assert(!detail::has_image_intact<with_half_an_image> && !detail::has_jump<with_half_an_image>);

}  // namespace
}  // namespace platform_defaults_test
