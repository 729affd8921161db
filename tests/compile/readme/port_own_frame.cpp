// SPDX-License-Identifier: BSL-1.0
// A kernel on another machine, with a trap frame of its own.
#include <lastcpu/lastcpu.hpp>

struct my_port : lastcpu::platform_defaults<my_port> {
  static constexpr lastcpu::cpu_id max_cpus = 8;
  static lastcpu::cpu_id this_cpu() noexcept { return 0; }
  static bool is_online(lastcpu::cpu_id cpu) noexcept { return cpu == 0; }
  static void send_stop_to(lastcpu::cpu_id, lastcpu::stop_how) noexcept {}
  [[noreturn]] static void park() noexcept {
    for (;;) continue;
  }
};

struct trap_frame {
  uintptr_t numbered[4], pc, sp, cause;
};

#include "port_own_frame.inc"

static bool named_pc;
static void look(const char* piece) noexcept {
  named_pc = named_pc || (piece[0] == 'p' && piece[1] == 'c');
}
constinit lastcpu::crash_domain<framed_port, lastcpu::reporting_policy<look>> machine;

int main(int count, char**) {
  if (count > 1) lastcpu::panic_here(machine, "as asked");
  trap_frame here{};
  framed_port::capture_registers(here);
  lastcpu::cpu_note<trap_frame> note{};
  note.crashing = true;
  note.registers = &here;
  note.message = note.nmi_message = note.nested_message = "";
  lastcpu::reporting_policy<look>::summary(note);
  return here.pc != 0 && here.sp != 0 && named_pc && !machine.gate().in_progress() ? 0 : 1;
}
