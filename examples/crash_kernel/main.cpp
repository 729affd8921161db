// SPDX-License-Identifier: BSL-1.0
// A crash kernel: one CPU, 64-bit mode, memory mapped at its physical address, interrupts off. It says what it was told
// and what it finds in the dead kernel's memory, and writes a core to a disk, if it is asked to (disk_dump.hpp).

#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/kexec/old_memory.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>
#include <lastcpu/platform/x86_64/page_walk.hpp>

#include "../kernel/console.hpp"
#include "../kernel/kernel_data.hpp"
#include "../kernel/uart.hpp"
#include "disk_dump.hpp"
#include "faults.hpp"
#include "leave.hpp"
#include "serial_dump.hpp"
#include "timeline.hpp"

namespace {

namespace kexec = lastcpu::kexec;
namespace x86 = lastcpu::x86;
using console::line;
using flag = kexec::handover_flag;
using cpu_left = x86::handover_cpu;
using old_memory = kexec::old_memory<x86::page_walk>;

void print_state(const cpu_left& c) noexcept {
  line out;
  out << "crash: cpu " << c.cpu << (c.has(flag::crashing) ? " crashing " : " stopped ") << to_string(c.state);
  if (!c.has(flag::registers_valid)) {
    out << " registers missing";
    return;
  }
  out << " registers valid rip " << hex{c.regs.rip} << " rsp " << hex{c.regs.rsp};
}

void print_text(const cpu_left& c, const char* how, const char* said) noexcept {
  if (*said == '\0') return;
  const bool cut = c.has(flag::cut_short) || c.has(flag::shortened);
  line() << "crash: cpu " << c.cpu << " " << how << ": " << said << (cut ? " (cut short)" : "");
}

void print_backtrace(const cpu_left& c, const old_memory& memory) noexcept {
  if (!c.has(flag::registers_valid)) return;
  constexpr uint32_t most = 9;
  uint64_t at[most];
  const old_memory own = c.has(flag::control_valid) ? memory.with_root(c.control.cr3) : memory;
  const uint32_t n = own.backtrace(c.regs.rip, c.regs.rbp, at, most);
  line out;
  out << "crash: cpu " << c.cpu << "  ";
  for (uint32_t i = 0; i < n; ++i) out << " #" << i << " " << hex{at[i]};
}

uint64_t microseconds(uint64_t ticks, uint64_t ticks_per_second) noexcept {
  const uint64_t per_us = ticks_per_second / 1'000'000;
  return per_us != 0 ? ticks / per_us : 0;
}

void linger(uint32_t milliseconds, uint64_t ticks_per_second) noexcept {
  if (milliseconds == 0) return;
  line() << "crash: lingering " << milliseconds << " ms";
  const uint64_t begin = x86::rdtsc();
  while (x86::rdtsc() - begin < ticks_per_second / 1000 * milliseconds) x86::pause();
}

// As the dying kernel wants it. One that says nothing of it, being another than ../kernel/, has a dump wherever there is a
// disk for it.
bool dump_to_disk(kexec::handover& h, const kernel_data& data) noexcept {
  return disk_dump::run(
      {&h, data.dump_disk, uint64_t{data.dump_request_ms} * 1000, uint64_t{data.dump_ms} * 1000, data.dump_faults});
}

// A kernel that is not the example's is asked nothing: to the disk that is there for it, else over the serial line.
bool dump(kexec::handover& h, const kernel_data* data) noexcept {
  if (data == nullptr) return disk_dump::run({&h, "lastcpu-dump", 0, 0, 0}) || serial_dump::run(h);
  if (data->dump == dump_way::disk) return dump_to_disk(h, *data);
  return data->dump != dump_way::serial || serial_dump::run(h);
}

}  // namespace

extern "C" [[noreturn, gnu::section(".entry")]] void crash_main(const void* from) noexcept {
  const uint64_t now = x86::rdtsc();
  faults::set_up();
  uart::set_up();
  uart::put("\r\n");  // the dead kernel may have been in the middle of a line
  const auto opened = kexec::open_handover<x86::core_registers>(from, ~reinterpret_cast<uint64_t>(from));
  if (opened.error != kexec::handover_error::none) line() << "crash: " << to_string(opened.error);
  if (opened.handover == nullptr) leave(verdict::bad_handover);
  const kexec::handover& h = *opened.handover;
  line() << "crash: started, panic to here " << microseconds(now - h.panic_ticks, h.ticks_per_second) << " us";
  const auto* data = reinterpret_cast<const kernel_data*>(h.kernel_data);
  const old_memory memory(h);
  if (!memory.is_readable(h.kernel_data, sizeof *data) || data->magic != kernel_data::right_magic) data = nullptr;
  uint32_t silent = 0;
  for (uint32_t i = 0; i < h.cpu_count; ++i) {
    const cpu_left& c = *kexec::cpu_of<cpu_left>(h, i);
    print_state(c);
    print_text(c, "said", c.message);
    print_text(c, "said in NMI", c.nmi_message);
    print_text(c, "said nested", c.nested_message);
    print_backtrace(c, memory);
    if (c.state == lastcpu::stop_state::silent) ++silent;
  }
  if (h.cpus_left_out != 0) line() << "crash: " << h.cpus_left_out << " cpus had no room in the handover";
  if (data != nullptr && data->print_trace != 0) print_timeline(h, *data);
  const bool dumped = dump(const_cast<kexec::handover&>(h), data);
  if (data != nullptr) linger(data->linger_ms, h.ticks_per_second);
  line() << "crash: done, " << h.cpu_count << " cpus, " << silent << " silent";
  leave(dumped ? verdict::reported : verdict::dump_failed);
}
