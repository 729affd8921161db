// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/doze.hpp>

#include <gtest/gtest.h>

#include <functional>

#include "access_log.hpp"

namespace doze_test {
namespace {

using namespace lastcpu;

access_log did;
std::function<void()> while_it_sleeps;

struct machine {
  static inline uint64_t cr8 = 3;
  static inline std::function<void()> before_it_compares;
  static uint64_t read_cr8() noexcept { return cr8; }
  static void write_cr8(uint64_t v) noexcept {
    did.add("cr8", v);
    if (v == 14 && before_it_compares) before_it_compares();
  }
  static void sti_halt() noexcept {
    did.add("sti, hlt");
    if (while_it_sleeps) while_it_sleeps();
  }
  static void cli() noexcept { did.add("cli"); }
};

struct bus {
  static inline uint64_t apic_base = 0xfee0'0900;
  static inline uint32_t in_service = 0;
  static inline uint32_t spurious = 0x1ff;
  static uint32_t read(uint32_t offset) noexcept {
    return offset == 0x170 ? in_service : offset == 0xf0 ? spurious : 0;
  }
  static void write(uint32_t offset, uint32_t v) noexcept { did.add("write", offset, v); }
  static uint64_t rdmsr(uint32_t) noexcept { return apic_base; }
  static void wrmsr(uint32_t, uint64_t) noexcept {}
  static void fence() noexcept {}
  static uint64_t now() noexcept { return 0; }
  static uint64_t bound() noexcept { return 0; }
  static void pause() noexcept {}
};

template <bool Owns>
struct port_of {
  static constexpr cpu_id max_cpus = 8;
  static constexpr uint8_t stop_vector = 0xf0;
  static constexpr uint8_t wake_vector = 0xf1;
  static inline cpu_id me = 2;
  static bool owns_every_cpu() noexcept { return Owns; }
  static inline bool in_nmi = false;
  static bool may_take_interrupts() noexcept { return !in_nmi; }
  static cpu_id this_cpu() noexcept { return me; }
  static bool is_online(cpu_id cpu) noexcept { return cpu < 4; }
  static uint32_t apic_id(cpu_id cpu) noexcept { return 0x10 + cpu; }
};
using port = port_of<true>;

const lines asleep = {"cr8 e", "sti, hlt", "cli", "cr8 3"};

struct doze : testing::Test {
  atomic<uintptr_t> word{7};

  doze() { forget<port>(), forget<port_of<false>>(); }
  ~doze() override {
    bus::apic_base = 0xfee0'0900;
    bus::in_service = 0;
    bus::spurious = 0x1ff;
    machine::cr8 = 3;
    machine::before_it_compares = nullptr;
    port::in_nmi = false;
    port::me = 2;
    while_it_sleeps = nullptr;
    (void)did.take();
  }
  template <class K>
  static void forget() {
    x86::detail::dozers<K>::count.store(0, order::relaxed);
    x86::detail::dozers<K>::word.store(0, order::relaxed);
  }
  bool sleep() { return x86::doze<port, machine>(word, uintptr_t{7}); }
  template <class K = port>
  void wake() {
    x86::wake_dozers_on<K, bus>(word, wake_reason::handed_on);
  }
};

TEST_F(doze, lets_in_the_highest_class_only_and_leaves_everything_as_it_was) {
  EXPECT_TRUE(sleep());
  EXPECT_EQ(did.take(), asleep);
}

TEST_F(doze, does_not_sleep_on_a_word_that_has_changed) {
  word.store(8, order::release);
  EXPECT_TRUE(sleep());
  EXPECT_EQ(did.take(), (lines{"cr8 e", "cli", "cr8 3"}));
}

TEST_F(doze, is_ended_by_one_message_to_the_others) {
  while_it_sleeps = [this] { wake(); };
  EXPECT_TRUE(sleep());
  EXPECT_EQ(did.take(), (lines{"cr8 e", "sti, hlt", "write 300 c40f1", "cli", "cr8 3"}));
}

TEST_F(doze, is_ended_by_a_message_to_each_where_the_kernel_does_not_own_every_cpu) {
  while_it_sleeps = [this] { wake<port_of<false>>(); };
  EXPECT_TRUE((x86::doze<port_of<false>, machine>(word, uintptr_t{7})));
  EXPECT_EQ(did.take(), (lines{"cr8 e", "sti, hlt", "write 310 10000000", "write 300 40f1", "write 310 11000000",
                               "write 300 40f1", "write 310 13000000", "write 300 40f1", "cli", "cr8 3"}));
}

TEST_F(doze, of_nobody_needs_no_message) {
  wake();
  EXPECT_EQ(did.take(), lines{});
  EXPECT_TRUE(sleep());
  (void)did.take();
  wake();
  EXPECT_EQ(did.take(), lines{}) << "it has woken up";
}

TEST_F(doze, is_counted_before_it_compares_so_that_no_change_is_slept_through) {
  machine::before_it_compares = [this] {
    word.store(8, order::release);
    wake();
  };
  EXPECT_TRUE(sleep());
  EXPECT_EQ(did.take(), (lines{"cr8 e", "write 300 c40f1", "cli", "cr8 3"}));
}

TEST_F(doze, is_refused_where_the_kernel_keeps_the_highest_class_out) {
  machine::cr8 = 15;
  EXPECT_FALSE(sleep());
  EXPECT_EQ(did.take(), lines{});
}

TEST_F(doze, is_allowed_with_just_the_classes_below_kept_out) {
  machine::cr8 = 14;
  EXPECT_TRUE(sleep());
  EXPECT_EQ(did.take(), (lines{"cr8 e", "sti, hlt", "cli", "cr8 e"}));
}

TEST_F(doze, on_a_second_word_counts_nobody) {
  EXPECT_TRUE(sleep());
  atomic<uintptr_t> other{7};
  EXPECT_FALSE((x86::doze<port, machine>(other, uintptr_t{7})));
  EXPECT_EQ(x86::detail::dozers<port>::count.load(order::relaxed), 0u);
  EXPECT_TRUE(sleep()) << "the first word is the one as before";
}

TEST_F(doze, while_it_lasts_counts_one) {
  while_it_sleeps = [] { EXPECT_EQ(x86::detail::dozers<port>::count.load(order::relaxed), 1u); };
  EXPECT_TRUE(sleep());
}

struct interrupted {
  unsigned char code[2] = {0xfb, 0xf4};  // sti, hlt
  x86::registers at(uint32_t i, uint64_t cs = 8) const {
    x86::registers r{};
    r.rip = reinterpret_cast<uint64_t>(code + i);
    r.cs = cs;
    return r;
  }
};

TEST_F(doze, steps_over_the_hlt_that_a_wake_up_came_before) {
  const interrupted loser;
  x86::registers before_hlt = loser.at(1);
  const uint64_t rip = before_hlt.rip;
  x86::handle_wake<port, bus>(before_hlt);
  EXPECT_EQ(before_hlt.rip, rip + 1);
  EXPECT_EQ(did.take(), lines{"write b0 0"});
}

TEST_F(doze, wake_up_steps_over_the_hlt_of_the_kernel_only_whatever_its_selector) {
  const interrupted loser;
  for (const uint64_t cs : {0x8u, 0x10u, 0x38u, 0xf8u}) {
    x86::registers regs = loser.at(1, cs);
    const uint64_t rip = regs.rip;
    x86::handle_wake<port, bus>(regs);
    EXPECT_EQ(regs.rip, rip + 1) << cs;
  }
  for (const uint64_t ring : {1u, 2u, 3u}) {
    x86::registers regs = loser.at(1, 0x10 | ring);
    const uint64_t rip = regs.rip;
    x86::handle_wake<port, bus>(regs);
    EXPECT_EQ(regs.rip, rip) << ring;
  }
}

TEST_F(doze, wake_up_leaves_any_other_code_where_it_was) {
  const interrupted loser;
  x86::registers elsewhere = loser.at(0);
  const uint64_t rip = elsewhere.rip;
  x86::handle_wake<port, bus>(elsewhere);
  EXPECT_EQ(elsewhere.rip, rip);
  x86::registers in_user_mode = loser.at(1, 0x33);
  in_user_mode.rip = 1;  // can't be read
  x86::handle_wake<port, bus>(in_user_mode);
  EXPECT_EQ(in_user_mode.rip, 1u);
}

TEST_F(doze, is_not_ended_by_a_change_of_another_word) {
  atomic<uintptr_t> other{7};
  while_it_sleeps = [&] { x86::wake_dozers_on<port, bus>(other, wake_reason::handed_on); };
  EXPECT_TRUE(sleep());
  EXPECT_EQ(did.take(), asleep);
}

TEST_F(doze, is_not_ended_by_the_commit_but_by_the_end_of_the_machine) {
  while_it_sleeps = [&] {
    word.store(8, order::release);
    x86::wake_dozers_on<port, bus>(word, wake_reason::committed);
    did.add("shutdown");
    x86::wake_dozers_on<port, bus>(word, wake_reason::ending);
  };
  EXPECT_TRUE(sleep());
  EXPECT_EQ(did.take(), (lines{"cr8 e", "sti, hlt", "shutdown", "write 300 c40f1", "cli", "cr8 3"}));
}

TEST_F(doze, on_a_second_word_is_refused) {
  EXPECT_TRUE(sleep());
  (void)did.take();
  atomic<uintptr_t> other{7};
  EXPECT_FALSE((x86::doze<port, machine>(other, uintptr_t{7})));
  EXPECT_EQ(did.take(), lines{});
}

TEST_F(doze, is_allowed_where_a_wake_up_can_come) {
  EXPECT_TRUE((x86::may_doze<port, bus>()));
  bus::in_service = 0x0000'8000;  // vector 0xef
  EXPECT_TRUE((x86::may_doze<port, bus>()));
}

TEST_F(doze, is_not_allowed_inside_an_interrupt_of_the_highest_class) {
  bus::in_service = 0x0001'0000;  // vector 0xf0
  EXPECT_FALSE((x86::may_doze<port, bus>()));
}

TEST_F(doze, is_not_allowed_without_an_apic) {
  bus::apic_base = 0xfee0'0100;
  EXPECT_FALSE((x86::may_doze<port, bus>()));
}

TEST_F(doze, is_not_allowed_with_an_apic_that_software_has_not_enabled) {
  bus::spurious = 0xff;
  EXPECT_FALSE((x86::may_doze<port, bus>()));
}

TEST_F(doze, is_not_allowed_on_a_cpu_that_nobody_would_wake) {
  port::me = 4;  // not online
  EXPECT_FALSE((x86::may_doze<port, bus>()));
  port::me = no_cpu;
  EXPECT_FALSE((x86::may_doze<port, bus>()));
}

struct port_with_a_table : port_of<false> {
  static inline bool asked_out_of_range = false;
  static bool is_online(cpu_id cpu) noexcept {
    asked_out_of_range = asked_out_of_range || cpu >= max_cpus;
    return true;
  }
};

TEST_F(doze, asks_the_kernel_for_numbers_in_its_range_only) {
  for (const cpu_id out_of_range : {cpu_id{8}, no_cpu}) {
    port_with_a_table::me = out_of_range;
    EXPECT_FALSE((x86::may_doze<port_with_a_table, bus>()));
  }
  port_with_a_table::me = 7;
  EXPECT_TRUE((x86::may_doze<port_with_a_table, bus>())) << "the highest one";
  x86::detail::dozers<port_with_a_table>::count.store(1, order::relaxed);
  x86::wake_dozers<port_with_a_table, bus>();
  EXPECT_EQ(did.take().size(), 2 * 7u) << "every other one";
  EXPECT_FALSE(port_with_a_table::asked_out_of_range);
  port_with_a_table::me = 2;
}

TEST_F(doze, is_not_allowed_in_an_nmi) {
  port::in_nmi = true;
  EXPECT_FALSE((x86::may_doze<port, bus>()));
}

}  // namespace
}  // namespace doze_test
