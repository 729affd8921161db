// SPDX-License-Identifier: BSL-1.0
// What the model can't see: whether a compiler keeps the order of stores against an NMI on the same CPU. The machine
// code is run instruction by instruction (trap flag), and what must hold at each moment is looked at behind each one.

#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace {

using namespace lastcpu;

sigjmp_buf out_of_panic;
struct port : archetype {
  static cpu_id this_cpu() noexcept { return 1; }
  static bool is_online(cpu_id cpu) noexcept { return cpu < 3; }
  static void send_stop(const cpu_set<max_cpus>&, stop_how) noexcept { siglongjmp(out_of_panic, 1); }
};

constexpr port::registers regs{0x1111, 0x2222, 0x3333};
constexpr char text[] = "a message of its own";
constexpr port::image image{0x4444};
constinit crash_domain<port> machine;

int broken = 0;
unsigned long instructions = 0;
unsigned seen = 0;  // each state that an NMI may find, a bit

void expect(bool holds, const char* what) {
  if (holds || broken++ != 0) return;
  std::printf("broken behind instruction %lu: %s\n", instructions, what);
}

void look(int) {
  ++instructions;
  const auto* saved = machine.cpus().registers_of(1);
  const bool whole = saved != nullptr && std::memcmp(saved, &regs, sizeof(regs)) == 0;
  const gate_word gate = machine.gate().read();
  const message_state said = machine.messages().state(1, panic_context::normal);
  expect(saved == nullptr || whole, "the registers are marked as saved, and are not");
  expect(!machine.cpus().acknowledged(1) || whole, "acknowledged, and the registers are not saved");
  expect(
      said != message_state::ready || std::strcmp(machine.messages().text(1, panic_context::normal, false), text) == 0,
      "the message is marked as ready, and is not");
  expect(gate.is_open() || said == message_state::ready, "the gate is claimed, and the message is not kept");
  const auto* slot = reinterpret_cast<const unsigned char*>(&machine.image());
  expect(!machine.image().ready() || std::memcmp(slot + 8, &image, sizeof(image)) == 0,
         "the image is ready, and is not");
  for (cpu_id cpu = 0; cpu < 3; cpu += 2)
    expect(!gate.is_committed() || machine.cpus().state_of(cpu) == stop_state::silent, "committed without a report");
  seen |= 1u << static_cast<unsigned>(said) | (saved != nullptr ? 8u : 0u) | (gate.is_open() ? 16u : 32u) |
          (gate.is_committed() ? 64u : 0u) | (machine.image().ready() ? 128u : 0u) |
          (machine.cpus().acknowledged(1) ? 256u : 0u);
}

void trap(bool on) {
  if (on)
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
  else
    asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

}  // namespace

int main() {
  struct sigaction action {};
  action.sa_handler = look;
  sigaction(SIGTRAP, &action, nullptr);
  if (sigsetjmp(out_of_panic, 1) == 0) {
    trap(true);
    (void)machine.image().load(image);
    machine.panic(text, &regs);
  }
  trap(true);
  lastcpu::detail::inside::of(machine).cpus.acknowledge(1, stop_state::by_nmi);
  trap(false);
  std::printf("%lu instructions, states seen %x\n", instructions, seen);
  return broken == 0 && seen == 0x1ff ? 0 : 1;
}
