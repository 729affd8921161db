// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/handlers.hpp>

#include <gtest/gtest.h>

#include <functional>

#include "access_log.hpp"

namespace handlers_test {
namespace {

using namespace lastcpu;
using x86::handler_stack;
using x86::stack_choice;

access_log log_of_all;

struct kernel {
  static inline stack_choice next[2] = {};
  static stack_choice next_stack(handler_stack which, stack_choice choice) noexcept {
    stack_choice& mine = next[static_cast<int>(which)];
    const stack_choice before = mine;
    mine = choice;
    log_of_all.add(choice == stack_choice::spare ? "next: spare" : "next: usual", static_cast<int>(which));
    return before;
  }
};

struct machine {
  static inline uint64_t status = 0;
  static uint64_t rdmsr(uint32_t number) noexcept { return number == 0x17a ? status : 0; }
  static void wrmsr(uint32_t number, uint64_t v) noexcept { log_of_all.add("wrmsr", number, status = v); }
};

struct bus {
  static uint32_t read(uint32_t) noexcept { return 0; }
  static void write(uint32_t offset, uint32_t v) noexcept { log_of_all.add("apic", offset, v); }
  static uint64_t rdmsr(uint32_t) noexcept { return 0xfee0'0800; }
  static void wrmsr(uint32_t, uint64_t) noexcept {}
  static void fence() noexcept {}
  static uint64_t now() noexcept { return 0; }
  static uint64_t bound() noexcept { return 0; }
  static void pause() noexcept {}
};

// What `inside` does happens in nmi_panic().
struct domain {
  std::function<void()> inside;
  void handle_nmi(const x86::registers& regs) { log_of_all.add("handle_nmi", regs.rip); }
  void handle_stop_irq(const x86::registers& regs) { log_of_all.add("handle_stop", regs.rip); }
  void nmi_panic(const char* message, const x86::registers& regs) {
    log_of_all.add(message, regs.rip);
    if (inside) inside();
  }
  void panic(const char* message, const x86::registers* regs) { log_of_all.add(message, regs->rip); }
};

using handlers = x86::handlers<kernel, bus, machine>;

struct the_handlers : testing::Test {
  the_handlers() {
    kernel::next[0] = kernel::next[1] = stack_choice::usual;
    machine::status = 5;  // being handled, and the interrupted code can go on
    regs.rip = 7;
  }
  domain d;
  x86::registers regs{};
};

TEST_F(the_handlers, stop_ends_its_interrupt_before_it_may_stay) {
  handlers::stop(d, regs);
  EXPECT_EQ(log_of_all.take(), (lines{"apic b0 0", "handle_stop 7"}));
}

TEST_F(the_handlers, nmi_asks_the_domain_first_of_all) {
  handlers::nmi(d, regs);
  EXPECT_EQ(log_of_all.take(), lines{"handle_nmi 7"});
}

TEST_F(the_handlers, nmi_that_panics_leaves_the_next_one_another_stack_as_long_as_it_runs) {
  handlers::panic_in_nmi(d, "unknown", regs);
  EXPECT_EQ(log_of_all.take(), (lines{"next: spare 0", "unknown 7", "next: usual 0"}));
}

TEST_F(the_handlers, nmi_panic_inside_another_leaves_it_its_stack) {
  d.inside = [this] {
    d.inside = nullptr;
    handlers::panic_in_nmi(d, "second", regs);
    EXPECT_EQ(kernel::next[0], stack_choice::spare);
  };
  handlers::panic_in_nmi(d, "first", regs);
  EXPECT_EQ(kernel::next[0], stack_choice::usual);
  (void)log_of_all.take();
}

// Whatever it does, and whether or not it comes back: the next one is survived.
TEST_F(the_handlers, machine_check_makes_room_for_the_next_one_before_it_stops_or_panics) {
  handlers::machine_check(d, regs);
  EXPECT_EQ(log_of_all.take(),
            (lines{"next: spare 1", "wrmsr 17a 0", "handle_nmi 7", "machine check 7", "next: usual 1"}));
}

TEST_F(the_handlers, machine_check_without_a_way_back_is_a_panic_on_the_owner) {
  machine::status = 4;
  handlers::machine_check(d, regs);
  EXPECT_EQ(log_of_all.take(), (lines{"next: spare 1", "wrmsr 17a 0", "handle_nmi 7", "machine check 7",
                                      "machine check, and no way back 7", "next: usual 1"}));
}

TEST_F(the_handlers, machine_check_inside_the_panic_of_another_returns_to_it_and_leaves_it_its_stack) {
  d.inside = [this] {
    d.inside = nullptr;
    for (int i = 0; i < 3; ++i) {
      machine::status = 5;
      handlers::machine_check(d, regs);
      EXPECT_EQ(kernel::next[1], stack_choice::spare);
      EXPECT_EQ(machine::status, 0u);
    }
  };
  handlers::machine_check(d, regs);
  (void)log_of_all.take();
}

}  // namespace
}  // namespace handlers_test
