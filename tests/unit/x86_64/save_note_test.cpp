// SPDX-License-Identifier: BSL-1.0
// What the handover and the core say of an x86-64 CPU, by the C library's own description of the note.
#include <lastcpu/kexec/core_reader.hpp>
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/platform/x86_64.hpp>
#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include <gtest/gtest.h>

#include <sys/procfs.h>

#include <cstring>

#include "privileged.hpp"
#include "unit/x86_64/reserved_memory.hpp"

namespace save_note_test {
namespace {

using namespace lastcpu;
using kexec::handover_flag;

struct port : x86_64<port> {
  static constexpr cpu_id max_cpus = 4;
  static inline cpu_id me = 0;
  static cpu_id this_cpu() noexcept { return me; }
  static bool is_online(cpu_id) noexcept { return true; }
  static uint32_t apic_id(cpu_id cpu) noexcept { return 0x10 + 2 * cpu; }
  static volatile void* lapic_page() noexcept { return nullptr; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000; }
};

struct note_of_a_cpu : testing::Test {
  test::reserved_memory memory;
  kexec::crash_image_record record{};
  x86::registers regs{};

  note_of_a_cpu() {
    const test::bytes file(100, 1);
    x86::load_options options = test::reserved_memory::options();
    options.flat = true;
    EXPECT_EQ(load_crash_kernel(memory.region(), file.data(), file.size(), options, record), kexec::load_error::none);
    auto* word = reinterpret_cast<uint64_t*>(&regs);
    for (uint64_t i = 0; i < sizeof regs / 8; ++i) word[i] = 100 + i;
    x86::kept_control<port>::of_cpu[1] = x86::kept_control<port>::of_cpu[2] = {};
    privileged::begin();
    privileged::cr0 = 0x8005'0033;
    privileged::cr2 = 0x22;
    privileged::cr3 = 0x3000;
    privileged::cr4 = 0x44;
    privileged::msr_0x1b = 0xfee0'0900;
    privileged::other_msrs = 0x77;
  }
  ~note_of_a_cpu() override { std::signal(SIGSEGV, SIG_DFL), std::signal(SIGILL, SIG_DFL); }

  void save(cpu_id cpu, bool crashing, const x86::registers* r) const {
    port::save_note(record, {cpu, stop_state::by_nmi, crashing, r, "", "", "", false});
  }
  [[nodiscard]] const x86::handover_cpu& entry(uint32_t i) const {
    return *kexec::cpu_of<x86::handover_cpu>(*kexec::handover_of(record), i);
  }
  [[nodiscard]] elf_prstatus thread(uint32_t i) const {
    const kexec::handover& h = *kexec::handover_of(record);
    const auto* const notes = reinterpret_cast<const unsigned char*>(&h) + h.bytes;
    elf_prstatus out;
    std::memcpy(&out, notes + i * (20 + sizeof out) + 20, sizeof out);
    return out;
  }
  [[nodiscard]] uint64_t threads() const {
    const kexec::core_reader core(memory.first + record.core, record.core_bytes);
    const uint64_t bytes = core.segment(0).file_bytes - 20 - kexec::handover_of(record)->bytes;
    return bytes / (20 + sizeof(elf_prstatus));
  }
};

TEST_F(note_of_a_cpu, has_the_size_and_the_registers_of_the_c_library) {
  save(0, true, &regs);
  EXPECT_EQ(kexec::prstatus_bytes<x86::core_registers>, sizeof(elf_prstatus));
  EXPECT_EQ(sizeof(elf_prstatus), 336u);
  ASSERT_EQ(threads(), 1u);
  const elf_prstatus t = thread(0);
  EXPECT_EQ(t.pr_pid, 1);
  EXPECT_EQ(t.pr_reg[0], 100u) << "r15";
  EXPECT_EQ(t.pr_reg[14], regs.rdi);
  EXPECT_EQ(t.pr_reg[15], ~0ull) << "no system call";
  EXPECT_EQ(t.pr_reg[16], regs.rip);
  EXPECT_EQ(t.pr_reg[19], regs.rsp);
  EXPECT_EQ(t.pr_reg[20], regs.ss);
  EXPECT_EQ(t.pr_reg[21], 0x77u) << "fs_base";
  EXPECT_EQ(t.pr_reg[22], 0x77u) << "gs_base";
  for (int i = 23; i < 27; ++i) EXPECT_EQ(t.pr_reg[i], 0u) << i;
  EXPECT_EQ(t.pr_fpvalid, 0);
  EXPECT_EQ(t.pr_cursig, 0);
}

TEST_F(note_of_a_cpu, of_the_owner_has_the_control_words_of_now) {
  save(0, true, &regs);
  const x86::control_state& c = entry(0).control;
  EXPECT_TRUE(entry(0).has(handover_flag::control_valid));
  EXPECT_EQ(c.cr0, 0x8005'0033u);
  EXPECT_EQ(c.cr2, 0x22u);
  EXPECT_EQ(c.cr3, 0x3000u);
  EXPECT_EQ(c.cr4, 0x44u);
  EXPECT_EQ(c.fs_base, 0x77u);
  EXPECT_EQ(c.gs_base, 0x77u);
  EXPECT_EQ(c.kernel_gs_base, 0x77u);
  EXPECT_EQ(c.apic_base, 0xfee0'0900u);
  EXPECT_TRUE(entry(0).has(handover_flag::boot_cpu));
  EXPECT_EQ(entry(0).hardware_id, 0x10u);
}

TEST_F(note_of_a_cpu, that_stopped_has_the_control_words_that_it_kept) {
  port::me = 2;
  privileged::cr3 = 0x5000;
  privileged::msr_0x1b = 0xfee0'0800;
  port::make_resettable();
  port::me = 0;
  privileged::cr3 = 0x3000;
  save(0, true, &regs);
  save(2, false, &regs);
  EXPECT_EQ(entry(1).control.cr3, 0x5000u);
  EXPECT_TRUE(entry(1).has(handover_flag::control_valid));
  EXPECT_FALSE(entry(1).has(handover_flag::boot_cpu));
  EXPECT_EQ(entry(1).hardware_id, 0x14u);
  EXPECT_EQ(thread(1).pr_pid, 3);
}

TEST_F(note_of_a_cpu, that_kept_none_or_did_not_answer_has_no_control_words) {
  port::me = 2;
  port::make_resettable();
  save(0, true, &regs);
  save(1, false, &regs);
  save(2, false, nullptr);
  const x86::control_state none{};
  for (const uint32_t i : {1u, 2u}) {
    EXPECT_FALSE(entry(i).has(handover_flag::control_valid)) << i;
    EXPECT_EQ(std::memcmp(&entry(i).control, &none, sizeof none), 0) << i;
  }
  EXPECT_EQ(threads(), 2u) << "the silent one has none";
}

TEST_F(note_of_a_cpu, boot_cpu_is_the_one_that_says_so_or_the_only_one_that_is_silent) {
  const auto boot_cpu = [this] { return kexec::boot_cpu_of<x86::handover_cpu>(*kexec::handover_of(record)); };
  save(0, true, &regs);
  save(1, false, nullptr);
  EXPECT_EQ(boot_cpu(), &entry(0)) << "it says so";
  privileged::msr_0x1b = 0xfee0'0800;
  save(0, true, &regs);
  EXPECT_EQ(boot_cpu(), nullptr);
  save(1, false, nullptr);
  EXPECT_EQ(boot_cpu(), &entry(1)) << "nobody else can be";
  save(2, false, nullptr);
  EXPECT_EQ(boot_cpu(), nullptr) << "one of two";
}

TEST_F(note_of_a_cpu, without_a_number_has_its_apic_id_where_it_is_the_owner) {
  save(no_cpu, true, &regs);
  EXPECT_EQ(entry(0).hardware_id, port::hardware_id());
  EXPECT_EQ(thread(0).pr_pid, 1'000'001);
  save(no_cpu, false, nullptr);
  EXPECT_EQ(entry(1).hardware_id, kexec::no_hardware_id);
}

TEST_F(note_of_a_cpu, without_a_number_keeps_nothing_when_it_stops) {
  port::me = no_cpu;
  port::make_resettable();
  EXPECT_EQ(privileged::take(), (lines{"rdmsr 17a", "wrmsr 17a 0", "rdmsr c0000080"}));
  port::me = 0;
}

}  // namespace
}  // namespace save_note_test
