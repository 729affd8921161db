// SPDX-License-Identifier: BSL-1.0
#pragma once
// The way of CPU 0 to one instruction of one stretch, so that it is the same in each trial:
// - It runs to a breakpoint. Stepped, a clock that is read again while it changes, as the vDSO does, is read again and again.
// - Behind each system call it waits until CPU 1 sleeps: so CPU 1 has done what the call has asked it for, and comes to no
//   breakpoint.

#include <stdint.h>
#include <string.h>
#include <time.h>

#include <memory>
#include <vector>

#include "thread_state.hpp"
#include "tracee.hpp"

namespace nmi_step {

/// An instruction of the stretch behind an anchor, the `visit`th time that CPU 0 comes there.
struct place {
  uint32_t stretch;
  uint64_t address;
  uint32_t visit;
  const std::vector<uint64_t>* calls;  // the system calls of the stretch
};

/// A new machine, which is to stop at an anchor.
[[nodiscard]] inline nursery& new_machine(const scenario& play, uint32_t stop_at) {
  static void* const memory = nursery::map_shared(sizeof(shared_memory));
  static std::unique_ptr<nursery> mother;
  auto* const fresh = new (memory) shared_memory{};
  shared = &fresh->facts;
  machine = &fresh->machine;
  shared->play = play;
  shared->stop_at = stop_at;
  if (mother == nullptr || mother->is_worn_out()) {
    mother.reset();
    mother = std::make_unique<nursery>();
  }
  return *mother;
}

/// The tracer has the same text at the same address.
[[nodiscard]] inline bool is_system_call(uint64_t pc) {
  constexpr unsigned char code[] = {0x0f, 0x05};
  return pc != 0 && memcmp(reinterpret_cast<const void*>(pc), code, sizeof code) == 0;
}

class approach {
 public:
  approach(tracee& cpu_0, const place& to) : cpu_0_(cpu_0), to_(to) {}

  /// Each stops CPU 0 before the instruction. False when it does not come there in this stretch.
  [[nodiscard]] bool by_breakpoints() {
    std::vector<uint64_t> breaks = *to_.calls;
    breaks.push_back(to_.address);
    return go([&](uint64_t pc) { return pc == to_.address || is_system_call(pc) ? step() : cpu_0_.run_to(breaks); });
  }
  [[nodiscard]] bool by_steps() {
    return go([&](uint64_t) { return step(); });
  }
  /// Calls see(pc) for each instruction of the stretch. False when the machine died before it came to the anchor.
  template <class See>
  [[nodiscard]] bool through_all(See see) {
    if (!come_to_anchor()) return false;
    if (shared->over != 0) return true;
    do {
      if (const uint64_t pc = cpu_0_.pc(); pc != 0) see(pc);
    } while (step() && is_in_stretch());
    return true;
  }

  /// How often it has come by.
  [[nodiscard]] uint32_t visits() const { return visits_; }
  /// It has come to the end of the stretch, or of the machine.
  [[nodiscard]] bool has_ended() const { return !is_in_stretch() || WIFEXITED(cpu_0_.status()); }

 private:
  template <class GoOn>
  [[nodiscard]] bool go(GoOn go_on) {
    if (!come_to_anchor()) return false;
    while (is_in_stretch()) {
      const uint64_t pc = cpu_0_.pc();
      if (pc == to_.address && ++visits_ == to_.visit) return true;
      if (!go_on(pc)) return false;
    }
    return false;
  }

  // It stops again at the end, should it come there.
  [[nodiscard]] bool come_to_anchor() {
    const bool there = cpu_0_.await_first_stop();
    shared->stop_at = to_.stretch + 2;
    return there;
  }
  [[nodiscard]] bool is_in_stretch() const { return shared->anchors <= to_.stretch + 1; }

  [[nodiscard]] bool step() {
    const bool calls = is_system_call(cpu_0_.pc());
    if (!cpu_0_.step()) return false;
    if (calls) await_cpu_1();
    return true;
  }

  void await_cpu_1() const {
    if (shared->rival_only_looks != 0) return;
    const thread_state cpu_1(shared->rival_tid);
    const timespec a_moment{0, 20'000};
    for (int i = 0; i < 20'000 && shared->rival_only_looks == 0 && !cpu_1.sleeps(); ++i) nanosleep(&a_moment, nullptr);
  }

  tracee& cpu_0_;
  const place& to_;
  uint32_t visits_ = 0;
};

}  // namespace nmi_step
