// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the historical designs have in common, in our own words: a crash kernel behind a trylock, its shootdown by NMI,
// and the stop that an ordinary panic sends. They differ in the gate in front of it, one file each.
//
// Kinder than history where the gate is not concerned: answers are one word for each CPU, not a count, so that a
// specimen loses by its gate or not at all. The stop that a panic sends can't be masked, as on the machine where the
// first of these races was seen. The budget for the answers is a fifth of history's second.

#include <lastcpu/detail/deadline.hpp>
#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/panic.hpp>
#include <lastcpu/platform.hpp>

namespace specimens {

using lastcpu::cpu_id;
using lastcpu::order;
using lastcpu::stop_how;
using lastcpu::stop_state;

template <class P>
class historical_machine {
 public:
  using registers = typename P::registers;

  constexpr historical_machine() noexcept = default;

  /// Under the lock that a crash only tries.
  void load(const typename P::image& image) noexcept {
    if (!try_kexec_lock()) return;
    image_ = image;
    image_loaded_ = true;
    kexec_lock_.store(0, order::release);
  }

  /// The NMI of the shootdown saves registers, that of an ordinary stop does not; who asked ignores his own.
  void handle_nmi(const registers& regs) noexcept {
    const uint32_t me = P::this_cpu() + 1;
    const uint32_t crashing = crashing_.load(order::acquire);
    if (crashing != 0 && crashing != me) stop_for_the_crash(regs);
    const uint32_t stopping = stopping_.load(order::acquire);
    if (stopping != 0 && stopping != me) stop(stop_state::by_nmi);
  }

  void handle_stop_irq(const registers&) noexcept {}

  /// What a reboot calls, too: nobody asks who else is at it.
  void stop_others() noexcept {
    stopping_.store(P::this_cpu() + 1, order::release);
    send_nmis_and_wait();
  }

 protected:
  using word = typename P::template atomic<uint32_t>;
  static constexpr uint32_t budget_us = 200'000;

  /// Comes back when there is no image, or when the lock is taken: then without a word.
  void try_crash_kernel(const registers* regs) noexcept {
    if (!try_kexec_lock()) return;
    if (image_loaded_) {
      (void)P::irq_save();
      shoot_down_the_others();
      save_registers(regs);
      write_notes();
      P::crash_shutdown(cpus_[P::this_cpu()].regs);
      P::jump(image_);
    }
    kexec_lock_.store(0, order::release);
  }

  [[noreturn]] void rest_of_panic() noexcept {
    stop_others();
    P::emergency_restart();
    P::halt();
    for (;;) P::park();
  }

  /// The weak hook's loop. The shootdown's NMI can interrupt it.
  [[noreturn]] void self_stop() noexcept {
    for (;;) (void)P::wait_while(never_, uint32_t{0}, lastcpu::no_deadline);
  }

  /// In NMI context, where the shootdown can't interrupt: looks for it instead.
  [[noreturn]] void stop_in_nmi_polling(const registers& regs) noexcept {
    for (;;) {
      if (shootdown_sent_.load(order::acquire) != 0) stop_for_the_crash(regs);
      (void)P::wait_while(shootdown_sent_, uint32_t{0}, lastcpu::no_deadline);
    }
  }

 private:
  struct cpu_record {
    word answer{};
    bool saved = false;
    registers regs{};
  };

  [[nodiscard]] bool try_kexec_lock() noexcept {
    uint32_t unlocked = 0;
    return kexec_lock_.compare_exchange(unlocked, 1, order::acquire, order::relaxed);
  }

  void save_registers(const registers* regs) noexcept {
    cpu_record& r = cpus_[P::this_cpu()];
    if (regs != nullptr)
      r.regs = *regs;
    else
      P::capture_registers(r.regs);
    r.saved = true;
  }

  [[noreturn]] void stop_for_the_crash(const registers& regs) noexcept {
    save_registers(&regs);
    stop(stop_state::by_nmi);
  }

  [[noreturn]] void stop(stop_state how) noexcept {
    const cpu_id me = P::this_cpu();
    cpus_[me].answer.store(static_cast<uint32_t>(how), order::release);
    P::wake(cpus_[me].answer, lastcpu::wake_reason::answered);
    lastcpu::detail::trace<P>(lastcpu::trace_kind::parked, me, 0);
    for (;;) P::park();
  }

  void shoot_down_the_others() noexcept {
    crashing_.store(P::this_cpu() + 1, order::release);
    shootdown_sent_.store(1, order::release);
    P::wake(shootdown_sent_, lastcpu::wake_reason::answered);
    send_nmis_and_wait();
  }

  void send_nmis_and_wait() noexcept {
    lastcpu::cpu_set<P::max_cpus> missing;
    for (cpu_id cpu = 0; cpu < P::max_cpus; ++cpu)
      if (cpu != P::this_cpu() && P::is_online(cpu) && cpus_[cpu].answer.load(order::acquire) == 0) missing.add(cpu);
    if (missing.empty()) return;
    missing.for_each([](cpu_id cpu) { lastcpu::detail::trace<P>(lastcpu::trace_kind::stop_sent, P::this_cpu(), cpu); });
    P::send_stop(missing, stop_how::nmi);
    const uint64_t at = lastcpu::detail::deadline_in<P>(budget_us);
    missing.for_each([this, at](cpu_id cpu) {
      while (cpus_[cpu].answer.load(order::acquire) == 0 && P::wait_while(cpus_[cpu].answer, uint32_t{0}, at)) {
      }
    });
  }

  void write_notes() noexcept {
    for (cpu_id cpu = 0; cpu < P::max_cpus; ++cpu) {
      const bool crashing = cpu == P::this_cpu();
      const auto answer = static_cast<stop_state>(cpus_[cpu].answer.load(order::acquire));
      const stop_state state = crashing                       ? stop_state::running
                               : answer != stop_state::absent ? answer
                                                              : stop_state::silent;
      const registers* regs =
          cpus_[cpu].saved && (crashing || state != stop_state::silent) ? &cpus_[cpu].regs : nullptr;
      P::save_note(image_, lastcpu::cpu_note<registers>{cpu, state, crashing, regs, "", "", "", false});
    }
  }

  word kexec_lock_{};
  word crashing_{};  // CPU + 1 that shoots the others down
  word shootdown_sent_{};
  word stopping_{};  // CPU + 1 of an ordinary stop
  word never_{};
  cpu_record cpus_[P::max_cpus]{};
  typename P::image image_{};
  bool image_loaded_ = false;
};

}  // namespace specimens
