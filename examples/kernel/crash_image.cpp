// SPDX-License-Identifier: BSL-1.0
#include "crash_image.hpp"

#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "crash_region.hpp"
#include "panic.hpp"

extern "C" const unsigned char kernel_begin[], text_end[], rodata_end[], page_tables_end[], kernel_end[];
extern "C" const unsigned char build_id_begin[], build_id_end[];  // kernel.ld

namespace {

constinit boot_file file = {};
constinit kernel_data data = {};
constinit lastcpu::kexec::kernel_facts facts = {};

lastcpu::x86::load_options options() noexcept {
  lastcpu::x86::load_options out;
  out.cpu_capacity = cpus::count() + 4;  // one that panics before it has a number, and what three further ones said
  out.ticks_per_second = clock::ticks_per_second();
  out.kernel_data = command_line::is("data", "none") ? 0 : memory::physical(&data);  // as a kernel that has none
  out.kernel = &facts;
  out.flat = command_line::is("image", "flat");
  const auto region = memory::crash_region();
  const uint64_t end = lastcpu::kexec::round_up(region.physical + region.bytes, memory::large_page);
  if (out.map_bytes < end) out.map_bytes = end;
  return out;
}

// Null, or why there is no region.
const char* reserve(const boot_file& taken, uint64_t& at, crash_region::wish& wish) noexcept {
  text value;
  command_line::value("crashkernel", "", value);
  const char* wrong = crash_region::read(value.c_str(), wish);
  return wrong != nullptr ? wrong : crash_region::find(wish, facts.ram, taken, at);
}

// What a dump of this kernel shall know.
void describe_kernel(const boot_info& info) noexcept {
  constexpr uint32_t run = 5, read = 4, write = 6;
  constexpr auto large = static_cast<uint32_t>(lastcpu::kexec::segment_flag::not_in_small_cores);
  facts.ram = info.ram;
  if (info.ram.count == 0)  // we run in it, and were told to
    facts.ram.add(memory::kernel_physical, crash_region::lowest + crash_region::wish{}.bytes - memory::kernel_physical);
  facts.rsdp = info.rsdp;
  facts.direct_map_virtual = memory::direct_map_base;
  facts.direct_map_bytes = memory::direct_map_bytes;
  facts.add_image(kernel_begin, text_end, memory::physical(kernel_begin), run);
  facts.add_image(text_end, rodata_end, memory::physical(text_end), read);
  facts.add_image(rodata_end, page_tables_end, memory::physical(rodata_end), write | large);
  facts.add_image(page_tables_end, kernel_end, memory::physical(page_tables_end), write);
  (void)facts.find_build_id(build_id_begin, build_id_end);
}

// What the crash kernel is to do with the core, by the command line. What is too long is cut.
void set_up_dump() noexcept {
  if (command_line::is("dump", "disk")) data.dump = dump_way::disk;
  if (command_line::is("dump", "serial")) data.dump = dump_way::serial;
  if (data.dump == dump_way::none && !command_line::is("dump", ""))
    console::line() << "kernel: no dump: dump= is neither disk nor serial";
  data.dump_request_ms = static_cast<uint32_t>(command_line::number("dump_request_ms", 0));
  data.dump_ms = static_cast<uint32_t>(command_line::number("dump_ms", 0));
  data.dump_faults = static_cast<uint32_t>(command_line::number("dump_faults", 0));
  text serial;
  command_line::value("dump_disk", "lastcpu-dump", serial);
  const char* from = serial.c_str();
  for (uint32_t i = 0; i + 1 < sizeof data.dump_disk && *from != '\0'; ++i) data.dump_disk[i] = *from++;
}

void refuse(const char* reason) noexcept {
  console::line() << "kernel: image refused: " << reason;
}

}  // namespace

void crash_image::set_up(const boot_info& info) noexcept {
  data = {kernel_data::right_magic,
          memory::physical(trace::rings()),
          cpus::max_cpus,
          static_cast<uint32_t>(command_line::number("trace", 0)),
          static_cast<uint32_t>(command_line::number("linger", 0)),
          dump_way::none,
          {},
          0,
          0,
          0,
          0};
  set_up_dump();
  describe_kernel(info);
  uint64_t at = 0;
  crash_region::wish wish;
  if (const char* wrong = reserve(info.file, at, wish); wrong != nullptr)
    console::line() << "kernel: no region: " << wrong;
  else
    memory::set_crash_region(at, wish.bytes), file = info.file;
}

const boot_file& crash_image::get_file() noexcept {
  return file;
}

void crash_image::load() noexcept {
  if (memory::crash_region().bytes == 0) return refuse("there is no region");
  if (file.bytes == 0) return refuse("there is no file: QEMU takes the crash kernel by -initrd");
  const auto wrong = lastcpu::x86::load_into_slot(machine.image(), memory::crash_region(),
                                                  memory::at_physical(file.address), file.bytes, options());
  if (wrong != lastcpu::kexec::load_error::none) return refuse(lastcpu::kexec::to_string(wrong));
  console::line() << "kernel: image loaded, " << file.bytes << " bytes";
}
