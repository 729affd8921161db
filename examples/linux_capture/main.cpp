// SPDX-License-Identifier: BSL-1.0
// A flat image that runs at any page: entered as a crash kernel is (platform/x86_64/jump.hpp), it starts a Linux that lies
// behind it (`pack`), with the region as its memory and the dead kernel's memory in /proc/vmcore.
//
//   region │ this │ its files … │ Linux, unpacked … │ for_linux │ stack, tables, core area
//          └ Linux's memory ───────────────────────┘└ not Linux's: it neither clears nor gives out any of it

#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>
#include <lastcpu/platform/x86_64/descriptors.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>

#include "../kernel/console.hpp"
#include "../kernel/uart.hpp"
#include "boot_params.hpp"
#include "elf_core_header.hpp"
#include "packed.hpp"

extern "C" {
[[gnu::visibility("hidden")]] extern const unsigned char image_begin[], image_end[];  // shim.ld
}

namespace {

namespace kexec = lastcpu::kexec;
namespace x86 = lastcpu::x86;
using console::line;
using flag = kexec::handover_flag;

constexpr uint64_t mib = uint64_t{1} << 20;
constexpr uint64_t least_region_bytes = 96 * mib;  // measured: with less, Linux finds no room on its way up
constexpr uint64_t low_bytes = 0x9'f000;           // Linux starts CPUs from there, also where it has but one

[[noreturn]] void give_up(const char* why, const char* what_helps = "") noexcept {
  line() << "linux: not started: " << why << what_helps;
  x86::out8(0xcf9, 0x06);
  x86::lidt({0, 0});  // where that port does nothing
  for (;;) asm volatile("int3");
}

void must(const char* wrong) noexcept {
  if (wrong != nullptr) give_up(wrong);
}

/// What is made for Linux, outside of its memory.
struct for_linux {
  alignas(4096) unsigned char boot_params[4096];
  char command_line[4096 - 64];
  uint64_t gdt[4];
  alignas(4096) unsigned char low_memory[low_bytes];
  alignas(4096) unsigned char elf_header[1];  // and as many as it needs
};

struct plan {
  const kexec::handover* from;
  const packed_files* files;
  linux_boot::bzimage kernel;
  elf_core_header core;
  uint64_t kernel_at;  // where it goes
  for_linux* made;
};

uint64_t address_of(const void* p) noexcept {
  return reinterpret_cast<uint64_t>(p);
}

template <class T>
T* at_physical(uint64_t address) noexcept {
  return reinterpret_cast<T*>(address);
}

/// Finds the places of all, or gives up. Writes nothing.
plan make_plan(const kexec::handover& h) noexcept {
  if (h.region_bytes < least_region_bytes)
    give_up("its region has less than the 96 MiB that Linux needs", "; for the example kernel: crashkernel=96M");
  const auto& files = *reinterpret_cast<const packed_files*>(image_end);
  if (files.magic != packed_files::right_magic) give_up("no kernel is packed behind the shim; see: pack --help");
  const linux_boot::bzimage kernel(image_begin + files.kernel, files.kernel_bytes);
  must(kernel.check());
  const auto* const beginning = at_physical<const unsigned char>(h.core_physical);
  const auto wrong = kexec::core_reader(beginning, h.core_header_bytes).check(h);
  if (wrong == kexec::core_error::damaged)
    line() << "linux: " << to_string(wrong);  // what it says is in its bounds
  else if (wrong != kexec::core_error::none)
    give_up(to_string(wrong));
  const elf_core_header core(beginning, h.core_header_bytes, h.core_physical);
  const uint64_t lowest = h.free_physical > kernel.lowest() ? h.free_physical : kernel.lowest();
  const uint64_t kernel_at = kexec::round_up(lowest, kernel.alignment());
  const uint64_t made_bytes = kexec::round_up(sizeof(for_linux) + core.room(), kexec::page_bytes);
  const uint64_t behind = h.free_physical + h.free_bytes;
  if (kernel_at > behind || behind - kernel_at < kernel.memory_bytes() + made_bytes)
    give_up("the kernel that is packed has no room in the region: reserve more");
  return {&h, &files, kernel, core, kernel_at, at_physical<for_linux>(behind - made_bytes)};
}

/// The APIC id of the CPU that the firmware started, where another one has crashed.
bool find_boot_cpu(const kexec::handover& h, uint32_t& id) noexcept {
  const auto* c = kexec::boot_cpu_of<x86::handover_cpu>(h);
  if (c == nullptr || c->has(flag::crashing)) return false;
  id = c->hardware_id;
  return id != kexec::no_hardware_id;
}

text our_words(const plan& p) noexcept {
  text words;
  words << "elfcorehdr=" << hex{address_of(p.made->elf_header)} << " nokaslr nr_cpus=1 reset_devices irqpoll panic=-1 ";
  if (uint32_t id = 0; find_boot_cpu(*p.from, id)) words << "disable_cpu_apicid=" << id << " ";
  return words;
}

void write_command_line(const plan& p, const text& words) noexcept {
  const uint64_t room = sizeof p.made->command_line < p.kernel.command_line_bytes() ? sizeof p.made->command_line
                                                                                    : p.kernel.command_line_bytes();
  uint64_t used = 0;
  const char* const parts[] = {words.c_str(), p.files->command_line};
  for (const char* from : parts)
    for (; *from != '\0'; ++from) {
      if (used + 1 >= room) give_up("the command line is too long: pack fewer words");
      p.made->command_line[used++] = *from;
    }
}

/// Where there was memory, Linux must not put a device.
void add_old_memory(const kexec::handover& h, uint64_t ram_end, linux_boot::boot_params& to) noexcept {
  const auto add = [&](uint64_t begin, uint64_t end) {
    if (begin < end) (void)to.add_memory(begin, end - begin, linux_boot::memory::reserved);
  };
  for (uint32_t i = 0; i < h.ram_count && i < kexec::ram_map::capacity; ++i) {
    const kexec::ram_range& r = h.ram[i];
    const uint64_t begin = r.physical > low_bytes ? r.physical : low_bytes;
    add(begin, r.end() < h.region_physical ? r.end() : h.region_physical);
    add(begin > ram_end ? begin : ram_end, r.end());
  }
}

void write_boot_params(const plan& p) noexcept {
  const kexec::handover& h = *p.from;
  linux_boot::boot_params out(p.made->boot_params, p.kernel);
  out.set_initrd(address_of(image_begin) + p.files->initrd, p.files->initrd_bytes);
  out.set_command_line(address_of(p.made->command_line));
  out.set_rsdp(h.rsdp);
  if (h.rsdp == 0) line() << "linux: the handover has no RSDP: Linux looks for one where a BIOS would have it";
  const uint64_t ram_end = address_of(p.made);
  (void)out.add_memory(0, low_bytes, linux_boot::memory::ram);
  (void)out.add_memory(h.region_physical, ram_end - h.region_physical, linux_boot::memory::ram);
  add_old_memory(h, ram_end, out);
}

[[noreturn]] void enter(const plan& p) noexcept {
  p.made->gdt[2] = x86::code64_descriptor;  // the selectors that Linux asks for
  p.made->gdt[3] = x86::data64_descriptor;
  const x86::pseudo_descriptor gdt{sizeof p.made->gdt - 1, address_of(p.made->gdt)};
  const uint64_t entry = p.kernel_at + 0x200;
  asm volatile(R"(
      lgdt %[gdt]
      mov %[data], %%ds
      mov %[data], %%es
      mov %[data], %%ss
      pushq $0x10
      pushq %[entry]
      lretq)"
               :
               : [gdt] "m"(gdt), [data] "r"(0x18), [entry] "r"(entry), "S"(p.made->boot_params)
               : "memory");
  __builtin_unreachable();
}

}  // namespace

extern "C" [[noreturn, gnu::section(".entry")]] void shim_main(const kexec::handover* from) noexcept {
  uart::set_up();
  uart::put("\r\n");  // the dead kernel may have been in the middle of a line
  const auto opened = kexec::open_handover<x86::core_registers>(from, ~address_of(from));
  if (opened.handover == nullptr) give_up(to_string(opened.error));
  if (opened.error != kexec::handover_error::none) line() << "linux: " << to_string(opened.error);
  const plan p = make_plan(*opened.handover);
  kexec::zero_bytes(reinterpret_cast<unsigned char*>(p.made), sizeof(for_linux));
  kexec::copy_bytes(p.made->low_memory, at_physical<const unsigned char>(0), low_bytes);
  (void)p.core.write(p.made->elf_header, {low_bytes, address_of(p.made->low_memory)});
  const text words = our_words(p);
  write_command_line(p, words);
  write_boot_params(p);
  kexec::copy_bytes(at_physical<unsigned char>(p.kernel_at), p.kernel.file() + p.kernel.code(),
                    p.files->kernel_bytes - p.kernel.code());
  line() << "linux: starts at " << hex{p.kernel_at} << " with " << words.c_str();
  enter(p);
}
