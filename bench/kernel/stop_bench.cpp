// SPDX-License-Identifier: BSL-1.0
// How long it takes to stop the other CPUs by NMI, in the example kernel, beside the least that it can take: broadcast
// an NMI, each CPU sets a flag, look at the flags. One round of each in turn, over and over, in one boot.
//
// A CPU that has stopped is brought back: its park() returns to what the NMI interrupted, so that lastcpu's handler,
// registers and acknowledgement included, is measured as often as wanted. Some CPUs may be losers that wait for the
// gate: they are asked nothing.

#include <lastcpu/platform/x86_64/entry.hpp>

#include "../../examples/kernel/after_boot.hpp"
#include "../../examples/kernel/command_line.hpp"
#include "../../examples/kernel/console.hpp"
#include "../../examples/kernel/nmi.hpp"
#include "../../examples/kernel/panic.hpp"

extern "C" {
void lost_race_entry() noexcept;
void on_lost_race(lastcpu::x86::registers* regs) noexcept;
}
LASTCPU_X86_ENTRY(lost_race_entry, on_lost_race);

using lastcpu::cpu_id;
using lastcpu::order;
namespace x86 = lastcpu::x86;

namespace {

enum class round_kind : uint32_t { none, raw, ours };
constexpr uint8_t loser_vector = 0xf2;

struct alignas(64) per_cpu {
  lastcpu::atomic<uint64_t> raw_round{};
  lastcpu::atomic<uint64_t> stopped_round{};
  const x86::registers* interrupted = nullptr;
};
constinit per_cpu state[port::max_cpus] = {};
alignas(64) constinit lastcpu::atomic<uint32_t> kind{};
constinit lastcpu::atomic<uint64_t> round_number{};  // written before `kind`, and before the gate is committed

// Back to where an entry stub's frame says, NMIs unblocked.
[[noreturn, gnu::naked]] void resume(const x86::registers* /* in rdi */) noexcept {
  asm("movq %rdi, %rsp\n\tpopq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\t"
      "popq %r11\n\tpopq %r10\n\tpopq %r9\n\tpopq %r8\n\tpopq %rax\n\tpopq %rcx\n\tpopq %rdx\n\tpopq %rsi\n\t"
      "popq %rdi\n\taddq $8, %rsp\n\tiretq");
}

struct bench_port : lastcpu::x86_64<bench_port> {
  static constexpr cpu_id max_cpus = port::max_cpus;
  static constexpr uint8_t stop_vector = port::stop_vector;
  static constexpr uint8_t wake_vector = port::wake_vector;
  static bool owns_every_cpu() noexcept { return port::owns_every_cpu(); }
  static bool may_take_interrupts() noexcept { return port::may_take_interrupts(); }
  static cpu_id this_cpu() noexcept { return port::this_cpu(); }
  static cpu_id cpu_limit() noexcept { return port::cpu_limit(); }
  static bool is_online(cpu_id cpu) noexcept { return port::is_online(cpu); }
  static uint32_t apic_id(cpu_id cpu) noexcept { return port::apic_id(cpu); }
  static volatile void* lapic_page() noexcept { return port::lapic_page(); }
  static uint64_t ticks_per_second() noexcept { return port::ticks_per_second(); }

  [[noreturn]] static void park() noexcept {
    per_cpu& mine = state[this_cpu()];
    mine.stopped_round.store(round_number.load(order::relaxed), order::release);
    resume(mine.interrupted);
  }
};

constinit lastcpu::crash_domain<bench_port> ours;
constexpr lastcpu::rung by_nmi{lastcpu::stop_how::nmi, 10'000'000};

bool on_nmi(const x86::registers& regs) noexcept {
  per_cpu& mine = state[port::this_cpu()];
  mine.interrupted = &regs;
  switch (static_cast<round_kind>(kind.load(order::acquire))) {
    case round_kind::raw:
      mine.raw_round.store(round_number.load(order::acquire), order::release);
      return true;
    case round_kind::ours:
      ours.handle_nmi(regs);
      return true;
    case round_kind::none:
      break;
  }
  return false;
}

void begin_round(round_kind next) noexcept {
  round_number.store(round_number.load(order::relaxed) + 1, order::release);
  kind.store(static_cast<uint32_t>(next), order::release);
}

uint64_t raw_round() noexcept {
  begin_round(round_kind::raw);
  const uint64_t number = round_number.load(order::relaxed);
  const uint64_t begun = x86::rdtsc();
  (void)port::local_apic::send_others(x86::ipi_message::nmi());
  for (cpu_id cpu = 1; cpu < cpus::count(); ++cpu)
    while (state[cpu].raw_round.load(order::acquire) != number) x86::pause();
  return x86::rdtsc() - begun;
}

constexpr uint64_t settle_us = 200;  // whoever has nothing to do any more goes to sleep

// CPUs 1 .. losers wait for the gate before the clock starts.
void park_losers(cpu_id losers) noexcept {
  for (cpu_id cpu = 1; cpu <= losers; ++cpu)
    (void)port::local_apic::send(port::apic_id(cpu), x86::ipi_message::fixed(loser_vector));
  for (cpu_id cpu = 1; cpu <= losers; ++cpu)
    while (!ours.cpus().acknowledged(cpu)) x86::pause();
}

uint64_t our_round(cpu_id losers) noexcept {
  const uint64_t irqs = port::irq_save();
  if (!lastcpu::detail::inside::of(ours).gate.claim(lastcpu::hold::final).won()) return 0;
  begin_round(round_kind::ours);
  park_losers(losers);
  clock::wait_us(losers != 0 ? settle_us : 0);
  lastcpu::detail::inside::of(ours).cpus.expect_all(0);
  const uint64_t begun = x86::rdtsc();
  if (!lastcpu::detail::inside::of(ours).gate.commit()) return 0;
  lastcpu::detail::inside::of(ours).cpus.climb(0, 0, by_nmi);
  const uint64_t took = x86::rdtsc() - begun;
  x86::wake_dozers<bench_port>();  // as crash_shutdown() does
  port::irq_restore(irqs);
  return took;
}

// No CPU is inside lastcpu any more, and everybody has answered.
bool everybody_stopped() noexcept {
  const uint64_t number = round_number.load(order::relaxed);
  for (cpu_id cpu = 1; cpu < cpus::count(); ++cpu)
    while (state[cpu].stopped_round.load(order::acquire) != number) x86::pause();
  lastcpu::detail::inside::of(ours).cpus.collect(0);
  const auto report = ours.cpus().report();
  return report.status() == lastcpu::stop_status::stopped && report.count(lastcpu::stop_state::by_nmi) != 0;
}

struct sample {
  uint64_t raw, ours;
};
constexpr uint64_t most_rounds = 1000;
constinit sample samples[most_rounds] = {};

void settle() noexcept {
  clock::wait_us(settle_us);
}

// As newly made, which is zeros.
template <class Domain>
void make_new(Domain& domain) noexcept {
  using word [[gnu::may_alias]] = volatile uintptr_t;
  auto* words = reinterpret_cast<word*>(&domain);
  for (size_t i = 0; i < sizeof domain / sizeof(word); ++i) words[i] = 0;
}

uint64_t one_of_ours(cpu_id losers, uint64_t number) noexcept {
  const uint64_t took = our_round(losers);
  if (took == 0 || !everybody_stopped()) console::line() << "bench: round " << number << " failed";
  settle();
  make_new(ours);
  return took;
}

// Each goes first in every second round. Nothing is printed in between.
void measure(cpu_id losers, uint64_t rounds) noexcept {
  for (uint64_t i = 0; i < rounds; ++i) {
    if (i % 2 != 0) samples[i].ours = one_of_ours(losers, i);
    samples[i].raw = raw_round();
    settle();
    if (i % 2 == 0) samples[i].ours = one_of_ours(losers, i);
  }
  for (uint64_t i = 0; i < rounds; ++i)
    console::line() << "bench: " << losers << " losers raw " << samples[i].raw << " ours " << samples[i].ours;
}

}  // namespace

// A loser: what an interrupted CPU does that panics and finds the gate taken.
void on_lost_race(x86::registers* regs) noexcept {
  port::local_apic::eoi();
  state[port::this_cpu()].interrupted = regs;
  lastcpu::wait_for_gate(lastcpu::detail::inside::of(ours).gate, lastcpu::detail::inside::of(ours).cpus, regs);
}

void after_boot() noexcept {
  const uint64_t wanted = command_line::number("rounds", 100);
  const uint64_t rounds = wanted < most_rounds ? wanted : most_rounds;
  const cpu_id others = cpus::count() - 1;
  nmi::set_handler(on_nmi);
  descriptors::set_gate(loser_vector, lost_race_entry);
  clock::wait_us(10'000);
  measure(0, rounds);
  if (others >= 3) measure(others / 2, rounds);
  if (others >= 2) measure(others - 1, rounds);
  console::line() << "bench: done";
  x86::out32(0xf4, 0);
}
