// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/kexec/sha256.hpp>
#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/x86_64.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "privileged.hpp"
#include "unit/x86_64/reserved_memory.hpp"

// What the header shows is enough.
struct smallest_port : lastcpu::x86_64<smallest_port> {
  static constexpr lastcpu::cpu_id max_cpus = 64;
  static constexpr uint8_t stop_vector = 0xf0;
  static lastcpu::cpu_id this_cpu() noexcept { return 0; }
  static bool is_online(lastcpu::cpu_id) noexcept { return true; }
  static uint32_t apic_id(lastcpu::cpu_id cpu) noexcept { return cpu; }
  static volatile void* lapic_page() noexcept { return reinterpret_cast<volatile void*>(0xfee0'0000); }
  static uint64_t ticks_per_second() noexcept { return 1'000'000'000; }
};
static_assert(lastcpu::platform_checked<smallest_port>);
template class lastcpu::crash_domain<smallest_port>;

namespace platform_test {
namespace {

using namespace lastcpu;

// Eight CPUs in a process that believes it has ring 0; the APIC's page and the IO-APIC are memory.
struct kernel_state {
  static inline cpu_id me = 2;
  static inline std::set<cpu_id> online;
  alignas(4096) static inline uint32_t apic_page[1024];
  static inline uint32_t io_apic_window[8];
};

struct port : x86_64<port>, kernel_state {
  static constexpr cpu_id max_cpus = 8;
  static constexpr uint8_t stop_vector = 0xf0;
  static cpu_id this_cpu() noexcept { return me; }
  static bool is_online(cpu_id cpu) noexcept { return online.contains(cpu); }
  static uint32_t apic_id(cpu_id cpu) noexcept { return 0x10 + 2 * cpu; }
  static volatile void* lapic_page() noexcept { return apic_page; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000; }
  static volatile void* io_apic(uint32_t i) noexcept { return i == 0 ? io_apic_window : nullptr; }
  static bool can_monitor() noexcept { return true; }
};
static_assert(platform<port> && platform_checked<port>);

struct port_without_this_cpu : x86_64<port_without_this_cpu> {
  static constexpr cpu_id max_cpus = 64;
};
static_assert(!platform<port_without_this_cpu>);

class platform_in_ring_0 : public testing::Test {
 protected:
  platform_in_ring_0() {
    privileged::begin();
    privileged::msr_0x1b = 0xfee0'0900;
    for (uint32_t& r : kernel_state::apic_page) r = 0;
    kernel_state::apic_page[0x30 / 4] = 0x0005'0014;
  }
  ~platform_in_ring_0() override { std::signal(SIGSEGV, SIG_DFL), std::signal(SIGILL, SIG_DFL); }
};

TEST_F(platform_in_ring_0, irq_save_turns_interrupts_off_and_restore_on_again_only_if_they_were) {
  const port::irq_state on = port::irq_save();
  EXPECT_EQ(privileged::take(), lines{"cli"});
  port::irq_restore(on);
  EXPECT_EQ(privileged::take(), lines{"sti"});
  port::irq_restore(on & ~x86::flag_interrupts);
  EXPECT_EQ(privileged::take(), lines{});
}

TEST_F(platform_in_ring_0, jump_has_interrupts_and_breakpoints_off_whoever_calls_it) {
  x86::jump_machine::interrupts_off();
  x86::jump_machine::breakpoints_off();
  EXPECT_EQ(privileged::take(), (lines{"cli", "write_dr 7 0"}));
}

TEST_F(platform_in_ring_0, send_stop_reaches_the_page) {
  kernel_state::online = {2, 5};
  cpu_set<8> set;
  set.add(5);
  port::send_stop(set, stop_how::nmi);
  EXPECT_EQ(kernel_state::apic_page[0x310 / 4], 0x1a00'0000u);
  EXPECT_EQ(kernel_state::apic_page[0x300 / 4], 0x4400u);
}

// What a CPU does first when it stops: the MSRs among its control words.
lines behind_control(const lines& rest) {
  lines all{"rdmsr c0000100", "rdmsr c0000101", "rdmsr c0000102", "rdmsr 1b"};
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

TEST_F(platform_in_ring_0, make_resettable_leaves_the_apic_able_to_send) {
  privileged::cr4 = 0x26f0;
  port::make_resettable();
  EXPECT_EQ(privileged::take(), behind_control({"rdmsr 17a", "vmxoff", "write_cr 4 6f0", "rdmsr c0000080"}));
  kernel_state::apic_page[0x320 / 4] = 0xef;
  port::make_resettable();
  EXPECT_EQ(kernel_state::apic_page[0x320 / 4], 0xefu);
}

TEST_F(platform_in_ring_0, make_resettable_ends_a_machine_check) {
  privileged::cr4 = 0x6f0;
  privileged::other_msrs = 5;
  port::make_resettable();
  EXPECT_EQ(privileged::take(), behind_control({"rdmsr 17a", "wrmsr 17a 0", "rdmsr c0000080"}));
}

TEST_F(platform_in_ring_0, park_masks_its_own_sources_and_halts_again_whatever_ends_a_halt) {
  privileged::halts_to_go = 2;
  if (sigsetjmp(privileged::out, 1) == 0) port::park();
  EXPECT_EQ(privileged::take(), (lines{"cli", "write_cr 8 f", "rdmsr 1b", "hlt", "hlt", "hlt"}));
  EXPECT_EQ(kernel_state::apic_page[0x320 / 4], 0x1'0000u);
  EXPECT_EQ(kernel_state::apic_page[0x300 / 4], 0u);
}

TEST_F(platform_in_ring_0, park_does_not_mask_again_after_a_fault_that_came_of_it) {
  privileged::cr8 = 15;
  privileged::halts_to_go = 0;
  if (sigsetjmp(privileged::out, 1) == 0) port::park();
  EXPECT_EQ(privileged::take(), (lines{"cli", "hlt"}));
  EXPECT_EQ(kernel_state::apic_page[0x320 / 4], 0u);
}

// CR4.VMXE does not say that VMXON was executed; where it was not, VMXOFF is an invalid instruction.
template <class F>
lines until_vmxoff_faults(F f) {
  privileged::cr4 = 0x26f0;
  privileged::vmxoff_faults = true;
  if (sigsetjmp(privileged::out, 1) == 0) f();
  privileged::vmxoff_faults = false;
  return privileged::take();
}

TEST_F(platform_in_ring_0, vmxoff_that_faults_comes_when_the_shutdown_has_done_all_else) {
  kernel_state::io_apic_window[4] = 0x31;
  privileged::other_msrs = 5;  // a machine check is being handled
  const lines log = until_vmxoff_faults([] { port::crash_shutdown(port::registers{}); });
  EXPECT_EQ(log.back(), "vmxoff");
  EXPECT_TRUE(std::count(log.begin(), log.end(), "out8 21 ff"));
  EXPECT_TRUE(std::count(log.begin(), log.end(), "write_cr 8 0"));
  EXPECT_TRUE(std::count(log.begin(), log.end(), "wrmsr 17a 0"));
  EXPECT_EQ(kernel_state::io_apic_window[4], 0x1'0031u);
  EXPECT_EQ(kernel_state::apic_page[0x350 / 4], 0x1'0000u);
}

TEST_F(platform_in_ring_0, vmxoff_that_faults_comes_when_a_stopping_cpu_has_ended_its_machine_check) {
  privileged::other_msrs = 5;
  const lines log = until_vmxoff_faults([] { port::make_resettable(); });
  EXPECT_EQ(log, behind_control({"rdmsr 17a", "wrmsr 17a 0", "vmxoff"})) << "and kept its control words before that";
}

TEST_F(platform_in_ring_0, vmxoff_that_faults_is_the_last_way_to_restart) {
  const lines log = until_vmxoff_faults([] { port::emergency_restart(); });
  const auto at = [&log](const char* what) { return std::find(log.begin(), log.end(), what) - log.begin(); };
  EXPECT_LT(at("out8 cf9 6"), at("out8 64 fe"));
  EXPECT_LT(at("out8 64 fe"), at("lidt 0 0"));
  EXPECT_LT(at("lidt 0 0"), at("vmxoff")) << "without an IDT the fault is the restart";
  EXPECT_EQ(log.back(), "vmxoff");
}

TEST_F(platform_in_ring_0, emergency_restart_gives_each_way_its_time_and_tries_the_last) {
  privileged::cr4 = 0x26f0;
  const uint64_t begun = port::now();
  port::emergency_restart();
  EXPECT_GE(port::now() - begun, 100'000u);
  const lines log = privileged::take();
  ASSERT_GE(log.size(), 5u);
  EXPECT_EQ(log.front(), "in8 cf9");
  EXPECT_EQ(lines(log.end() - 5, log.end()), (lines{"lidt 0 0", "vmxoff", "write_cr 4 6f0", "rdmsr c0000080", "int3"}));
}

TEST_F(platform_in_ring_0, crash_shutdown_masks_everything_that_interrupts_the_likeliest_to_fault_last) {
  kernel_state::io_apic_window[4] = 0x31;  // as version: one entry; as entry: vector 0x31
  port::crash_shutdown(port::registers{});
  EXPECT_EQ(privileged::take(), (lines{"write_cr 8 0", "out8 a1 ff", "out8 21 ff", "rdmsr 1b", "rdmsr c0000080"}));
  EXPECT_EQ(kernel_state::io_apic_window[4], 0x1'0031u);
  EXPECT_EQ(kernel_state::apic_page[0x350 / 4], 0x1'0000u);
}

// The next one would shut the machine down as soon as the crash kernel lets machine checks in.
TEST_F(platform_in_ring_0, crash_kernel_inherits_no_machine_check_that_is_being_handled) {
  privileged::cr4 = 0x6f0;
  privileged::other_msrs = 5;
  port::crash_shutdown(port::registers{});
  const lines log = privileged::take();
  EXPECT_TRUE(std::count(log.begin(), log.end(), "wrmsr 17a 0"));
}

struct dozing_port : x86_64<dozing_port>, kernel_state {
  static constexpr cpu_id max_cpus = 8;
  [[maybe_unused]] static constexpr uint8_t stop_vector = 0xf0;
  static constexpr uint8_t wake_vector = 0xf1;
  static cpu_id this_cpu() noexcept { return me; }
  static bool is_online(cpu_id cpu) noexcept { return online.contains(cpu); }
  static uint32_t apic_id(cpu_id cpu) noexcept { return 0x10 + 2 * cpu; }
  static volatile void* lapic_page() noexcept { return apic_page; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000; }
  static bool can_monitor() noexcept { return false; }
  static bool may_take_interrupts() noexcept { return true; }
};
static_assert(platform_checked<dozing_port>);

TEST_F(platform_in_ring_0, loser_sleeps_in_a_hlt_where_mwait_is_not_to_be_had) {
  kernel_state::online = {2, 5};
  kernel_state::apic_page[0xf0 / 4] = 0x1ff;
  privileged::halts_to_go = 1;
  dozing_port::atomic<uintptr_t> word{7};
  EXPECT_TRUE(dozing_port::wait_while(word, uintptr_t{7}, no_deadline));
  EXPECT_EQ(privileged::take(), (lines{"rdmsr 1b", "write_cr 8 e", "sti", "hlt", "cli", "write_cr 8 0"}));
  EXPECT_FALSE(dozing_port::wait_while(word, uintptr_t{7}, 0)) << "a deadline is polled for";
  dozing_port::wake(word, wake_reason::handed_on);
  EXPECT_EQ(kernel_state::apic_page[0x300 / 4], 0u) << "nobody sleeps";
}

// As if another CPU slept on the word.
struct sleeper {
  using dozers = x86::detail::dozers<dozing_port>;
  explicit sleeper(const dozing_port::atomic<uintptr_t>& word) {
    dozers::count.store(1, order::relaxed);
    dozers::word.store(reinterpret_cast<uintptr_t>(word.address()), order::relaxed);
    kernel_state::online = {2, 5};
  }
  ~sleeper() {
    dozers::count.store(0, order::relaxed);
    dozers::word.store(0, order::relaxed);
  }
  [[nodiscard]] static bool was_woken() {
    return kernel_state::apic_page[0x310 / 4] == 0x1a00'0000u && kernel_state::apic_page[0x300 / 4] == 0x40f1u;
  }
};

TEST_F(platform_in_ring_0, loser_that_sleeps_is_woken_on_its_word) {
  dozing_port::atomic<uintptr_t> word{7}, other{7};
  dozing_port::atomic<uint32_t> answer{7};
  const sleeper asleep(word);
  dozing_port::wake(other, wake_reason::handed_on);
  dozing_port::wake(answer, wake_reason::answered);
  dozing_port::wake(word, wake_reason::committed);
  EXPECT_FALSE(sleeper::was_woken());
  for (const wake_reason why : {wake_reason::handed_on, wake_reason::ending}) {
    dozing_port::wake(word, why);
    EXPECT_TRUE(sleeper::was_woken());
    kernel_state::apic_page[0x300 / 4] = 0;
  }
}

TEST_F(platform_in_ring_0, handler_of_the_wake_up_ends_its_interrupt) {
  dozing_port::registers regs{};
  const unsigned char nop = 0x90;
  regs.rip = reinterpret_cast<uint64_t>(&nop);
  kernel_state::apic_page[0xb0 / 4] = 1;
  dozing_port::handle_wake(regs);
  EXPECT_EQ(kernel_state::apic_page[0xb0 / 4], 0u);
}

struct monitoring_port : x86_64<monitoring_port>, kernel_state {
  static constexpr cpu_id max_cpus = 8;
  [[maybe_unused]] static constexpr uint8_t stop_vector = 0xf0;
  static constexpr uint8_t wake_vector = 0xf1;
  static cpu_id this_cpu() noexcept { return me; }
  static bool is_online(cpu_id cpu) noexcept { return online.contains(cpu); }
  static uint32_t apic_id(cpu_id cpu) noexcept { return cpu; }
  static volatile void* lapic_page() noexcept { return apic_page; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000; }
  static bool can_monitor() noexcept { return true; }
  static bool may_take_interrupts() noexcept { return true; }
};

TEST_F(platform_in_ring_0, loser_that_could_monitor_sleeps_in_a_hlt_under_a_hypervisor_only) {
  kernel_state::online = {2, 5};
  kernel_state::apic_page[0xf0 / 4] = 0x1ff;
  privileged::halts_to_go = 1;
  monitoring_port::atomic<uintptr_t> word{7};
  EXPECT_TRUE(monitoring_port::wait_while(word, uintptr_t{7}, no_deadline));
  const lines log = privileged::take();
  const auto has = [&log](const char* what) { return std::find(log.begin(), log.end(), what) != log.end(); };
  EXPECT_EQ(has("hlt"), x86::in_virtual_machine());
  EXPECT_EQ(has("mwait"), !x86::in_virtual_machine());
}

TEST_F(platform_in_ring_0, owner_polls_for_an_acknowledgement_whatever_the_deadline) {
  kernel_state::online = {2, 5};
  kernel_state::apic_page[0xf0 / 4] = 0x1ff;
  privileged::halts_to_go = 1;
  const monitoring_port::atomic<uint32_t> ack{0};
  EXPECT_TRUE(monitoring_port::wait_while(ack, uint32_t{0}, no_deadline));
  EXPECT_EQ(privileged::take(), lines{});
  EXPECT_FALSE(monitoring_port::wait_while(ack, uint32_t{0}, 0));
}

template <uint8_t V>
struct port_with_vector {
  static constexpr uint8_t stop_vector = V;
  static constexpr uint8_t wake_vector = V;
};

TEST(platform, stop_vector_is_none_of_the_processors_own) {
  EXPECT_FALSE(x86::detail::has_stop_vector<port_with_vector<0>>);
  EXPECT_FALSE(x86::detail::has_stop_vector<port_with_vector<31>>);
  EXPECT_TRUE(x86::detail::has_stop_vector<port_with_vector<32>>);
  EXPECT_TRUE(x86::detail::has_stop_vector<port_with_vector<255>>);
}

TEST(platform, wake_vector_is_of_the_highest_class_and_not_the_spurious_one) {
  EXPECT_FALSE(x86::detail::has_wake_vector<port_with_vector<0xef>>);
  EXPECT_TRUE(x86::detail::has_wake_vector<port_with_vector<0xf0>>);
  EXPECT_TRUE(x86::detail::has_wake_vector<port_with_vector<0xfe>>);
  EXPECT_FALSE(x86::detail::has_wake_vector<port_with_vector<0xff>>);
}

struct careful_port : x86_64<careful_port, kexec::sha256>, kernel_state {
  static constexpr cpu_id max_cpus = 8;
  static cpu_id this_cpu() noexcept { return me; }
  static uint32_t apic_id(cpu_id cpu) noexcept { return 0x10 + 2 * cpu; }
};

TEST_F(platform_in_ring_0, image_is_checked_by_the_digest_that_the_port_names_and_gets_the_notes) {
  test::reserved_memory memory;
  kexec::crash_image_record record{};
  x86::load_options options = test::reserved_memory::options();
  options.flat = true;
  const test::bytes file(100, 1);
  ASSERT_EQ(load_crash_kernel<kexec::sha256>(memory.region(), file.data(), file.size(), options, record),
            kexec::load_error::none);
  EXPECT_TRUE(careful_port::image_intact(record));
  EXPECT_FALSE(port::image_intact(record));
  careful_port::save_note(record, {3, stop_state::running, true, nullptr, "why", "", "", false});
  EXPECT_EQ(kexec::handover_of(record)->cpu_count, 1u);
  memory.first[0] ^= 1;
  EXPECT_FALSE(careful_port::image_intact(record));
}

TEST_F(platform_in_ring_0, jump_into_an_image_without_a_seal_comes_back) {
  const kexec::crash_image_record none{};
  port::jump(none);
  EXPECT_EQ(privileged::take(), lines{});
}

TEST_F(platform_in_ring_0, waits_and_time_use_the_machine) {
  port::atomic<uintptr_t> word{7};
  EXPECT_TRUE(port::wait_while(word, uintptr_t{7}, no_deadline));
  const lines log = privileged::take();
  ASSERT_EQ(log.size(), 2u);
  EXPECT_TRUE(log[0].starts_with("monitor "));
  EXPECT_EQ(log[1], "mwait");
  EXPECT_FALSE(port::wait_while(word, uintptr_t{7}, port::now()));
  port::registers r;
  port::capture_registers(r);
  EXPECT_EQ(r.cs, 0x33u);
}

}  // namespace
}  // namespace platform_test
