// SPDX-License-Identifier: BSL-1.0
// A crash kernel: one CPU, 64-bit mode, memory mapped at its physical address, interrupts off. It says what it was told
// and what it finds in the dead kernel's memory. Put a disk or a network behind it, and it is a dumper.

#include <lastcpu/kexec/handover.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>
#include <lastcpu/platform/x86_64/registers.hpp>

#include "../kernel/console.hpp"
#include "../kernel/kernel_data.hpp"
#include "../kernel/uart.hpp"
#include "old_memory.hpp"
#include "timeline.hpp"

namespace {

namespace kexec = lastcpu::kexec;
namespace x86 = lastcpu::x86;
using console::line;
using flag = kexec::handover_flag;
using cpu_left = kexec::handover_cpu<x86::registers>;

// For a QEMU with -device isa-debug-exit,iobase=0xf4,iosize=4: its exit status is twice the value plus one.
enum class verdict : uint32_t { reported = 16, bad_handover = 18 };

[[noreturn]] void finish(verdict v) noexcept {
  x86::out32(0xf4, static_cast<uint32_t>(v));
  x86::out8(0xcf9, 0x06);  // where there is no such device: restart
  for (;;) {
    x86::cli();
    x86::halt();
  }
}

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

// A chain that goes in a circle ends at the bound; one that changes the stack, as an NMI does, may go up or down.
void print_backtrace(const cpu_left& c, const old_memory& memory) noexcept {
  if (!c.has(flag::registers_valid)) return;
  line out;
  out << "crash: cpu " << c.cpu << "   #0 " << hex{c.regs.rip};
  uint64_t frame = c.regs.rbp;
  for (uint32_t depth = 1; depth <= 8; ++depth) {
    uint64_t outer = 0;
    uint64_t return_address = 0;
    constexpr uint64_t upper_half = uint64_t{1} << 63;
    if (frame < upper_half || !memory.read(frame, outer) || !memory.read(frame + 8, return_address) ||
        return_address == 0)
      return;
    out << " #" << depth << " " << hex{return_address};
    frame = outer;
  }
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

}  // namespace

extern "C" [[noreturn, gnu::section(".entry")]] void crash_main(const kexec::handover<x86::registers>* from) noexcept {
  const uint64_t now = x86::rdtsc();
  uart::set_up();
  uart::put("\r\n");  // the dead kernel may have been in the middle of a line
  if (!from->valid()) {
    line() << "crash: the handover at " << hex{reinterpret_cast<uint64_t>(from)} << " is not one";
    finish(verdict::bad_handover);
  }
  const kexec::handover<x86::registers>& h = *from;
  line() << "crash: started, panic to here " << microseconds(now - h.panic_ticks, h.ticks_per_second) << " us";
  const auto* data = reinterpret_cast<const kernel_data*>(h.kernel_data);
  if (data->magic != kernel_data::right_magic) data = nullptr;
  static constexpr ram_map none{};
  constexpr uint64_t five_levels = 1u << 12;
  const old_memory memory(h.page_tables, (x86::read_cr4() & five_levels) != 0, h.map_bytes,
                          data != nullptr ? data->ram : none);
  uint32_t silent = 0;
  for (uint32_t i = 0; i < h.cpu_count; ++i) {
    const cpu_left& c = *h.cpu(i);
    print_state(c);
    print_text(c, "said", c.message);
    print_text(c, "said in NMI", c.nmi_message);
    print_text(c, "said nested", c.nested_message);
    print_backtrace(c, memory);
    if (c.state == lastcpu::stop_state::silent) ++silent;
  }
  if (h.cpus_left_out != 0) line() << "crash: " << h.cpus_left_out << " cpus had no room in the handover";
  if (data != nullptr && data->print_trace != 0) print_timeline(*data);
  if (data != nullptr) linger(data->linger_ms, h.ticks_per_second);
  line() << "crash: done, " << h.cpu_count << " cpus, " << silent << " silent";
  finish(verdict::reported);
}
