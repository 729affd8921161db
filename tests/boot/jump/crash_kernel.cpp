// SPDX-License-Identifier: BSL-1.0
// Looks at everything that jump.hpp promises it, then ends QEMU with a verdict.
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>
#include <lastcpu/platform/x86_64/trampoline.hpp>

#include "boot/jump/common.hpp"

using namespace lastcpu::kexec;
using namespace lastcpu::x86;

namespace {

void require(bool right, verdict otherwise) {
  if (!right) end(otherwise);
}

void look_at_segments() {
  uint16_t cs, ss, ds, es, fs, gs, ldt;
  asm("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2; mov %%es, %3" : "=r"(cs), "=r"(ss), "=r"(ds), "=r"(es));
  asm("mov %%fs, %0; mov %%gs, %1; sldt %2" : "=r"(fs), "=r"(gs), "=r"(ldt));
  require(cs == crash_code_selector && ss == crash_data_selector && ds == ss && es == ss, verdict::wrong_segments);
  require(fs == 0 && gs == 0 && ldt == 0, verdict::wrong_segments);
}

void look_at_control_registers(bool five_levels) {
  require(read_cr0() == crash_cr0, verdict::wrong_cr0);
  require(read_cr4() == (crash_cr4 | (five_levels ? 0x1000u : 0u)), verdict::wrong_cr4);
  require((read_flags() & ~uint64_t{0x8d5}) == 2, verdict::wrong_flags);  // but the arithmetic ones
  uint64_t dr7;
  asm("mov %%dr7, %0" : "=r"(dr7));
  require((dr7 & 0xff) == 0, verdict::wrong_breakpoints);
}

void look_at_handover(const handover& h) {
  const opened_handover opened = open_handover<core_registers>(&h, h.bytes);
  require(opened.error == handover_error::none && h.cpu_count == 1, verdict::wrong_handover);
  const auto& first = *cpu_of<lastcpu::x86::handover_cpu>(h, 0);
  require(first.regs.rip == saved_rip && first.message[3] == 'm', verdict::wrong_handover);
  require(h.page_tables != 0 && h.page_tables != read_cr3() && h.jump_ticks != 0 && h.jump_ticks < rdtsc(),
          verdict::wrong_stamps);
}

void use_memory(const handover& h) {
  auto* free = reinterpret_cast<volatile unsigned char*>(h.free_physical);
  free[0] = 1;
  free[h.free_bytes - 1] = 1;
  (void)*reinterpret_cast<volatile unsigned char*>(h.map_bytes - 1);
}

interrupt_gate gates[256];
extern "C" volatile uint32_t nmi_count;
volatile uint32_t nmi_count = 0;
asm("count_nmi: incl nmi_count(%rip)\n\tiretq");
extern "C" const char count_nmi[];

// The first one goes to the handler that the jump has left, which ignores it.
void take_nmis() {
  send_nmi_to_self(0);
  gates[2] = interrupt_gate::to(reinterpret_cast<uint64_t>(count_nmi), crash_code_selector);
  pseudo_descriptor before;
  asm("sidt %0" : "=m"(before));
  lidt({sizeof gates - 1, reinterpret_cast<uint64_t>(gates)});
  send_nmi_to_self(0);
  for (uint32_t i = 0; i < 1'000'000 && nmi_count == 0; ++i) pause();
  require(nmi_count != 0, verdict::nmi_is_blocked);
  lidt(before);
}

}  // namespace

extern "C" [[noreturn]] void crash_kernel(const handover* h) {
  require(reinterpret_cast<uint64_t>(__builtin_frame_address(0)) % 16 == 0, verdict::wrong_stack);
  look_at_segments();
  look_at_control_registers(LASTCPU_FIVE_LEVELS);
  look_at_handover(*h);
  use_memory(*h);
  asm volatile("cvtsi2sd %rax, %xmm0");
  take_nmis();
  if (h->kernel_data == fault_please) {
    out8(0xe9, 'f');
    asm volatile("ud2");
  }
  end(verdict::right);
  for (;;) halt();
}
