// SPDX-License-Identifier: BSL-1.0
#include "cpus.hpp"

#include <lastcpu/platform/x86_64/instructions.hpp>

#include "clock.hpp"
#include "console.hpp"
#include "memory.hpp"
#include "panic.hpp"
#include "work.hpp"

namespace x86 = lastcpu::x86;
using lastcpu::order;

constinit cpus::cpu cpus::all[max_cpus] = {};

extern "C" {
extern const unsigned char trampoline_begin[], trampoline_end[];
extern uint64_t starting_cpu_stack;
[[noreturn]] void application_cpu_main() noexcept;
}

namespace {

constexpr uint64_t trampoline_page = 0x8000;  // below 1 MiB: what a CPU can reach when it wakes up

constinit lastcpu::atomic<uint32_t> cpus_online{};
constinit lastcpu::atomic<uint32_t> all_started{};
constinit cpus::cpu_id starting = 0;

uint64_t end_of(const cpus::guarded_stack& stack) noexcept {
  return reinterpret_cast<uint64_t>(&stack + 1);
}

bool is_guard_of(const cpus::guarded_stack& stack, uint64_t address) noexcept {
  return address - reinterpret_cast<uint64_t>(stack.guard) < sizeof stack.guard;
}

void guard_stacks(const cpus::cpu& cpu) noexcept {
  memory::make_guard(cpu.stack.guard);
  for (const auto& stack : cpu.own_stacks) memory::make_guard(stack.guard);
}

void load_tables(cpus::cpu& self) noexcept {
  uint64_t ends[descriptors::own_stacks];
  for (uint32_t i = 0; i < descriptors::own_stacks; ++i) ends[i] = end_of(self.own_stacks[i]);
  descriptors::load(self.tables, ends);
  constexpr uint64_t machine_checks_on = 1u << 6;  // without it one is a shutdown
  x86::write_cr4(x86::read_cr4() | machine_checks_on);
}

void say_online(cpus::cpu_id me) noexcept {
  cpus_online.store(me + 1, order::release);
  cpus::all[me].online.store(1, order::release);
  // This CPU stores and then looks whether the machine has died; who commits a panic stores and then looks who is
  // online. Without a full fence both may miss.
  x86::mfence();
}

bool wait_until_online(const cpus::cpu& started, uint64_t milliseconds) noexcept {
  for (uint64_t i = 0; i < milliseconds * 20; ++i) {
    if (started.online.load(order::acquire) != 0) return true;
    clock::wait_us(50);
  }
  return false;
}

bool start(cpus::cpu_id number, uint32_t apic_id) noexcept {
  cpus::cpu& started = cpus::all[number];
  started.apic_id = apic_id;
  started.running = "idle";
  starting = number;
  starting_cpu_stack = end_of(started.stack);
  started.online.store(0, order::relaxed);  // one that came too late, and was stopped, may have had this number
  for (int attempt = 0; attempt < 2; ++attempt) {
    (void)port::local_apic::send(apic_id, x86::ipi_message::startup(trampoline_page / 4096));
    if (wait_until_online(started, 5000)) return true;
  }
  (void)port::local_apic::send(apic_id, x86::ipi_message::init());  // it must not come later, as somebody else
  return false;
}

}  // namespace

cpus::cpu_id cpus::this_cpu() noexcept {
  const uint64_t offset = x86::sgdt().base - reinterpret_cast<uint64_t>(all);
  return offset < sizeof all ? static_cast<cpu_id>(offset / sizeof(cpu)) : lastcpu::no_cpu;
}

bool cpus::is_on_ordinary_stack() noexcept {
  const cpu_id me = this_cpu();
  if (me >= max_cpus) return false;
  const auto& mine = all[me].own_stacks;
  return reinterpret_cast<uint64_t>(__builtin_frame_address(0)) - reinterpret_cast<uint64_t>(&mine) >= sizeof mine;
}

bool cpus::is_guard(uint64_t address) noexcept {
  const cpu_id me = this_cpu();
  if (me >= max_cpus) return false;
  bool found = is_guard_of(all[me].stack, address) || (me == 0 && memory::is_boot_stack_guard(address));
  for (const auto& stack : all[me].own_stacks) found = found || is_guard_of(stack, address);
  return found;
}

cpus::cpu_id cpus::count() noexcept {
  return cpus_online.load(order::acquire);
}

void cpus::set_up_boot_cpu() noexcept {
  for (const cpu& each : all) guard_stacks(each);
  all[0].running = "boot";
  load_tables(all[0]);
  all[0].online.store(1, order::relaxed);
  cpus_online.store(1, order::relaxed);
}

void cpus::start_others(const acpi::machine& firmware) noexcept {
  auto* trampoline = memory::at_physical(trampoline_page);
  for (size_t i = 0; i < static_cast<size_t>(trampoline_end - trampoline_begin); ++i)
    trampoline[i] = trampoline_begin[i];
  all[0].apic_id = port::local_apic::id();
  for (uint32_t i = 0; i < firmware.cpu_count; ++i)
    if (firmware.apic_ids[i] != all[0].apic_id)
      (void)port::local_apic::send(firmware.apic_ids[i], x86::ipi_message::init());
  clock::wait_us(10'000);
  cpu_id next = 1;
  for (uint32_t i = 0; i < firmware.cpu_count; ++i) {
    if (firmware.apic_ids[i] == all[0].apic_id) continue;
    if (start(next, firmware.apic_ids[i]))
      ++next;
    else
      console::line() << "kernel: the CPU with APIC id " << firmware.apic_ids[i] << " does not start";
  }
  all_started.store(next == firmware.cpu_count && firmware.cpus_left_out == 0 ? 1 : 0, order::release);
}

bool cpus::all_have_started() noexcept {
  return all_started.load(order::acquire) != 0;
}

x86::stack_choice cpus::next_stack(x86::handler_stack which, x86::stack_choice choice) noexcept {
  using descriptors::own_stack;
  const bool nmi = which == x86::handler_stack::nmi;
  const auto usual = static_cast<uint32_t>(nmi ? own_stack::nmi : own_stack::machine_check) - 1;
  const auto spare = static_cast<uint32_t>(nmi ? own_stack::spare_nmi : own_stack::spare_machine_check) - 1;
  const cpu_id me = this_cpu();
  if (me >= max_cpus) return x86::stack_choice::usual;  // it has no such stacks yet
  cpu& self = all[me];
  const bool was_spare = self.tables.tss.stacks[usual] == end_of(self.own_stacks[spare]);
  self.tables.tss.stacks[usual] = end_of(self.own_stacks[choice == x86::stack_choice::spare ? spare : usual]);
  return was_spare ? x86::stack_choice::spare : x86::stack_choice::usual;
}

void application_cpu_main() noexcept {
  const cpus::cpu_id me = starting;
  load_tables(cpus::all[me]);
  (void)port::local_apic::enable(port::spurious_vector);
  say_online(me);
  machine.come_online();  // the machine may have died before it could know of this CPU
  work::idle();
}
