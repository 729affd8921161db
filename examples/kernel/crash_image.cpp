// SPDX-License-Identifier: BSL-1.0
#include "crash_image.hpp"

#include <lastcpu/platform/x86_64/crash_loader.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "panic.hpp"

extern "C" const unsigned char kernel_begin[], kernel_end[], build_id_begin[], build_id_end[];  // kernel.ld

namespace {

constinit boot_file file = {};
constinit kernel_data data = {};
constinit lastcpu::kexec::kernel_facts facts = {};

lastcpu::x86::load_options options() noexcept {
  lastcpu::x86::load_options out;
  out.cpu_capacity = cpus::count() + 4;  // one that panics before it has a number, and what three further ones said
  out.ticks_per_second = clock::ticks_per_second();
  out.kernel_data = memory::physical(&data);
  out.kernel = &facts;
  out.flat = command_line::is("image", "flat");
  return out;
}

// What a dump of this kernel shall know.
void describe_kernel(const boot_info& info) noexcept {
  constexpr uint32_t all_that_may_be_done = 7;
  facts.ram = info.ram;
  if (info.ram.count == 0)  // we run in it, and were told to
    facts.ram.add(memory::kernel_physical,
                  memory::crash_region_physical + memory::crash_region_bytes - memory::kernel_physical);
  facts.rsdp = info.rsdp;
  facts.direct_map_virtual = memory::direct_map_base;
  facts.direct_map_bytes = memory::direct_map_bytes;
  facts.add_image(kernel_begin, kernel_end, memory::kernel_physical, all_that_may_be_done);
  (void)facts.find_build_id(build_id_begin, build_id_end);
}

// What the crash kernel is to do with the core, by the command line. What is too long is cut.
void set_up_dump() noexcept {
  if (command_line::is("dump", "disk")) data.dump = dump_way::disk;
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
  const auto region = memory::crash_region();
  if (facts.ram.contains(region.physical, region.bytes))
    file = info.file;
  else
    console::line() << "kernel: the crash kernel's region is not memory; the machine needs 128 MiB";
}

const boot_file& crash_image::get_file() noexcept {
  return file;
}

void crash_image::load() noexcept {
  if (file.bytes == 0) return refuse("there is no file");
  port::image before{};
  const auto unloaded = machine.image().unload(&before);
  if (unloaded > lastcpu::unload_outcome::empty) return refuse("a crash has taken the one before");
  port::image loaded{};
  const auto error = lastcpu::x86::load_crash_kernel<>(memory::crash_region(), memory::at_physical(file.address),
                                                       file.bytes, options(), loaded);
  if (error != lastcpu::kexec::load_error::none) {
    if (unloaded == lastcpu::unload_outcome::unloaded) (void)machine.image().load(before);  // it is still there
    return refuse(lastcpu::kexec::to_string(error));
  }
  if (machine.image().load(loaded) != lastcpu::load_outcome::loaded) return refuse("another one is being loaded");
  console::line() << "kernel: image loaded, " << loaded.payload_bytes << " bytes";
}
