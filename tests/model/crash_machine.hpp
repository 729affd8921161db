// SPDX-License-Identifier: BSL-1.0
#pragma once
// The whole crash path as a scenario, and what docs/promises.md says of every run of it. A test derives from it and
// says what each CPU does.

#include <lastcpu/model/explore.hpp>
#include <lastcpu/panic.hpp>

#include "model/expect.hpp"

namespace lastcpu::test {

using model::ending;
using model::interrupt;
using model::note;
using model::require;

/// One way of asking and short texts: fewer moments, the same decisions.
struct model_policy : panic_policy {
  static constexpr uint32_t message_bytes = 16;
  static constexpr rung rungs[] = {{stop_how::nmi, 1000}};
};

/// A port that leaves losers asleep where the gate has been committed, as posix does and x86-64 with a wake vector.
template <cpu_id N>
struct drowsy_platform : model::platform<N> {
  template <class T>
  static void wake(const model::atomic<T>& word) noexcept {
    if constexpr (sizeof(T) == sizeof(uintptr_t))
      if (gate_word{word.load(order::acquire)}.is_committed()) return;
    model::platform<N>::wake(word);
  }
};

template <cpu_id N, class Policy = model_policy, class Port = model::platform<N>>
struct crash_machine : model::scenario {
  static constexpr cpu_id cpus = N;
  using P = Port;
  using registers = typename P::registers;

  crash_domain<P, Policy> domain;

  // --- For run(): what the tests do, noted for the verdict.

  void load_image() { (void)domain.image().load({1}); }
  [[noreturn]] void panic(cpu_id me) {
    note(panicked) |= 1u << me;
    note(living) &= ~(uint64_t{1} << me);
    const registers r{crash_pc + me};
    domain.panic("panic", &r);
  }
  kexec_outcome oops(cpu_id me) {
    const registers r{crash_pc + me};
    return domain.crash_kexec(&r, "oops");
  }

  // --- Handlers.

  void nmi(cpu_id me, interrupt which) override {
    const registers r{nmi_pc + me};
    (void)domain.handle_nmi(r);
    if (which != interrupt::injected_nmi) return;
    note(panicked) |= 1u << me;
    domain.nmi_panic("nmi", r);
  }
  void irq(cpu_id me) override {
    const registers r{nmi_pc + me};
    (void)domain.handle_stop_irq(r);
  }

  // --- What must hold.

  void on_trace(const trace_event& e) override {
    const gate_word gate = domain.gate().read();
    if (e.kind == trace_kind::step_begun) {
      require(gate.owner() == e.cpu, "promise 1: a CPU runs a step and does not own the gate");
      require(e.value > note(last_step), "promise 7: a step runs twice, or in the wrong order");
      note(last_step) = e.value;
    }
    if (e.kind == trace_kind::stop_sent)
      require(gate.owner() == e.cpu && gate.is_committed(),
              "promise 3: a stop is sent by a CPU that has not committed");
    if (e.kind == trace_kind::acknowledged)
      require(model::state_of(e.cpu).level != model::context::thread || (note(living) >> e.cpu & 1) == 0,
              "promise 3: a CPU that has acknowledged runs on");
  }

  void finish(ending how, cpu_id by) override {
    const gate_word gate = domain.gate().read();
    if (how == ending::quiet) {
      require(note(panicked) == 0, "promise 2: a panic was lost");
      require(gate.is_open(), "promise 14: everybody lives on, but the gate stays shut");
      for (cpu_id cpu = 0; cpu < N; ++cpu) {
        require(model::state_of(cpu).irqs_on, "promise 14: interrupts stay off");
        require(!model::state_of(cpu).parked, "promise 14: nobody has committed, and a CPU has parked");
      }
      return;
    }
    require(gate.owner() == by && gate.is_committed(), "promise 1: a CPU that does not own the gate ends the machine");
    require(model::state_of(by).clock == 0 || note(may_be_silent) != 0,
            "promise 6: the owner waits until its deadline although everybody has answered");
    for (cpu_id cpu = 0; cpu < N; ++cpu) check(cpu, by);
  }

  std::string name(const void* address) const override {
    const auto at = [this](const void* a) { return static_cast<const char*>(a) - reinterpret_cast<const char*>(this); };
    const auto offset = at(address);
    constexpr auto per_cpu = static_cast<std::ptrdiff_t>(64);
    if (offset == at(&domain.gate())) return "gate";
    if (offset == at(&domain.image())) return "image state";
    if (offset >= at(&domain.messages())) {
      const auto in = offset - at(&domain.messages());
      const char* contexts[] = {"message", "nmi message", "nested message"};
      if (in < per_cpu * (N + 1) && in % per_cpu < 60)
        return contexts[in % per_cpu / 20] + (" " + std::to_string(in / per_cpu));
    } else if (offset >= at(&domain.cpus()) && offset < at(&domain.cpus()) + per_cpu * static_cast<int>(N)) {
      const auto in = offset - at(&domain.cpus());
      const char* fields[] = {"ack", "saved", "begun", "entry", "registers"};
      return fields[in % per_cpu / 4 < 4 ? in % per_cpu / 4 : 4] + (" " + std::to_string(in / per_cpu));
    }
    return {};
  }
  std::string value(const void* address, uint64_t bits) const override {
    if (address != static_cast<const void*>(&domain.gate())) return {};
    static constexpr const char* phases[] = {"open", "trial", "panicking", "offered", "dumping", "jumping", "?", "?"};
    const gate_word w{bits};
    if (w.is_open()) return "open";
    return std::string(phases[static_cast<uint32_t>(w.phase())]) + "(" + std::to_string(w.owner()) + ")" +
           (w.pending() ? " pending" : "") + " step " + std::to_string(w.step());
  }

  static constexpr uintptr_t crash_pc = 1000;
  static constexpr uintptr_t nmi_pc = 2000;
  enum notes : uint32_t { panicked, living, last_step, faults, of_the_test };

 private:
  [[gnu::noinline]] void check(cpu_id cpu, cpu_id by) const {
    const stop_state state = domain.cpus().state_of(cpu);
    const auto* regs = domain.cpus().registers_of(cpu);
    if (cpu == by) {
      require(regs != nullptr, "promise 8: the registers of the CPU that crashed are missing");
      require(!domain.cpus().acknowledged(cpu), "promise 3: the owner counts as stopped");
    } else if (state == stop_state::silent) {
      require(model::state_of(cpu).deaf || note(may_be_silent) != 0, "promise 5: a CPU that answers is named silent");
    } else {
      require(domain.cpus().acknowledged(cpu), "promise 5: a CPU is named stopped and has not said so");
      require(regs != nullptr, "promise 8: the registers of a CPU that has answered are missing");
    }
    if (regs != nullptr)
      require(regs->pc == crash_pc + cpu || regs->pc == nmi_pc + cpu || regs->pc == P::captured + cpu,
              "promise 8: the registers of a CPU are not its own");
    const bool said = domain.messages().state(cpu, panic_context::normal) != message_state::none ||
                      domain.messages().state(cpu, panic_context::nmi) != message_state::none;
    require(said || regs == nullptr || regs->pc != crash_pc + cpu, "promise 2: a message is lost");
  }

 public:
  static constexpr uint32_t may_be_silent = 12;  // notes: the deadline may pass before a CPU answers
};

}  // namespace lastcpu::test
