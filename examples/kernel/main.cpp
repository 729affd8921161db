// SPDX-License-Identifier: BSL-1.0
// A small kernel that dies well. QEMU's -kernel starts it, or GRUB's multiboot2, with the crash kernel as the first module.
// To read in this order: boot.S, memory, descriptors, cpus, traps, nmi, port, panic, crash_image, after_boot. Who picks up
// the pieces is in ../crash_kernel/.

#include "after_boot.hpp"
#include "command_line.hpp"
#include "console.hpp"
#include "crash_image.hpp"
#include "multiboot2.hpp"
#include "nmi.hpp"
#include "port.hpp"
#include "pvh.hpp"
#include "traps.hpp"
#include "uart.hpp"
#include "work.hpp"

constinit acpi::machine port::firmware = {};

extern "C" [[noreturn]] void kernel_main(uint64_t told_at, boot_protocol by) noexcept;

namespace {

boot_info read_boot_info(uint64_t told_at, boot_protocol by) noexcept {
  if (by == boot_protocol::pvh) return pvh::read(told_at);
  return multiboot2::read({memory::at_physical(told_at), told_at, *memory::at_physical<const uint32_t>(told_at)});
}

}  // namespace

// `told_at`: physical address of what the boot loader has to say.
void kernel_main(uint64_t told_at, boot_protocol by) noexcept {
  memory::set_up();
  traps::set_up();
  nmi::set_up();
  cpus::set_up_boot_cpu();
  lastcpu::x86::mask_legacy_pics();  // their vectors are those of exceptions, and nothing here needs them
  uart::set_up();
  const boot_info info = read_boot_info(told_at, by);
  command_line::set(info.command_line);
  acpi::read(info.rsdp, port::firmware);
  crash_image::set_up(info);
  (void)port::local_apic::enable(port::spurious_vector);
  clock::set_up(port::firmware.pm_timer_port);
  cpus::start_others(port::firmware);
  console::line() << "kernel: " << cpus::count() << " cpus online, tsc " << clock::ticks_per_second() << " Hz";
  after_boot();
  work::idle();
}
