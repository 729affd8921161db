// SPDX-License-Identifier: BSL-1.0
#pragma once
// The platform of the unit tests: fake_machine.hpp as a port. Only the three operations that a port's atomic must have.

#include <lastcpu/ladder.hpp>
#include <lastcpu/panic_policy.hpp>
#include <lastcpu/platform.hpp>

#include "support/fake_machine.hpp"

namespace lastcpu::test {

[[nodiscard]] inline fake_machine& machine() {
  return fake_machine::running();
}

template <class T>
class fake_atomic {
 public:
  constexpr fake_atomic() noexcept = default;
  [[nodiscard]] T load(order o) const noexcept {
    machine().before({word_access::load, machine().cpu, this, 0, o});
    return word_.load(o);
  }
  void store(T value, order o) noexcept {
    machine().before({word_access::store, machine().cpu, this, value, o});
    word_.store(value, o);
    machine().between();
  }
  [[nodiscard]] bool compare_exchange(T& expected, T desired, order success, order failure) noexcept {
    machine().before({word_access::exchange, machine().cpu, this, desired, success, failure});
    const bool done = word_.compare_exchange(expected, desired, success, failure);
    machine().between();
    return done;
  }
  /// Without being seen.
  [[nodiscard]] T peek() const noexcept { return word_.load(order::acquire); }

 private:
  lastcpu::atomic<T> word_{};
};

struct fake_registers {
  uintptr_t pc, sp;
};
inline constexpr fake_registers crash{0xc0de, 1};  // what a test hands over as those of its crash

inline void log_trace(const trace_event& e) {
  machine().trace(e);
  switch (e.kind) {
    case trace_kind::claim_won:
      return machine().say("wins", e.value);
    case trace_kind::claim_lost:
      return machine().say("loses to", e.value);
    case trace_kind::pending_set:
      return machine().say("leaves a panic pending");
    case trace_kind::released:
      return machine().say("releases");
    case trace_kind::pending_taken:
      return machine().say("takes the pending panic");
    case trace_kind::committed:
      return machine().say("commits");
    case trace_kind::step_begun:
      return machine().say("begins", to_string(static_cast<step>(e.value)));
    case trace_kind::stop_sent:
      return machine().say("asks", e.value);
    case trace_kind::acknowledged:
      return machine().say("answers", e.value);
    case trace_kind::withdrawn:
      return machine().say("withdraws");
    case trace_kind::parked:
      return machine().say("goes down");
  }
}

struct fake_platform {
  static constexpr cpu_id max_cpus = fake_machine::cpus;
  static cpu_id this_cpu() noexcept { return machine().cpu; }
  static uint32_t hardware_id() noexcept { return machine().cpu; }
  static constexpr uint32_t rounds_of_a_still_clock = 100;
  static bool is_online(cpu_id cpu) noexcept { return machine().online.at(cpu); }

  template <class T>
  using atomic = fake_atomic<T>;

  using registers = fake_registers;
  static void capture_registers(registers& r) noexcept {
    r.pc = captured_pc(this_cpu());
    machine().say("captures");
    r.sp = 0;
  }
  static constexpr uintptr_t captured_pc(cpu_id cpu) noexcept { return 0xca00u + cpu; }

  struct irq_state {
    cpu_id cpu;
    bool on;
  };
  static irq_state irq_save() noexcept {
    const cpu_id me = this_cpu();
    const irq_state was{me, me < max_cpus && machine().irqs_on[me]};
    if (me < max_cpus) machine().irqs_on[me] = false;
    machine().say("irqs off");
    return was;
  }
  static void irq_restore(irq_state s) noexcept {
    machine().say("irqs back");
    if (s.cpu < max_cpus) machine().irqs_on[s.cpu] = s.on;
  }

  static void send_stop(const cpu_set<max_cpus>& targets, stop_how how) noexcept {
    fake_machine::sent& s = machine().stops.emplace_back(fake_machine::sent{this_cpu(), {}, how});
    targets.for_each([&s](cpu_id cpu) { s.targets.push_back(cpu); });
    machine().say("sends", how == stop_how::irq ? "irq" : "nmi");
  }

  template <class T>
  static bool wait_while(const atomic<T>& word, T value, uint64_t at) noexcept {
    return machine().sleep([&] { return word.peek() == value; }, {this_cpu(), &word, value}, at);
  }
  template <class T>
  static void wake(const atomic<T>& word, wake_reason why) noexcept {
    if (why == wake_reason::ending) return machine().say("wakes losers");
    machine().woken.push_back(&word);
    machine().say("wakes");
  }

  static uint64_t now() noexcept { return machine().clock; }
  static uint64_t ticks_per_second() noexcept { return machine().frequency; }

  static void make_resettable() noexcept { machine().say("is made resettable"); }
  [[noreturn]] static void park() noexcept {
    machine().say("parks");
    machine().leave(ending::parked);
  }

  struct image {
    uint32_t id;
  };
  static bool image_intact(const image& i) noexcept {
    machine().say("checks image", i.id);
    const std::vector<uint32_t>& broken = machine().broken_images;
    return std::find(broken.begin(), broken.end(), i.id) == broken.end();
  }
  static void crash_shutdown(const registers& r) noexcept { machine().say("shuts down", r.pc); }
  static void jump(const image& i) noexcept {
    machine().say("jumps to", i.id);
    if (!machine().jump_returns) machine().leave(ending::jumped);
  }
  static void emergency_restart() noexcept {
    machine().say("restarts");
    if (!machine().restart_returns) machine().leave(ending::restarted);
  }
  static void halt() noexcept {
    machine().say("halts");
    if (!machine().halt_returns) machine().leave(ending::halted);
  }

  static void trace(const trace_event& e) noexcept { log_trace(e); }
};

/// Logs its steps.
struct fake_policy : panic_policy {
  template <class Registers>
  static void report(const panic_info<Registers>& info) noexcept {
    machine().say("reports", info.message);
  }
  template <class Report>
  static void notifiers(const Report&) noexcept {
    machine().say("notifies");
  }
  template <class Messages>
  static void message_dump(const Messages&) noexcept {
    machine().say("dumps messages");
  }
  static void flush() noexcept { machine().say("flushes"); }
  static void no_crash_kernel(kexec_outcome why) noexcept { machine().say("has no kernel:", to_string(why)); }
};

}  // namespace lastcpu::test
