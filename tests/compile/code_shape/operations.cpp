// SPDX-License-Identifier: BSL-1.0
// The operations whose instructions are counted, each a function of its own on a bare machine; twin.S has each once
// more, by hand. The program does every one of them on both sides, ours and the twin's, and ends with 0 when both have
// given the same answer and left the same word behind. code_shape_test.py runs it under callgrind, and counts.
//
// A claim answers with its outcome alone: the word that it was read from is in a register, for a caller that inlines it
// and asks for it.
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

extern "C" {
uint32_t this_cpu_number = 0;  // as a kernel reads it
uintptr_t twin_gate = 0;
}

// There is no library to bring it.
inline void* operator new(size_t, void* at) noexcept {
  return at;
}

// Names that other files could see, as in a kernel: what is private to a file is compiled otherwise.
namespace code_shape {

using namespace lastcpu;

struct port : archetype {
  static cpu_id this_cpu() noexcept { return this_cpu_number; }
};

constinit crash_domain<port> machine;
constinit port::registers interrupted{};

}  // namespace code_shape

using namespace code_shape;

#define LASTCPU_OPERATION(name, expression)                                  \
  extern "C" decltype(expression) twin_##name() noexcept;                    \
  extern "C" [[gnu::noinline]] decltype(expression) ours_##name() noexcept { \
    return expression;                                                       \
  }

LASTCPU_OPERATION(claim_trial, lastcpu::detail::inside::of(machine).gate.claim(hold::trial).outcome)
LASTCPU_OPERATION(claim_final, lastcpu::detail::inside::of(machine).gate.claim(hold::final).outcome)
LASTCPU_OPERATION(release, lastcpu::detail::inside::of(machine).gate.release())
LASTCPU_OPERATION(in_progress, machine.gate().in_progress())
LASTCPU_OPERATION(on_this_cpu, machine.gate().on_this_cpu())
LASTCPU_OPERATION(on_other_cpu, machine.gate().on_other_cpu())
LASTCPU_OPERATION(handle_nmi, machine.handle_nmi(interrupted))
LASTCPU_OPERATION(handle_stop_irq, machine.handle_stop_irq(interrupted))

namespace {

constexpr cpu_id here = 1;
constexpr cpu_id elsewhere = 2;

void open() {
  new (&lastcpu::detail::inside::of(machine).gate) panic_cpu<port>;
}
void hold_it(cpu_id cpu, hold how) {
  open();
  this_cpu_number = cpu;
  (void)lastcpu::detail::inside::of(machine).gate.claim(how);
}
void on_trial_here() {
  hold_it(here, hold::trial);
}
void on_trial_elsewhere() {
  hold_it(elsewhere, hold::trial);
}
void panic_elsewhere() {
  hold_it(elsewhere, hold::final);
}

template <auto Ours, auto Twin, auto Answer>
bool both() {
  return Ours() == Answer && Twin() == Answer;
}

template <auto Ours, auto Twin>
bool both_return() {
  return Ours(), Twin(), true;
}

struct operation {
  void (*arrange)();
  bool (*both_answer)();
};

// The order is that of OPERATIONS in code_shape_test.py.
constexpr operation operations[] = {
    {open, both<ours_claim_trial, twin_claim_trial, claim_outcome::won>},
    {open, both<ours_claim_final, twin_claim_final, claim_outcome::won>},
    {panic_elsewhere, both<ours_claim_trial, twin_claim_trial, claim_outcome::other>},
    {panic_elsewhere, both<ours_claim_final, twin_claim_final, claim_outcome::other>},
    {on_trial_here, both<ours_release, twin_release, release_outcome::released>},
    {open, both<ours_in_progress, twin_in_progress, false>},
    {on_trial_elsewhere, both<ours_in_progress, twin_in_progress, true>},
    {open, both<ours_on_this_cpu, twin_on_this_cpu, false>},
    {open, both<ours_on_other_cpu, twin_on_other_cpu, false>},
    {open, both_return<ours_handle_nmi, twin_handle_nmi>},
    {on_trial_elsewhere, both_return<ours_handle_nmi, twin_handle_nmi>},
    {open, both_return<ours_handle_stop_irq, twin_handle_stop_irq>},
};

bool both_do(const operation& o) {
  o.arrange();
  this_cpu_number = here;
  twin_gate = machine.gate().read().bits();
  return o.both_answer() && twin_gate == machine.gate().read().bits();
}

[[noreturn]] void end(long status) {
  asm volatile("syscall" : : "a"(231L), "D"(status));
  __builtin_unreachable();
}

}  // namespace

extern "C" [[gnu::force_align_arg_pointer, noreturn]] void _start() {
  long number = 0;
  for (const operation& o : operations) {
    ++number;
    if (!both_do(o)) end(number);
  }
  end(0);
}
