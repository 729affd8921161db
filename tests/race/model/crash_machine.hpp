// SPDX-License-Identifier: BSL-1.0
#pragma once
// The whole crash path as a scenario, and what docs/promises.md says of every run of it. A test derives from it and
// says what each CPU does.

#include <array>

#include "race/model/expect.hpp"
#include "race/model/promises.hpp"
#include "race/model/witness.hpp"

namespace lastcpu::test {

using model::ending;
using model::interrupt;
using model::note;
using model::require;

/// A port that leaves losers asleep where the gate has been committed, as posix does and x86-64 with a wake vector.
template <cpu_id N>
struct drowsy_platform : model::platform<N> {
  template <class T>
  static void wake(const model::atomic<T>& word, wake_reason why) noexcept {
    if (why != wake_reason::committed) model::platform<N>::wake(word, why);
  }
};

// A port that faults where a loser waits or parks says so.
template <class Port>
[[nodiscard]] consteval events told_by() noexcept {
  if constexpr (requires { Port::told; })
    return Port::told;
  else
    return events::all_told;
}

template <cpu_id N, class Policy = model_policy, class Port = model::platform<N>>
struct crash_machine : witness {
  static constexpr cpu_id cpus = N;
  using of_the_trace = promises<N, told_by<Port>()>;
  using P = witnessed<Port>;
  using registers = typename P::registers;

  crash_domain<P, Policy> domain;

  // --- For run(): what the tests do, noted for the verdict.

  void load_image() { (void)domain.image().load({1}); }
  [[noreturn]] void panic(cpu_id me) {
    note(panicked) |= 1u << me;
    note(living) &= ~(uint64_t{1} << me);
    const registers r{crash_pc + me};
    domain.panic(panic_text[me], &r);
  }
  kexec_outcome oops(cpu_id me) {
    const registers r{crash_pc + me};
    return domain.crash_kexec(&r, oops_text[me]);
  }

  // --- Handlers.

  void nmi(cpu_id me, interrupt which) override {
    const registers r{nmi_pc + me};
    domain.handle_nmi(r);
    if (which != interrupt::injected_nmi) return;
    note(panicked) |= 1u << me;
    domain.nmi_panic(nmi_text[me], r);
  }
  void irq(cpu_id me) override {
    const registers r{nmi_pc + me};
    domain.handle_stop_irq(r);
  }

  // --- What must hold.

  void on_trace(const trace_event& e) override {
    of_the_trace::see(e);
    if (e.kind == trace_kind::claim_won && static_cast<phase>(e.value) == phase::trial)
      require(!domain.gate().read().wanted(), "promise 2: a trial takes the gate that a panic waits for");
    if (e.kind == trace_kind::acknowledged) check_answer(e.cpu, static_cast<stop_state>(e.value));
  }
  void reported(cpu_id cpu, std::string_view message, uintptr_t pc) override {
    require(domain.gate().on_this_cpu() && cpu == P::this_cpu(), "promise 1: the report is not of the owner");
    if (message == nmi_text[cpu]) return require(pc == nmi_pc + cpu, "promise 8: an NMI's panic has other registers");
    require(message == panic_text[cpu] || message == oops_text[cpu], "promise 2: a report says what nobody said");
    require(pc == crash_pc + cpu || (pc == 0 && note(faults) != 0), "promise 8: a panic has registers of another one");
  }
  void told_why(kexec_outcome why) override {
    require(why == kexec_outcome::no_image || why == kexec_outcome::image_busy || note(faults) != 0,
            "an odd reason for no crash kernel");
    require(++note(reasons) == 1, "why there is no crash kernel is told twice");
  }
  void noted(const cpu_note<uintptr_t>& n) override {
    require(n.cpu < N && n.crashing == (n.cpu == P::this_cpu()), "the note of another CPU says that it crashed");
    require(n.crashing == (note(notes_saved) == 0), "the crashing CPU's note is not the first one");
    require((note(notes_saved) & ~(uint64_t{1} << P::this_cpu())) >> n.cpu == 0, "the notes are not in order");
    note(notes_saved) |= uint64_t{1} << n.cpu;
    require(n.state == domain.cpus().state_of(n.cpu), "promise 5: a note and the report differ");
    require((n.registers == nullptr) == (n.state == stop_state::silent),
            "promise 8: registers of a silent CPU, or none");
    if (n.registers != nullptr) check_registers(n.cpu, *n.registers);
    check_texts(n.cpu, n.message, n.nmi_message, n.nested_message, n.cut_short);
  }
  void shut_down(uintptr_t pc) override {
    require(note(notes_saved) == (1u << N) - 1, "promise 8: a CPU has no note");
    check_registers(P::this_cpu(), pc);
  }

  void finish(ending how, cpu_id by) override {
    const gate_word gate = domain.gate().read();
    of_the_trace::end(how, by);
    if (how == ending::quiet) {
      require(note(panicked) == 0, "promise 2: a panic was lost");
      require(gate.is_open(), "promise 14: everybody lives on, but the gate stays shut");
      for (cpu_id cpu = 0; cpu < N; ++cpu) require(!has_said(cpu, any), "promise 14: a message stays behind");
      for (cpu_id cpu = 0; cpu < N; ++cpu) {
        require(model::state_of(cpu).irqs_on, "promise 14: interrupts stay off");
        require(!model::state_of(cpu).parked, "promise 14: nobody has committed, and a CPU has parked");
      }
      return;
    }
    require(gate.owner() == by && gate.is_committed(), "promise 1: a CPU that does not own the gate ends the machine");
    require(model::state_of(by).clock == 0 || note(may_be_silent) != 0,
            "promise 6: the owner waits until its deadline although everybody has answered");
    require(how == ending::jumped || note(reasons) == 1 || note(faults) != 0, "why nothing boots is not told");
    require(has_said(by, any), "promise 2: the owner has no message");
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
      if (offset == at(&detail::inside::oops_of(domain))) return "the oops";
    } else if (offset >= at(&domain.cpus())) {
      return name_in_cpus(offset - at(&domain.cpus()));
    }
    return {};
  }
  // As stop_cpus lies in memory: a line of the owner's, then a record for each CPU.
  static std::string name_in_cpus(std::ptrdiff_t in) {
    constexpr std::ptrdiff_t line = 64, words_before_the_entries = 2;
    static_assert(N + words_before_the_entries <= line / 4);
    const auto word = in % line / 4;
    if (in < line && word < words_before_the_entries) return word == 0 ? "rungs done" : "collected";
    if (in < line) return "entry " + std::to_string(word - words_before_the_entries);
    const char* fields[] = {"ack", "saved", "begun", "descents", "registers"};
    return fields[word < 4 ? word : 4] + (" " + std::to_string(in / line - 1));
  }
  std::string value(const void* address, uint64_t bits) const override {
    if (address != static_cast<const void*>(&domain.gate())) return {};
    const gate_word w{bits};
    const char* wanted = w.wanted() ? " wanted" : "";
    if (w.is_open()) return std::string("open") + wanted;
    return std::string(to_string(w.phase())) + "(" + std::to_string(w.owner()) + ")" + wanted +
           (w.pending() ? " pending" : "") + " step " + std::to_string(w.step());
  }

  enum said_in : uint32_t { in_thread = 1, in_nmi = 2, any = 7 };  // by panic_context, as bits
  static constexpr uintptr_t crash_pc = 1000;
  static constexpr uintptr_t nmi_pc = 2000;
  enum notes : uint32_t { panicked, living, faults = 3, of_the_test, notes_saved, reasons };
  static constexpr std::array panic_text{"panic 0", "panic 1", "panic 2", "panic 3"};
  static constexpr std::array oops_text{"oops 0", "oops 1", "oops 2", "oops 3"};
  static constexpr std::array nmi_text{"nmi 0", "nmi 1", "nmi 2", "nmi 3"};

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
    if (regs != nullptr) check_registers(cpu, regs->pc);
    if (regs != nullptr && domain.messages().state(cpu, panic_context::normal) == message_state::ready &&
        domain.messages().text(cpu, panic_context::normal, true) == std::string_view{panic_text[cpu]})
      require(regs->pc == crash_pc + cpu, "promise 8: message and registers are of two crashes");
    const auto text = [&](panic_context c) { return domain.messages().text(cpu, c, true); };
    check_texts(cpu, text(panic_context::normal), text(panic_context::nmi), text(panic_context::nested), true);
  }

  [[nodiscard]] bool has_said(cpu_id cpu, said_in in) const {
    for (const panic_context c : {panic_context::normal, panic_context::nmi, panic_context::nested})
      if ((in >> static_cast<uint32_t>(c) & 1) != 0 && domain.messages().state(cpu, c) != message_state::none)
        return true;
    return false;
  }

  void check_answer(cpu_id cpu, stop_state how) const {
    const model::context level = model::state_of(cpu).level;
    require(level != model::context::thread || (note(living) >> cpu & 1) == 0,
            "promise 3: a CPU that has acknowledged runs on");
    require(how == stop_state::parked || (how == stop_state::by_nmi && level == model::context::nmi) ||
                (how == stop_state::by_irq && level == model::context::irq),
            "promise 5: a CPU says that it was stopped in another way");
    require(domain.cpus().registers_of(cpu) != nullptr, "promise 8: a CPU answers and has saved no registers");
  }

  // Whoever panicked has the registers of its panic; whoever was stopped, those of the stop.
  void check_registers(cpu_id cpu, uintptr_t pc) const {
    const bool owner = domain.gate().read().is_held_by(cpu);
    require(pc == crash_pc + cpu || pc == nmi_pc + cpu, "promise 8: the registers of a CPU are not its own");
    require(pc != crash_pc + cpu || has_said(cpu, in_thread), "promise 2: a message is lost");
    require(pc != nmi_pc + cpu || !owner || has_said(cpu, in_nmi), "promise 8: the owner has registers of no panic");
  }

  void check_texts(cpu_id cpu, std::string_view normal, std::string_view nmi, std::string_view nested, bool cut) const {
    const auto is = [cut](std::string_view text, std::string_view whole) {
      return text.empty() || text == whole || (cut && text == "(being written)");
    };
    const bool of_a_fault = note(faults) != 0 && is(normal, "fault");  // in NMI, where this text was still free
    require(is(normal, panic_text[cpu]) || normal == oops_text[cpu] || of_a_fault,
            "promise 2: a message is not its CPU's");
    require(is(nmi, nmi_text[cpu]), "promise 2: a message in NMI is not its CPU's");
    require(is(nested, "fault") || is(nested, panic_text[cpu]) || is(nested, oops_text[cpu]),
            "promise 2: a nested message is not its CPU's");
  }

 public:
  static constexpr uint32_t may_be_silent = 12;  // notes: the deadline may pass before a CPU answers
};

}  // namespace lastcpu::test
