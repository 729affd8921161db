// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/numbered_cpus.hpp>

#include <lastcpu/panic.hpp>
#include <lastcpu/platform_defaults.hpp>

#include <gtest/gtest.h>

#include <csetjmp>
#include <string>
#include <type_traits>
#include <vector>

namespace numbered_cpus_test {
namespace {

using namespace lastcpu;

// The CPU that runs, by its APIC id.
struct processor {
  static inline uint32_t id = 0;
  static x86::cpuid_result cpuid(uint32_t leaf) noexcept { return {leaf == 0 ? 11u : 0, leaf == 11 ? 1u : 0, 0, id}; }
};

// Tables are a port's own, so each test has one: `Tag` keeps them apart.
template <int Tag>
using four_cpus = x86::numbered_cpus<std::integral_constant<int, Tag>, 4, processor>;

struct machine_to_look_at {
  std::vector<std::string> looks;
  template <class Cpus>
  struct of {
    machine_to_look_at& all;
    cpu_id cpu;
    void come_online() { all.looks.push_back(Cpus::is_online(cpu) ? "online, then looks" : "looks, then online"); }
  };
};

template <class Cpus>
bool come_online(uint32_t apic_id, cpu_id number, machine_to_look_at& machine) {
  processor::id = apic_id;
  machine_to_look_at::of<Cpus> here{machine, number};
  return Cpus::online(here, number);
}

TEST(numbered_cpus, cpu_is_known_by_its_apic_id_once_it_is_online) {
  using cpus = four_cpus<1>;
  machine_to_look_at machine;
  processor::id = 0;
  EXPECT_EQ(cpus::this_cpu(), no_cpu);
  EXPECT_TRUE(come_online<cpus>(0, 0, machine));
  EXPECT_TRUE(come_online<cpus>(0x12345, 2, machine));
  EXPECT_EQ(cpus::this_cpu(), 2u);
  EXPECT_EQ(cpus::apic_id(2), 0x12345u);
  processor::id = 0;
  EXPECT_EQ(cpus::this_cpu(), 0u);
  EXPECT_TRUE(cpus::is_online(2));
  EXPECT_FALSE(cpus::is_online(1));
  EXPECT_FALSE(cpus::is_online(4));
}

TEST(numbered_cpus, cpu_is_online_before_it_looks_at_the_gate) {
  machine_to_look_at machine;
  EXPECT_TRUE(come_online<four_cpus<2>>(7, 3, machine));
  EXPECT_EQ(machine.looks, std::vector<std::string>{"online, then looks"});
}

TEST(numbered_cpus, number_out_of_range_or_of_another_cpu_is_refused_and_changes_nothing) {
  using cpus = four_cpus<3>;
  machine_to_look_at machine;
  EXPECT_TRUE(come_online<cpus>(5, 1, machine));
  EXPECT_FALSE(come_online<cpus>(6, 4, machine));
  EXPECT_FALSE(come_online<cpus>(6, 1, machine));
  EXPECT_EQ(cpus::this_cpu(), no_cpu);
  EXPECT_EQ(cpus::apic_id(1), 5u);
  EXPECT_EQ(machine.looks.size(), 1u);
}

TEST(numbered_cpus, cpu_keeps_its_number) {
  using cpus = four_cpus<4>;
  machine_to_look_at machine;
  EXPECT_TRUE(come_online<cpus>(5, 1, machine));
  EXPECT_FALSE(come_online<cpus>(5, 2, machine));
  EXPECT_EQ(cpus::this_cpu(), 1u);
  EXPECT_FALSE(cpus::is_online(2));
}

TEST(numbered_cpus, cpu_that_leaves_may_come_again) {
  using cpus = four_cpus<5>;
  machine_to_look_at machine;
  EXPECT_TRUE(come_online<cpus>(5, 1, machine));
  cpus::offline();
  EXPECT_FALSE(cpus::is_online(1));
  EXPECT_EQ(cpus::this_cpu(), 1u);
  EXPECT_TRUE(come_online<cpus>(5, 1, machine));
  EXPECT_TRUE(cpus::is_online(1));
}

TEST(numbered_cpus, cpu_has_its_number_from_its_discovery_on) {
  using cpus = four_cpus<6>;
  EXPECT_TRUE(cpus::number(3, 9));
  EXPECT_TRUE(cpus::number(3, 9));
  processor::id = 9;
  EXPECT_EQ(cpus::this_cpu(), 3u);
  EXPECT_FALSE(cpus::is_online(3));
}

// A whole machine on it.
struct port : platform_defaults<port>, four_cpus<7> {
  static constexpr uint32_t rounds_of_a_still_clock = 2;
  static inline std::vector<cpu_id> asked;
  static inline std::jmp_buf end;
  static void send_stop_to(cpu_id cpu, stop_how) noexcept { asked.push_back(cpu); }
  [[noreturn]] static void park() noexcept { std::longjmp(end, 1); }
  static irq_state irq_save() noexcept { return 0; }
  static void irq_restore(irq_state) noexcept {}
};
constinit crash_domain<port> domain;

bool parks(void (*what)()) {
  if (setjmp(port::end) != 0) return true;
  what();
  return false;
}

TEST(numbered_cpus, cpu_that_comes_behind_the_commit_is_not_asked_and_parks) {
  processor::id = 10;
  ASSERT_TRUE(port::online(domain, 0));
  processor::id = 11;
  ASSERT_TRUE(port::online(domain, 1));
  EXPECT_TRUE(parks([] { domain.panic("the end"); }));
  EXPECT_EQ(port::asked, (std::vector<cpu_id>{0, 0}));
  processor::id = 12;
  EXPECT_TRUE(parks([] { (void)port::online(domain, 2); }));
  EXPECT_EQ(port::asked.size(), 2u);
}

}  // namespace
}  // namespace numbered_cpus_test
