// SPDX-License-Identifier: BSL-1.0
// A small kernel that dies well. What it does until then stands in scenarios/.

#include "command_line.hpp"
#include "console.hpp"
#include "crash_image.hpp"
#include "nmi.hpp"
#include "port.hpp"
#include "scenarios/scenarios.hpp"
#include "traps.hpp"
#include "uart.hpp"
#include "work.hpp"

constinit acpi::machine port::firmware = {};

namespace {

// Their vectors are those of exceptions. Nothing here needs them.
void mask_legacy_interrupts() noexcept {
  lastcpu::x86::out8(0xa1, 0xff);
  lastcpu::x86::out8(0x21, 0xff);
}

}  // namespace

extern "C" [[noreturn]] void kernel_main(uint64_t start_info_address) noexcept;

void kernel_main(uint64_t start_info_address) noexcept {
  const auto& info = *memory::at_physical<const start_info>(start_info_address);
  traps::set_up();
  nmi::set_up();
  cpus::set_up_boot_cpu();
  mask_legacy_interrupts();
  uart::set_up();
  command_line::set(memory::at_physical<const char>(info.command_line));
  acpi::read(info.rsdp, port::firmware);
  if (info.module_count != 0) crash_image::set_file(*memory::at_physical<const start_module>(info.modules));
  (void)port::local_apic::enable(port::spurious_vector);
  clock::set_up(port::firmware.pm_timer_port);
  cpus::start_others(port::firmware);
  console::line() << "kernel: " << cpus::count() << " cpus online, tsc " << clock::ticks_per_second() << " Hz";
  scenarios::begin();
  work::idle();
}
