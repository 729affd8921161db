// SPDX-License-Identifier: BSL-1.0
#pragma once
// Judges what became of the panics: none is lost (promise 2); that of an NMI on the owner returns, and on any other CPU
// it does not (4).

#include "end_of_machine.hpp"

namespace nmi_step {

class verdict : public end_of_machine {
 public:
  verdict(const scenario& play, const happening& what) : end_of_machine(play, what) {
    if (panics_by_nmi(play)) nmi_panic_was_kept();
    if (play.before == intruder::nmi_nothing) nmi_changed_nothing();
    if (panics_by_rival(play)) demand(shared->settled != 0, "CPU 1 has neither won nor parked");
    if (shared->go != 0) rival_panic_was_kept();
    if (play.what == path::panic && play.before != intruder::rival_panic) interrupted_panic_was_kept();
    if (play.before == intruder::rival_panic) right_cpu_went_on();
  }

 private:
  // A stop that CPU 1 has asked for while CPU 0 was held before its NMI comes with that NMI, or has masked it for good.
  [[nodiscard]] bool nmi_was_a_stop() const {
    return shared->nmis == 0 && shared->end_cpu == 1 && machine->cpus().acknowledged(0) &&
           play_.before != intruder::both_panic && !was_owner();
  }

  void nmi_panic_was_kept() {
    if (nmi_was_a_stop()) return;
    demand(shared->nmis == 1 && same(shared->nmi_registers, what_.registers), "the NMI was not delivered here");
    demand(message(0, lastcpu::panic_context::nmi) == nmi_text, "the NMI's message is lost");
    demand(is_whole(0, lastcpu::panic_context::nmi), "the NMI's message is not whole");
    if (was_owner())
      nmi_panic_returned();
    else
      nmi_panic_did_not_return();
  }

  void nmi_panic_returned() {
    demand(shared->nmis_returned == 1, "the NMI panic did not return to the owner");
    demand(shared->end_cpu == 0 && shared->end_in_nmi == 0, "the interrupted work did not come to the end");
    const bool on_trial = what_.when == moment::trial;
    demand(shared->count(kind::pending_set) == (on_trial ? 1u : 0u), "not pending on trial, or pending elsewhere");
    // Behind the commit the mark means nothing any more; but no exchange may lose what an NMI wrote before it.
    if (on_trial && play_.image) demand(machine->gate().read().pending(), "the mark of the NMI was overwritten");
    if (on_trial && !play_.image) {
      demand(shared->count(kind::pending_taken) == 1, "the pending panic was not taken over");
      was_reported(nmi_text, what_.registers);
      demand(message(0, lastcpu::panic_context::nested) == oops_text, "the reason of crash_kexec() is lost");
    }
  }

  void nmi_panic_did_not_return() {
    demand(shared->nmis_returned == 0, "the NMI panic returned to a CPU that does not own the gate");
    const bool free_for_all = what_.when == moment::open && shared->go != 0;
    const uint32_t expected = what_.when == moment::open ? 0 : 1;
    if (!free_for_all) demand(shared->end_cpu == expected, "the wrong CPU came to the end");
    if (shared->end_cpu == 0) {
      demand(shared->end_in_nmi == 1, "the NMI won and did not go on itself");
      return was_reported(nmi_text, what_.registers);
    }
    if (play_.before == intruder::both_panic) demand(shared->cpu_0_stopped != 0, "the loser does not watch the gate");
    const lastcpu::posix_registers* saved = machine->cpus().registers_of(0);
    demand(machine->cpus().state_of(0) == lastcpu::stop_state::parked, "the loser is not reported as parked");
    demand(saved != nullptr && same(*saved, what_.registers), "the loser's registers are not those of the NMI");
  }

  void was_reported(const char* text, const lastcpu::posix_registers& regs) {
    demand(shared->reports == 1 && shared->report_message == std::string(text), "not reported with its message");
    demand(same(shared->report_registers, regs), "not reported with its registers");
  }

  // Of a panic that the NMI came before as much is kept as was written, and marked.
  void interrupted_panic_was_kept() {
    const std::string kept = message(0, lastcpu::panic_context::normal);
    const bool whole = is_whole(0, lastcpu::panic_context::normal);
    demand(whole ? kept == panic_text : std::string(panic_text).starts_with(kept), "the panic's message is damaged");
    const auto state = machine->messages().state(0, lastcpu::panic_context::normal);
    demand(kept.empty() || state != lastcpu::message_state::none, "a part of a message is not marked");
    if (!was_owner()) return;
    demand(whole, "the panic's message is not whole");
    demand(shared->reports == 1 && shared->report_message == kept, "the panic was not reported with its message");
    demand(shared->report_registers.pc == caller_pc, "the panic was not reported with its registers");
  }

  void nmi_changed_nothing() {
    demand(shared->nmis == 1 && shared->nmis_returned == 1, "the NMI did not come or did not return");
    demand(shared->count(kind::pending_set) == 0, "an NMI of somebody else left a mark");
    demand(message(0, lastcpu::panic_context::nmi).empty(), "a message from nowhere");
    demand(nothing_was_to_end() || shared->end_cpu == 0, "the wrong CPU came to the end");
  }

  // A stop may come before the panic has begun: only then is there no message.
  void rival_panic_was_kept() {
    const std::string kept = message(1, lastcpu::panic_context::normal);
    const bool stopped_first = what_.when == moment::committed;
    demand(kept == rival_text || (stopped_first && std::string(rival_text).starts_with(kept)),
           "CPU 1's message is lost");
    if (shared->end_cpu == 1) demand(shared->report_message == kept, "CPU 1's panic was not reported");
  }

  void right_cpu_went_on() {
    const bool owner_goes_on = was_owner() && (what_.when != moment::trial || play_.image);
    demand(shared->end_cpu == (owner_goes_on ? 0u : 1u), "the wrong CPU came to the end");
    if (play_.what == path::panic && owner_goes_on) interrupted_panic_was_kept();
  }
};

}  // namespace nmi_step
