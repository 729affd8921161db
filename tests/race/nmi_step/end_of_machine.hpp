// SPDX-License-Identifier: BSL-1.0
#pragma once
// Judges a dead machine, whatever happened to it: what its trace shows of the promises (support/trace_promises.hpp).
// Beside it, that one end came (promise 1), everybody else was stopped (5) and the crash kernel was told (8), or that
// life went on (14).

#include <sys/wait.h>

#include <string>

#include "support/trace_promises.hpp"
#include "trial.hpp"

namespace nmi_step {

class end_of_machine {
 public:
  end_of_machine(const scenario& play, const happening& what) : play_(play), what_(what) {
    process_ended_well();
    trace_breaks_no_promise();
    if (nothing_was_to_end())
      life_went_on();
    else
      it_ended_once();
  }
  /// Empty when all is well.
  [[nodiscard]] const std::string& complaints() const { return complaints_; }

 protected:
  using kind = lastcpu::trace_kind;

  void demand(bool holds, const char* what) {
    if (!holds) complaints_ += std::string(complaints_.empty() ? "" : "; ") + what;
  }
  [[nodiscard]] bool nothing_was_to_end() const {
    return play_.before == intruder::nmi_nothing && play_.what == path::crash_kexec && !play_.image;
  }
  [[nodiscard]] bool was_owner() const { return what_.when != moment::open && what_.when != moment::of_another; }
  [[nodiscard]] static std::string message(lastcpu::cpu_id cpu, lastcpu::panic_context context) {
    return machine->messages().text(cpu, context, true);
  }
  [[nodiscard]] static bool is_whole(lastcpu::cpu_id cpu, lastcpu::panic_context context) {
    return machine->messages().state(cpu, context) == lastcpu::message_state::ready;
  }
  [[nodiscard]] static bool same(const lastcpu::posix_registers& a, const lastcpu::posix_registers& b) {
    return a.pc == b.pc && memcmp(a.general, b.general, sizeof a.general) == 0;
  }

  const scenario& play_;
  const happening& what_;

 private:
  void process_ended_well() {
    if (WIFEXITED(what_.status) && WEXITSTATUS(what_.status) == panic_lost)
      demand(false, "the NMI's panic is lost: crash_kexec() went back to normal life");
    else if (WIFSIGNALED(what_.status) && WTERMSIG(what_.status) == SIGKILL)
      demand(false, "the machine hangs");
    else
      demand(WIFEXITED(what_.status) && WEXITSTATUS(what_.status) == 0, "the process died of something else");
  }

  void life_went_on() {
    demand(shared->came_back == 1 + static_cast<uint32_t>(lastcpu::kexec_outcome::no_image), "no_image not returned");
    demand(shared->irqs_on_again == 1, "interrupts stayed off");
    demand(!machine->gate().in_progress(), "the gate stayed shut");
    demand(shared->stops_sent == 0 && !machine->cpus().acknowledged(1), "CPU 1 was disturbed");
  }

  void it_ended_once() {
    if (shared->end_cpu > 1) return demand(false, "nobody has reached the end");
    one_end();
    others_were_stopped();
    if (play_.image) crash_kernel_was_told();
  }

  void one_end() {
    demand(shared->jumps + shared->restarts + shared->halts == 1, "not exactly one end");
    demand(shared->jumps == (play_.image ? 1u : 0u), play_.image ? "no jump" : "a jump without an image");
    demand(shared->halts == 0, "halted instead of restarted");
    demand(shared->reports <= 1 && shared->flushes <= 1 && shared->shutdowns <= 1, "a step's function ran twice");
    demand(shared->notifiers == (play_.image ? 0u : 1u), "the notifiers did not run once");
    demand(shared->dumps == (play_.image ? 0u : 1u), "the messages were not dumped once");
  }

  void trace_breaks_no_promise() {
    demand(shared->events <= shared->trace.size(), "the trace is too long");
    lastcpu::test::trace_promises<stepped::max_cpus> promises;
    const char* broken = nullptr;
    shared->for_each_event([&](const lastcpu::trace_event& e) {
      if (broken == nullptr) broken = promises.see(e);
    });
    if (broken == nullptr) broken = nothing_was_to_end() ? promises.end_at_rest() : promises.end_by(shared->end_cpu);
    if (broken != nullptr) demand(false, (broken + trace_in_words()).c_str());
  }

  [[nodiscard]] static std::string trace_in_words() {
    std::string words;
    shared->for_each_event([&words](const lastcpu::trace_event& e) {
      words += words.empty() ? " (the trace: CPU " : ", CPU ";
      words += std::to_string(e.cpu) + ' ' + to_string(e.kind) + ' ' + std::to_string(e.value);
    });
    return words.empty() ? words : words + ')';
  }

  void others_were_stopped() {
    const lastcpu::cpu_id other = 1 - shared->end_cpu;
    const lastcpu::stop_state state = machine->cpus().state_of(other);
    using enum lastcpu::stop_state;
    demand(state == parked || state == by_irq || state == by_nmi, "the other CPU is not reported as stopped");
    demand(machine->cpus().registers_of(other) != nullptr, "the other CPU's registers are missing");
    demand(!machine->cpus().acknowledged(shared->end_cpu), "the owner's acknowledgement stands");
    const bool rival_lost_first = what_.when == moment::trial && shared->go != 0 && shared->end_cpu == 0;
    if (rival_lost_first) demand(state == parked && shared->stops_sent == 0, "a parked loser got a stop");
  }

  void crash_kernel_was_told() {
    demand(shared->notes == 2 && shared->shutdowns == 1, "the crash kernel was not told of each CPU once");
    const note_copy& owner = shared->note[0];
    demand(owner.cpu == shared->end_cpu && owner.crashing, "the first note is not the owner's");
    demand(owner.registers_valid && shared->note[1].registers_valid, "a note without registers");
    if (was_owner() && play_.what == path::crash_kexec)
      demand(owner.registers.pc == caller_pc && owner.message == std::string(oops_text),
             "the oops is not in the notes");
    if (!panics_by_nmi(play_)) return;
    if (!what_.notes_begun) demand(owner.nmi_message == std::string(nmi_text), "the NMI's message is not in the notes");
    // Those of the interrupted panic, once it has made its mark: text and registers are kept under one.
    const auto mark = machine->messages().state(0, lastcpu::panic_context::normal);
    if (what_.when == moment::open && mark == lastcpu::message_state::none)
      demand(same(owner.registers, what_.registers), "the notes have not the registers of the NMI that won");
  }

  std::string complaints_;
};

}  // namespace nmi_step
