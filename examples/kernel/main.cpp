// SPDX-License-Identifier: BSL-1.0
// A small kernel that dies well. To read in this order: boot.S, memory, descriptors, cpus, traps, nmi, port, panic,
// crash_image. What it dies of stands in scenarios/, and who picks up the pieces in ../crash_kernel/.

#include "command_line.hpp"
#include "console.hpp"
#include "crash_image.hpp"
#include "nmi.hpp"
#include "port.hpp"
#include "pvh.hpp"
#include "scenarios/scenarios.hpp"
#include "traps.hpp"
#include "uart.hpp"
#include "work.hpp"

constinit acpi::machine port::firmware = {};

extern "C" [[noreturn]] void kernel_main(uint64_t start_info_address) noexcept;

void kernel_main(uint64_t start_info_address) noexcept {
  memory::set_up();
  traps::set_up();
  nmi::set_up();
  cpus::set_up_boot_cpu();
  lastcpu::x86::mask_legacy_pics();  // their vectors are those of exceptions, and nothing here needs them
  uart::set_up();
  const boot_info info = pvh::read(start_info_address);
  command_line::set(info.command_line);
  acpi::read(info.rsdp, port::firmware);
  crash_image::set_up(info);
  (void)port::local_apic::enable(port::spurious_vector);
  clock::set_up(port::firmware.pm_timer_port);
  cpus::start_others(port::firmware);
  console::line() << "kernel: " << cpus::count() << " cpus online, tsc " << clock::ticks_per_second() << " Hz";
  scenarios::begin();
  work::idle();
}
