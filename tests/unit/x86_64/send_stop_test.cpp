// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/x86_64/send_stop.hpp>

#include <gtest/gtest.h>

#include <set>

#include "access_log.hpp"

namespace send_stop_test {
namespace {

using namespace lastcpu;

std::set<cpu_id> online_now;

template <bool Owns>
struct port_of {
  static constexpr cpu_id max_cpus = 8;
  static constexpr uint8_t stop_vector = 0xf0;
  static bool owns_every_cpu() noexcept { return Owns; }
  static cpu_id this_cpu() noexcept { return 2; }
  static bool is_online(cpu_id cpu) noexcept { return online_now.contains(cpu); }
  static uint32_t apic_id(cpu_id cpu) noexcept { return 0x10 + 2 * cpu; }
};
using port = port_of<false>;
using owning_port = port_of<true>;
struct silent_port {
  static constexpr uint8_t stop_vector = 0xf0;
  static cpu_id this_cpu() noexcept { return 2; }
  static uint32_t apic_id(cpu_id cpu) noexcept { return 0x10 + 2 * cpu; }
};

struct bare_metal {
  static x86::cpuid_result cpuid(uint32_t) noexcept { return {0, 0, 0, 0}; }
};
struct virtual_machine {
  static x86::cpuid_result cpuid(uint32_t) noexcept { return {0, 0, 1u << 31, 0}; }
};

struct bus {
  static inline uint64_t apic_base = 0xfee0'0900;
  static inline access_log log;
  static uint32_t read(uint32_t) noexcept { return 0; }
  static void write(uint32_t offset, uint32_t v) noexcept { log.add("write", offset, v); }
  static uint64_t rdmsr(uint32_t) noexcept { return apic_base; }
  static void wrmsr(uint32_t number, uint64_t v) noexcept { log.add("wrmsr", number, v); }
  static void fence() noexcept {}
  static uint64_t now() noexcept { return 0; }
  static uint64_t bound() noexcept { return 0; }
  static void pause() noexcept {}
};

template <class Port, class Hw = bare_metal>
lines sent_to(const std::set<cpu_id>& cpus, stop_how how, const std::set<cpu_id>& online) {
  online_now = online;
  cpu_set<8> set;
  for (const cpu_id cpu : cpus) set.add(cpu);
  x86::send_stop<Port, bus, Hw>(set, how);
  return bus::log.take();
}

const lines to_0_and_3 = {"write 310 10000000", "write 300 4400", "write 310 16000000", "write 300 4400"};

TEST(send_stop, is_one_message_for_each_where_the_kernel_does_not_own_every_cpu) {
  EXPECT_EQ(sent_to<port>({0, 3}, stop_how::nmi, {0, 2, 3}), to_0_and_3);
}

TEST(send_stop, is_one_message_for_each_where_the_kernel_does_not_say) {
  EXPECT_EQ(sent_to<silent_port>({0, 3}, stop_how::nmi, {0, 2, 3}), to_0_and_3);
}

TEST(send_stop, is_one_broadcast_to_every_other_cpu_where_the_kernel_owns_them) {
  EXPECT_EQ(sent_to<owning_port>({0, 3}, stop_how::nmi, {0, 2, 3}), lines{"write 300 c4400"});
  EXPECT_EQ(sent_to<owning_port>({0, 3}, stop_how::irq, {0, 2, 3}), lines{"write 300 c40f0"});
}

TEST(send_stop, is_one_message_for_each_where_an_online_cpu_is_not_asked) {
  EXPECT_EQ(sent_to<owning_port>({0, 3}, stop_how::nmi, {0, 2, 3, 4}), to_0_and_3);
}

TEST(send_stop, is_one_message_for_each_where_the_set_holds_a_cpu_that_is_offline_or_the_sender) {
  EXPECT_EQ(sent_to<owning_port>({0, 3}, stop_how::nmi, {0, 2}), to_0_and_3);
  EXPECT_EQ(sent_to<owning_port>({0, 2, 3}, stop_how::nmi, {0, 2, 3}).size(), 6u);
}

TEST(send_stop, to_nobody_is_nothing) {
  EXPECT_EQ(sent_to<owning_port>({}, stop_how::nmi, {2}), lines{});
  EXPECT_EQ(sent_to<port>({}, stop_how::nmi, {0, 2}), lines{});
}

TEST(send_stop, irq_is_one_message_for_each_where_there_are_no_clusters) {
  EXPECT_EQ(sent_to<port>({0, 3}, stop_how::irq, {0, 2, 3}),
            (lines{"write 310 10000000", "write 300 40f0", "write 310 16000000", "write 300 40f0"}));
}

TEST(send_stop, asks_the_kernel_for_no_cpu_beyond_its_limit) {
  struct limited_port : owning_port {
    static cpu_id cpu_limit() noexcept { return 4; }
    static bool is_online(cpu_id cpu) noexcept { return cpu < 4 ? online_now.contains(cpu) : (ADD_FAILURE(), false); }
  };
  EXPECT_EQ(sent_to<limited_port>({0, 3}, stop_how::nmi, {0, 2, 3}), lines{"write 300 c4400"});
  EXPECT_EQ(sent_to<limited_port>({0, 3}, stop_how::nmi, {0, 1, 2, 3}), to_0_and_3);
}

struct send_stop_x2apic : testing::Test {
  send_stop_x2apic() { bus::apic_base = 0xfee0'0d00; }
  ~send_stop_x2apic() override { bus::apic_base = 0xfee0'0900; }
};

TEST_F(send_stop_x2apic, nmi_names_the_kernels_apic_ids) {
  EXPECT_EQ(sent_to<port>({0, 3}, stop_how::nmi, {0, 2, 3}), (lines{"wrmsr 830 1000004400", "wrmsr 830 1600004400"}));
}

TEST_F(send_stop_x2apic, irq_names_them_under_a_hypervisor) {
  EXPECT_EQ((sent_to<port, virtual_machine>({0, 3}, stop_how::irq, {0, 2, 3})),
            (lines{"wrmsr 830 10000040f0", "wrmsr 830 16000040f0"}));
}

TEST_F(send_stop_x2apic, irq_is_one_message_for_each_cluster) {
  // Ids 0x10, 0x12, 0x16: cluster 1, bits 0, 2 and 6.
  EXPECT_EQ(sent_to<port>({0, 1, 3}, stop_how::irq, {0, 1, 2, 3}), lines{"wrmsr 830 10045000048f0"});
}

TEST_F(send_stop_x2apic, nmi_to_everybody_is_one_broadcast) {
  EXPECT_EQ(sent_to<owning_port>({0, 3}, stop_how::nmi, {0, 2, 3}), lines{"wrmsr 830 c4400"});
}

TEST_F(send_stop_x2apic, irq_to_everybody_is_still_one_broadcast) {
  EXPECT_EQ(sent_to<owning_port>({0, 3}, stop_how::irq, {0, 2, 3}), lines{"wrmsr 830 c40f0"});
}

struct scattered_port : port {
  static uint32_t apic_id(cpu_id cpu) noexcept {
    constexpr uint32_t ids[] = {0x0, 0x10, 0xf, 0x1f, 0x2e, 0xf'ffef, 0xf'fff0, 0x10'0000};
    return ids[cpu];
  }
};

TEST_F(send_stop_x2apic, irq_reaches_each_once_whatever_the_order_of_the_ids) {
  EXPECT_EQ(sent_to<scattered_port>({0, 1, 3, 4}, stop_how::irq, {0, 1, 3, 4}),
            (lines{"wrmsr 830 1000048f0", "wrmsr 830 18001000048f0", "wrmsr 830 24000000048f0"}));
  EXPECT_EQ(sent_to<scattered_port>({0, 1, 2}, stop_how::irq, {0, 1, 2}),
            (lines{"wrmsr 830 1000048f0", "wrmsr 830 10001000048f0", "wrmsr 830 8000000048f0"}));
}

TEST_F(send_stop_x2apic, irq_to_an_id_without_a_cluster_goes_to_that_id) {
  EXPECT_EQ(sent_to<scattered_port>({5, 6, 7}, stop_how::irq, {5, 6, 7}),
            (lines{"wrmsr 830 ffff0000040f0", "wrmsr 830 100000000040f0", "wrmsr 830 fffe8000000048f0"}));
}

}  // namespace
}  // namespace send_stop_test
