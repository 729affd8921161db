// SPDX-License-Identifier: BSL-1.0
// The probe on real pages; the signal handler does with a fault what the processor does: it enters the handler in the IDT
// that is in use. Faults of others while it runs are tests/boot/jump's.
#include <lastcpu/platform/x86_64/execution_probe.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

#include "unit/x86_64/access_log.hpp"
#include "unit/x86_64/privileged.hpp"
#include "unit/x86_64/reserved_memory.hpp"

namespace execution_probe_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::x86;

constexpr uint16_t selector = 0x38;
constexpr uint64_t page_fault_of_the_kernel = 0xffff'8123'4567'89ab;
interrupt_gate kernels_gates[256];

struct machine {
  static inline access_log log;
  static inline bool askable = true;
  static inline uint64_t flags = 0x202;
  static inline pseudo_descriptor current{};
  static inline std::vector<interrupt_gate> while_it_ran;
  static inline std::vector<uint64_t> behind_the_gates;

  static bool can_be_asked() noexcept { return askable; }
  static uint64_t interrupts_off() noexcept { return log.add("cli"), flags; }
  static void restore_interrupts(uint64_t before) noexcept { log.add("restore", before); }
  static uint16_t code_selector() noexcept { return selector; }
  static pseudo_descriptor idt() noexcept { return current; }
  static void use_idt(const pseudo_descriptor& d) noexcept {
    log.add(d.base == reinterpret_cast<uint64_t>(kernels_gates) ? "kernel's IDT" : "probe's IDT");
    current = d;
    const auto* gates = reinterpret_cast<const interrupt_gate*>(d.base);
    if (d.limit == 511) while_it_ran.assign(gates, gates + 32);
    if (d.limit == 511) behind_the_gates = {*reinterpret_cast<const uint64_t*>(gates + 32)};
  }
};

unsigned char* at = nullptr;

// A page fault of ring 0 at `at`, which could not be fetched.
void on_fault(int number, siginfo_t*, void* context) {
  greg_t* const g = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (g[REG_RIP] != reinterpret_cast<greg_t>(at)) {
    signal(number, SIG_DFL);
    return;
  }
  const uint64_t frame[] = {0x11, static_cast<uint64_t>(g[REG_RIP]), selector, 2, static_cast<uint64_t>(g[REG_RSP]), 0};
  g[REG_RSP] = (g[REG_RSP] & -16) - static_cast<greg_t>(sizeof frame);
  std::memcpy(reinterpret_cast<void*>(g[REG_RSP]), frame, sizeof frame);
  g[REG_RIP] = static_cast<greg_t>(reinterpret_cast<const interrupt_gate*>(machine::current.base)[14].handler());
}

struct execution_probe : testing::Test {
  execution_probe() {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, nullptr);
    for (uint32_t i = 0; i < 256; ++i) kernels_gates[i] = interrupt_gate::to(0x1000 + i, 0x10);
    kernels_gates[14] = interrupt_gate::to(page_fault_of_the_kernel, 0x10);
    (void)machine::log.take();
    machine::askable = true;
    machine::flags = 0x202;
    machine::current = {sizeof kernels_gates - 1, reinterpret_cast<uint64_t>(kernels_gates)};
  }
  ~execution_probe() override { signal(SIGSEGV, SIG_DFL); }

  static unsigned char* page(int protection) {
    void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(p, 0x5a, 4096);
    mprotect(p, 4096, protection);
    return at = static_cast<unsigned char*>(p);
  }
  static bool untouched() {
    bool same = true;
    for (int i = 0; i < 4096; ++i) same = same && at[i] == 0x5a;
    return same;
  }
};

constexpr int executable = PROT_READ | PROT_WRITE | PROT_EXEC;
constexpr int no_execute = PROT_READ | PROT_WRITE;

TEST_F(execution_probe, says_yes_where_code_runs) {
  EXPECT_TRUE(can_execute<machine>(page(executable)));
  EXPECT_TRUE(untouched());
}

TEST_F(execution_probe, says_no_where_it_does_not_and_survives) {
  EXPECT_FALSE(can_execute<machine>(page(no_execute)));
  EXPECT_TRUE(untouched());
}

TEST_F(execution_probe, has_the_kernels_idt_exchanged_with_interrupts_off_only) {
  for (const int protection : {executable, no_execute}) {
    machine::flags = protection == executable ? 0x202 : 0x2;
    (void)can_execute<machine>(page(protection));
    EXPECT_EQ(machine::log.take(),
              (lines{"cli", "probe's IDT", "kernel's IDT", protection == executable ? "restore 202" : "restore 2"}));
  }
}

TEST_F(execution_probe, leaves_every_exception_but_the_page_fault_to_the_kernel) {
  (void)can_execute<machine>(page(executable));
  for (uint32_t i = 0; i < 32; ++i) {
    if (i == 14) continue;
    EXPECT_EQ(std::memcmp(&machine::while_it_ran[i], &kernels_gates[i], sizeof(interrupt_gate)), 0) << i;
  }
  EXPECT_NE(machine::while_it_ran[14].handler(), page_fault_of_the_kernel);
  EXPECT_EQ(machine::while_it_ran[14].selector, selector);
  EXPECT_EQ(machine::behind_the_gates.at(0), page_fault_of_the_kernel);
}

TEST_F(execution_probe, copies_no_more_gates_than_there_are) {
  machine::current.limit = 20 * sizeof(interrupt_gate) - 1;
  (void)can_execute<machine>(page(executable));
  EXPECT_EQ(machine::while_it_ran[19].handler(), 0x1000u + 19);
  EXPECT_EQ(machine::while_it_ran[20].type, 0u);
}

TEST_F(execution_probe, touches_nothing_where_it_can_not_be_tried) {
  machine::askable = false;
  (void)machine::log.take();
  EXPECT_TRUE(can_execute<machine>(page(no_execute)));
  EXPECT_EQ(machine::log.take(), lines{});
  EXPECT_TRUE(untouched());
}

// --- The real machine's part.

TEST(probe_machine, lets_interrupts_in_again_only_where_they_were) {
  privileged::begin();
  const uint64_t flags = probe_machine::interrupts_off();
  EXPECT_NE(flags & flag_interrupts, 0u);
  EXPECT_EQ(privileged::take(), lines{"cli"});
  probe_machine::restore_interrupts(0x2);
  EXPECT_EQ(privileged::take(), lines{});
  probe_machine::restore_interrupts(flags);
  EXPECT_EQ(privileged::take(), lines{"sti"});
}

TEST(probe_machine, can_be_asked_unless_exceptions_take_another_way_or_a_shadow_stack_sees_them) {
  privileged::begin();
  const auto with = [](uint64_t cr4, uint64_t supervisor_cet) {
    privileged::cr4 = cr4;
    privileged::other_msrs = supervisor_cet;
    const bool can = probe_machine::can_be_asked();
    (void)privileged::take();
    return can;
  };
  constexpr uint64_t fred = uint64_t{1} << 32, cet = 1 << 23, everything_else = 0x7f'ffff;
  EXPECT_TRUE(with(everything_else, 1));
  EXPECT_FALSE(with(fred, 0));
  EXPECT_TRUE(with(cet, 4)) << "landing marks only";
  EXPECT_FALSE(with(cet, 5));
}

// --- The loader asks it.

TEST_F(execution_probe, refuses_the_load_into_a_region_mapped_no_execute_and_leaves_it_as_it_was) {
  lastcpu::test::reserved_memory memory;
  crash_image_record record{};
  const crash_image_record nothing{};
  load_options options = lastcpu::test::reserved_memory::options();
  options.region_execution = execution::tried;
  options.flat = true;
  const lastcpu::test::bytes file(100, 1);
  lastcpu::x86::detail::control_layout layout{};
  ASSERT_TRUE(layout.place(memory.region(), options, false));
  at = memory.first + layout.trampoline;  // what the jump runs
  EXPECT_EQ((load_crash_kernel<xxh64, machine>(memory.region(), file.data(), file.size(), options, record)),
            load_error::region_not_executable);
  EXPECT_TRUE(memory.untouched());
  EXPECT_EQ(std::memcmp(&record, &nothing, sizeof record), 0);
  options.region_execution = execution::taken_for_granted;
  EXPECT_EQ((load_crash_kernel<xxh64, machine>(memory.region(), file.data(), file.size(), options, record)),
            load_error::none);
}

TEST(load_error, says_how_to_map_a_region_that_can_not_be_executed) {
  EXPECT_NE(std::strstr(to_string(load_error::region_not_executable), "executable"), nullptr);
}

}  // namespace
}  // namespace execution_probe_test
