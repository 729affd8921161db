// SPDX-License-Identifier: BSL-1.0
// The C interface's loader: what C loads and hands over is what C++ does. This file is the kernel's one C++ file, too.
#define LASTCPU_CONFIG "unit/x86_64/c_crash_loader_config.h"
#include <lastcpu/c/linux_names.h>
#include <lastcpu/c/instance.hpp>

#include <lastcpu/kexec/handover.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <sched.h>

#include "unit/x86_64/crash_file.hpp"
#include "unit/x86_64/privileged.hpp"
#include "unit/x86_64/reserved_memory.hpp"

// In an order of its own, one register deeper, one smaller.
struct trap_frame {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
  uint64_t vector, error;
  struct {
    uint64_t rip;
    uint16_t cs;
    uint64_t flags, rsp, ss;
  } hw;
  uint64_t more[4];
};
LASTCPU_CHECK_REGISTERS;
LASTCPU_X86_64_FRAME(r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, error, hw.rip, hw.cs,
                     hw.flags, hw.rsp, hw.ss);

namespace {
uint32_t cpu_now = 0, made_resettable = 0;
int in_vmx = 0;
alignas(4096) unsigned char apic_page[4096];
// Plain memory: of whatever register is selected the window has the same, at first that there is one line.
constexpr uint32_t window = 0x10;
unsigned char io_apics[2][32];
}  // namespace

extern "C" {
uint32_t lastcpu_kernel_this_cpu() {
  return cpu_now;
}
void lastcpu_kernel_send_stop(uint32_t, lastcpu_stop_how) {}
void lastcpu_kernel_park() {}
void lastcpu_kernel_put(const char*) {}
uintptr_t lastcpu_kernel_irq_save() {
  return 0;
}
void lastcpu_kernel_irq_restore(uintptr_t) {}
uint64_t lastcpu_kernel_now() {
  return 1;
}
uint64_t lastcpu_kernel_ticks_per_second() {
  return 3'000'000'019;
}
void lastcpu_kernel_make_resettable() {
  ++made_resettable;
}
volatile void* lastcpu_kernel_local_apic() {
  return apic_page;
}
volatile void* lastcpu_kernel_io_apic(uint32_t i) {
  return i < 2 ? io_apics[i] : nullptr;
}
int lastcpu_kernel_in_vmx_operation() {
  return in_vmx;
}

// As in registers_test.cpp: a caller whose registers are known.
void capture_with_known_registers(trap_frame*);
extern const char capture_returns_here[];
uint64_t stack_at_the_call = 0, flags_at_the_call = 0;
}
asm(".pushsection .text\n"
    "capture_with_known_registers:\n\t"
    "pushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\tsubq $8, %rsp\n\t"
    "movl $0x1b, %ebx\n\tmovl $0x1c, %ebp\n\tmovl $0x12, %r12d\n\tmovl $0x13, %r13d\n\tmovl $0x14, %r14d\n\t"
    "movl $0x15, %r15d\n\tmovl $0x0a, %eax\n\tmovl $0x0c, %ecx\n\tmovl $0x0d, %edx\n\tmovl $0x05, %esi\n\t"
    "movl $0x08, %r8d\n\tmovl $0x09, %r9d\n\tmovl $0x10, %r10d\n\tmovl $0x11, %r11d\n\t"
    "movq %rsp, stack_at_the_call(%rip)\n\tstc\n\tpushfq\n\tpopq flags_at_the_call(%rip)\n\t"
    "call lastcpu_capture\n"
    "capture_returns_here:\n\t"
    "addq $8, %rsp\n\tpopq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\tret\n\t"
    ".popsection");

namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using kexec::load_error;

constexpr uint32_t number_of(load_error e) {
  return static_cast<uint32_t>(e);
}

struct c_crash_loader : testing::Test {
  reserved_memory memory;
  bytes file = good_elf();
  lastcpu_crash_kernel kernel{};

  c_crash_loader() {
    privileged::begin();
    kernel.region_physical = reserved_memory::physical;
    kernel.region_mapped = memory.first;
    kernel.region_bytes = reserved_memory::size;
    kernel.map_bytes = 128 << 20;
    kernel.execution_untried = 1;
    take(file);
  }
  ~c_crash_loader() override {
    EXPECT_EQ(lastcpu_crash_unload(), 1);
    std::signal(SIGSEGV, SIG_DFL), std::signal(SIGILL, SIG_DFL);
  }
  void take(const bytes& f) {
    kernel.file = f.data();
    kernel.file_bytes = f.size();
  }
  [[nodiscard]] bytes region() const { return {memory.first, memory.first + reserved_memory::size}; }
};

constexpr lastcpu_memory ram[] = {{0, 0x9f000}, {0x100000, 96 << 20}};
constexpr lastcpu_memory left_out[] = {{0x200000, 0x5000}};

// Everything that can be said.
void say_all(lastcpu_crash_kernel& k, const lastcpu_segment (&image)[2], const bytes& notes) {
  k.kernel_data = 0x1234'5678'9abc;
  k.ram = ram, k.ram_count = 2;
  k.left_out = left_out, k.left_out_count = 1;
  k.image = image, k.image_count = 2;
  k.direct_map_physical = 0x1000, k.direct_map_virtual = 0xffff'8000'0000'1000, k.direct_map_bytes = 64 << 20;
  k.slide = 0x7000'0000, k.rsdp = 0xf'5a20;
  k.build_id_begin = notes.data(), k.build_id_end = notes.data() + notes.size();
}

bytes build_id_note() {
  bytes note = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
  const bytes id = counting(20, 0x41);
  note.insert(note.end(), id.begin(), id.end());
  return note;
}

TEST_F(c_crash_loader, loads_what_is_loaded_in_cxx) {
  alignas(4096) static const unsigned char text[8192] = {}, data[8192] = {};
  const lastcpu_segment image[] = {
      {text, text + 4096, 0x400000, LASTCPU_SEGMENT_READ | LASTCPU_SEGMENT_EXECUTE},
      {data, data + 8192, 0x600000, LASTCPU_SEGMENT_READ | LASTCPU_SEGMENT_WRITE | LASTCPU_SEGMENT_NOT_IN_SMALL_CORES}};
  const bytes notes = build_id_note();
  say_all(kernel, image, notes);
  ASSERT_EQ(lastcpu_crash_load(&kernel), LASTCPU_LOADED);
  const bytes by_c = region();
  kexec::crash_image_record from_c;
  ASSERT_EQ(c::machine.image().unload(&from_c), unload_outcome::unloaded);

  kexec::kernel_facts facts{};
  for (const auto& r : ram) facts.ram.add(r.physical, r.bytes);
  facts.left_out.add(0x200000, 0x5000);
  facts.add_image(text, text + 4096, 0x400000, 5);
  facts.add_image(data, data + 8192, 0x600000, 6 | 0x10'0000);
  facts.direct_map_physical = 0x1000, facts.direct_map_virtual = 0xffff'8000'0000'1000,
  facts.direct_map_bytes = 64 << 20;
  facts.slide = 0x7000'0000, facts.rsdp = 0xf'5a20;
  ASSERT_TRUE(facts.find_build_id(notes.data(), notes.data() + notes.size()));
  x86::load_options options = reserved_memory::options();
  options.cpu_capacity = LASTCPU_MAX_CPUS + 4;
  options.kernel_data = 0x1234'5678'9abc;
  options.ticks_per_second = 3'000'000'019;
  options.kernel = &facts;
  kexec::crash_image_record record;
  ASSERT_EQ(x86::load_crash_kernel<>(memory.region(), file.data(), file.size(), options, record), load_error::none);
  EXPECT_EQ(region(), by_c);
  EXPECT_EQ(std::memcmp(&record, &from_c, sizeof record), 0);
}

TEST_F(c_crash_loader, loads_a_flat_file_and_maps_4_gib_where_nothing_else_is_said) {
  const bytes flat = counting(5000, 9);
  take(flat);
  kernel.is_flat = 1;
  kernel.map_bytes = 0;
  ASSERT_EQ(lastcpu_crash_load(&kernel), LASTCPU_LOADED);
  EXPECT_EQ(bytes(memory.first, memory.first + flat.size()), flat);
  kexec::crash_image_record record;
  ASSERT_EQ(c::machine.image().unload(&record), unload_outcome::unloaded);
  EXPECT_EQ(record.map_bytes, uint64_t{4} << 30);
}

TEST_F(c_crash_loader, refuses_by_the_number_and_the_sentence_of_cxx) {
  ASSERT_EQ(lastcpu_crash_load(&kernel), LASTCPU_LOADED);
  EXPECT_EQ(lastcpu_crash_loaded(), 1);
  EXPECT_EQ(kexec_crash_loaded(), 1);
  const bytes before = region();
  const bytes no_elf = counting(64, 1);
  take(no_elf);
  EXPECT_EQ(lastcpu_crash_load(&kernel), number_of(load_error::not_elf));
  kernel.region_physical += 1;
  EXPECT_EQ(lastcpu_crash_load(&kernel), number_of(load_error::region_misaligned));
  for (uint32_t e = 0; e <= number_of(load_error::damaged) + 1; ++e)
    EXPECT_STREQ(lastcpu_load_error_text(e), kexec::to_string(load_error{e}));
  EXPECT_EQ(region(), before);
  EXPECT_EQ(lastcpu_crash_loaded(), 1) << "the one before";
}

TEST_F(c_crash_loader, refuses_a_count_without_its_array) {
  for (uint32_t lastcpu_crash_kernel::*const count :
       {&lastcpu_crash_kernel::ram_count, &lastcpu_crash_kernel::left_out_count, &lastcpu_crash_kernel::image_count}) {
    lastcpu_crash_kernel k = kernel;
    k.*count = 1;
    EXPECT_EQ(lastcpu_crash_load(&k), LASTCPU_LOAD_NO_ARRAY);
  }
  EXPECT_NE(std::strstr(lastcpu_load_error_text(LASTCPU_LOAD_NO_ARRAY), "ram_count"), nullptr);
  EXPECT_TRUE(memory.untouched());
  EXPECT_EQ(lastcpu_crash_loaded(), 0);
}

TEST_F(c_crash_loader, refuses_more_than_there_is_room_for) {
  std::vector<lastcpu_memory> many(65, lastcpu_memory{0, 4096});
  kernel.ram = many.data(), kernel.ram_count = 65;
  EXPECT_EQ(lastcpu_crash_load(&kernel), number_of(load_error::too_many_ram_ranges));
  kernel.ram_count = 0, kernel.left_out = many.data(), kernel.left_out_count = 65;
  EXPECT_EQ(lastcpu_crash_load(&kernel), number_of(load_error::too_many_left_out));
  std::vector<lastcpu_segment> segments(9, lastcpu_segment{nullptr, nullptr, 0, 0});
  kernel.left_out_count = 0, kernel.image = segments.data(), kernel.image_count = 9;
  EXPECT_EQ(lastcpu_crash_load(&kernel), number_of(load_error::too_many_image_segments));
}

TEST_F(c_crash_loader, refuses_a_load_while_another_one_is_under_way) {
  const auto meanwhile = [&](const kexec::crash_image_record&) {
    EXPECT_EQ(lastcpu_crash_load(&kernel), number_of(load_error::in_use));
    EXPECT_EQ(lastcpu_crash_unload(), 0);
    EXPECT_TRUE(memory.untouched());
    return false;
  };
  EXPECT_EQ(c::machine.image().load_by(meanwhile), load_outcome::refused);
  EXPECT_EQ(lastcpu_crash_load(&kernel), LASTCPU_LOADED);
}

TEST_F(c_crash_loader, region_is_tried_unless_it_is_to_be_believed) {
  privileged::cr4 = 1u << 23,
  privileged::other_msrs = 1;  // a shadow stack: who would try asks for it, and then does not
  for (const uint32_t untried : {1u, 0u}) {
    kernel.execution_untried = untried;
    (void)privileged::take();
    ASSERT_EQ(lastcpu_crash_load(&kernel), LASTCPU_LOADED);
    EXPECT_EQ(privileged::take(), untried != 0 ? lines{} : lines{"rdmsr 6a2"});
  }
}

TEST_F(c_crash_loader, unloads_what_no_crash_has_taken) {
  EXPECT_EQ(lastcpu_crash_unload(), 1) << "there is none";
  ASSERT_EQ(lastcpu_crash_load(&kernel), LASTCPU_LOADED);
  ASSERT_EQ(c::machine.image().reserve(), image_outcome::reserved);
  EXPECT_EQ(lastcpu_crash_unload(), 0);
  EXPECT_EQ(lastcpu_crash_loaded(), 0);
  EXPECT_EQ(lastcpu_crash_load(&kernel), number_of(load_error::in_use));
  c::machine.image().hand_back();
  EXPECT_EQ(lastcpu_crash_unload(), 1);
  EXPECT_EQ(lastcpu_crash_loaded(), 0);
  EXPECT_EQ(kexec_crash_loaded(), 0);
}

// --- What is handed over.

trap_frame counted_frame() {
  trap_frame f;
  uint64_t n = 100;
  for (uint64_t* r :
       {&f.rax, &f.rbx, &f.rcx, &f.rdx, &f.rsi,    &f.rdi,   &f.rbp,    &f.r8,       &f.r9,     &f.r10,  &f.r11,
        &f.r12, &f.r13, &f.r14, &f.r15, &f.vector, &f.error, &f.hw.rip, &f.hw.flags, &f.hw.rsp, &f.hw.ss})
    *r = n++;
  f.hw.cs = 8;
  return f;
}

void expect_counted(const x86::registers& r) {
  const uint64_t found[] = {r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.r8,
                            r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
  for (uint64_t i = 0; i < 15; ++i) EXPECT_EQ(found[i], 100 + i);
  EXPECT_EQ(r.error_code, 116u);
  EXPECT_EQ(r.rip, 117u);
  EXPECT_EQ(r.cs, 8u);
  EXPECT_EQ(r.rflags, 118u);
  EXPECT_EQ(r.rsp, 119u);
  EXPECT_EQ(r.ss, 120u);
}

TEST(c_frame, becomes_the_machines_and_the_kernels_again) {
  const trap_frame f = counted_frame();
  x86::registers regs;
  c::to_machine(f, regs);
  expect_counted(regs);
  trap_frame back = counted_frame();
  std::memset(&back, 0xee, sizeof back);
  back.vector = 115;
  lastcpu_kernel_from_x86_64(reinterpret_cast<const lastcpu_x86_64_frame*>(&regs), &back);
  EXPECT_EQ(back.vector, 115u) << "no register";
  c::to_machine(back, regs);
  expect_counted(regs);
}

TEST(c_frame, capture_fills_the_kernels_own) {
  trap_frame f;
  std::memset(&f, 0xee, sizeof f);
  capture_with_known_registers(&f);
  const uint64_t found[] = {f.rbx, f.rbp, f.r12, f.r13, f.r14, f.r15, f.rax,
                            f.rcx, f.rdx, f.rsi, f.r8,  f.r9,  f.r10, f.r11};
  const uint64_t known[] = {0x1b, 0x1c, 0x12, 0x13, 0x14, 0x15, 0x0a, 0x0c, 0x0d, 0x05, 0x08, 0x09, 0x10, 0x11};
  for (int i = 0; i < 14; ++i) EXPECT_EQ(found[i], known[i]) << i;
  EXPECT_EQ(f.rdi, reinterpret_cast<uint64_t>(&f));
  EXPECT_EQ(f.error, 0u);
  EXPECT_EQ(f.hw.rip, reinterpret_cast<uint64_t>(capture_returns_here));
  EXPECT_EQ(f.hw.rsp, stack_at_the_call);
  EXPECT_EQ(f.hw.flags, flags_at_the_call);
  EXPECT_EQ(f.hw.cs, 0x33u);
  EXPECT_EQ(f.hw.ss, 0x2bu);
}

struct c_handover : c_crash_loader {
  kexec::crash_image_record record{};
  trap_frame frame = counted_frame();
  cpu_note<c::registers> note{3,       stop_state::by_nmi, false,    reinterpret_cast<const c::registers*>(&frame),
                              "first", "in nmi",           "nested", true,
                              77};

  c_handover() {
    cpu_set_t here;  // or its APIC id would change
    CPU_ZERO(&here);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &here);
    EXPECT_EQ(sched_setaffinity(0, sizeof here, &here), 0);
    EXPECT_EQ(lastcpu_crash_load(&kernel), LASTCPU_LOADED);
    EXPECT_EQ(c::machine.image().unload(&record), unload_outcome::unloaded);
  }
  [[nodiscard]] const kexec::handover& handover() const { return *kexec::handover_of(record); }
  [[nodiscard]] const x86::handover_cpu& cpu(uint32_t i) const {
    return *kexec::cpu_of<x86::handover_cpu>(handover(), i);
  }
};

TEST_F(c_handover, has_all_of_a_stopped_cpu) {
  cpu_now = 3;
  lastcpu_online();
  privileged::cr0 = 0x8005'0033, privileged::cr3 = 0x1000;
  c::port::make_resettable();
  privileged::cr0 = privileged::cr3 = 1;
  EXPECT_EQ(made_resettable, 1u);
  cpu_now = 0;
  c::port::save_note(record, note);
  ASSERT_EQ(handover().cpu_count, 1u);
  const x86::handover_cpu& c = cpu(0);
  EXPECT_EQ(c.cpu, 3u);
  EXPECT_EQ(c.state, stop_state::by_nmi);
  EXPECT_FALSE(c.has(kexec::handover_flag::crashing));
  EXPECT_TRUE(c.has(kexec::handover_flag::cut_short));
  expect_counted(c.regs);
  EXPECT_STREQ(c.message, "first");
  EXPECT_STREQ(c.nmi_message, "in nmi");
  EXPECT_STREQ(c.nested_message, "nested");
  EXPECT_EQ(c.hardware_id, x86::initial_apic_id());
  EXPECT_EQ(c.control.cr0, 0x8005'0033u) << "when it stopped";
  EXPECT_EQ(c.control.cr3, 0x1000u);
}

TEST_F(c_handover, has_the_owner_that_never_came_online_and_when_it_began) {
  note.cpu = 1, note.state = stop_state::running, note.crashing = true;
  c::port::save_note(record, note);
  ASSERT_EQ(handover().cpu_count, 1u);
  EXPECT_EQ(cpu(0).hardware_id, x86::initial_apic_id());
  EXPECT_TRUE(cpu(0).has(kexec::handover_flag::crashing));
  EXPECT_EQ(handover().panic_ticks, 77u);
}

TEST_F(c_handover, has_no_registers_of_a_cpu_that_saved_none) {
  note.cpu = 2, note.registers = nullptr, note.state = stop_state::silent, note.cut_short = false;
  c::port::save_note(record, note);
  ASSERT_EQ(handover().cpu_count, 1u);
  EXPECT_FALSE(cpu(0).has(kexec::handover_flag::registers_valid));
  EXPECT_FALSE(cpu(0).has(kexec::handover_flag::cut_short));
  EXPECT_EQ(cpu(0).hardware_id, kexec::no_hardware_id) << "it never came online";
}

TEST_F(c_handover, cpu_without_a_number_has_the_machines_id) {
  cpu_set_t all;
  CPU_ZERO(&all);
  for (size_t i = 0; i < CPU_SETSIZE; ++i) CPU_SET(i, &all);
  ASSERT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  for (size_t i = 0; i < CPU_SETSIZE; ++i) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(i, &one);
    if (!CPU_ISSET(i, &all)) continue;
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(c::port::hardware_id(), x86::initial_apic_id());
  }
}

TEST_F(c_handover, vmx_is_left_where_the_kernel_says_that_it_is_on) {
  constexpr uint64_t vmxe = 1u << 13;
  for (in_vmx = 0; in_vmx < 2; ++in_vmx) {
    privileged::cr4 = vmxe;
    (void)privileged::take();
    c::port::make_resettable();
    const lines done = privileged::take();
    EXPECT_EQ(std::count(done.begin(), done.end(), "vmxoff"), in_vmx);
    EXPECT_EQ(privileged::cr4, 0u);
  }
}

TEST_F(c_handover, shutdown_masks_the_io_apics_that_the_kernel_names) {
  constexpr uint32_t masked = 1u << 16;
  std::memset(io_apics, 0, sizeof io_apics);
  const c::registers regs{};
  c::port::crash_shutdown(regs);
  for (const auto& io_apic : io_apics) {
    uint32_t entry = 0;
    std::memcpy(&entry, io_apic + window, sizeof entry);
    EXPECT_EQ(entry & masked, masked);
  }
}

TEST_F(c_handover, shutdown_masks_the_local_apic_that_the_kernel_names) {
  constexpr uint32_t lvt_timer = 0x320, masked = 1u << 16;
  privileged::msr_0x1b = 0xfee0'0800;
  std::memset(apic_page, 0, sizeof apic_page);
  c::registers regs{};
  c::port::crash_shutdown(regs);
  uint32_t timer = 0;
  std::memcpy(&timer, apic_page + lvt_timer, sizeof timer);
  EXPECT_EQ(timer & masked, masked);
}

}  // namespace
