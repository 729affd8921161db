// SPDX-License-Identifier: BSL-1.0
#pragma once
// A machine of four CPUs that a test plays step by step. One CPU runs at a time; it goes on until its work ends or until
// it waits for something that only another CPU can do. Everything that the library asks of the machine is in `log`, as
// lines like "0 sends nmi", and a test may hang an action onto any line or any access to a shared word. What the trace
// shows of the promises (trace_promises.hpp) is judged in every test.

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>

#include <setjmp.h>

#include <algorithm>
#include <array>
#include <functional>
#include <list>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/trace_promises.hpp"

extern template class std::vector<std::string>;
extern template class std::vector<lastcpu::cpu_id>;
extern template class std::function<void()>;

namespace lastcpu::test {

/// How a piece of work on a CPU ended.
enum class ending { returned, waiting, parked, jumped, restarted, halted, spinning };

struct word_access {
  enum kind { load, store, exchange } what;
  cpu_id cpu;
  const void* word;
  uint64_t value;  // stored, or wanted
  order how;
  order failure = order::relaxed;  // of an exchange
};

class fake_machine {
 public:
  static constexpr cpu_id cpus = 4;

  fake_machine();
  fake_machine(const fake_machine&) = delete;
  fake_machine& operator=(const fake_machine&) = delete;
  ~fake_machine();
  [[nodiscard]] static fake_machine& running() { return *running_; }

  // --- What a test may set. `cpu` is the one that runs.
  cpu_id cpu = 0;
  uint64_t clock = 1000;
  uint64_t frequency = 1'000'000;
  std::array<bool, cpus> online{};
  std::array<bool, cpus> irqs_on{};
  std::vector<uint32_t> broken_images;
  uint32_t early_returns = 0;  // waits with a deadline that end before it, for no reason
  bool jump_returns = false;
  bool restart_returns = false;
  bool halt_returns = false;

  // --- What a test may look at.
  struct sent {
    cpu_id from;
    std::vector<cpu_id> targets;
    stop_how how;
    bool operator==(const sent&) const = default;
  };
  struct wait {
    cpu_id cpu;
    const void* word;
    uint64_t value;
  };
  std::vector<std::string> log;
  std::vector<sent> stops;
  std::vector<wait> waits;
  std::vector<const void*> woken;
  std::vector<word_access> accesses;

  [[nodiscard]] long count(const std::string& line) const;
  /// Where `line` first stands in the log; behind everything when it does not.
  [[nodiscard]] size_t at(const std::string& line) const;
  /// The log without the lines in which none of `words` occurs.
  [[nodiscard]] std::vector<std::string> lines_with(const std::vector<std::string>& words) const;

  // --- The script.

  /// Lets `who` do `work`. Work that ends in the machine (parked, restarted, ...) does not go on; nothing that needs a
  /// destructor may be alive in it then.
  ending as(cpu_id who, std::function<void()> work);
  /// Lets a CPU that waits look again.
  ending resume(cpu_id who);
  /// An NMI on a CPU that waits.
  ending interrupt(cpu_id who, std::function<void()> handler);
  /// Does `action` where `line` is logged, once; several actions for one line take turns.
  void when(std::string line, std::function<void()> action);
  /// Does `action` once `on` has passed `after` moments from now on. There is one before each access to a shared word
  /// and one behind each that may change it.
  void inject(cpu_id on, uint32_t after, std::function<void()> action);
  [[nodiscard]] bool injected() const { return injected_; }
  /// A check that must hold at every moment.
  void always(std::function<void()> check);

  // --- Promises.

  /// A whole domain is played: where every piece of work comes back, life must go on as before.
  void is_whole_machine() { whole_ = true; }
  /// The test itself does what a path of the domain begins, and leaves it undone.
  void is_in_the_middle() { whole_ = false; }
  /// This test lets the trace break a promise: with this sentence, and no other before it. What follows is not judged.
  void breaks(const char* sentence);
  /// This test lets faults come between a change and its event.
  void misses_events() { promises_ = promises_.with(events::some_missing); }
  /// Another gate or domain follows.
  void is_new_machine() { promises_ = trace_promises<cpus>{}; }
  /// This test plays parts of a machine as no domain does: their trace is judged by nobody.
  void is_no_machine() { judged_ = false; }

  // --- For the platform.

  void trace(const trace_event& e);
  void say(const char* what);
  void say(const char* what, const char* whom);
  void say(const char* what, uint64_t number);

  void before(word_access a);
  /// Between two operations of the CPU that runs: where the others, and NMIs, come in.
  void between();

  /// Sleeps while `same()`. Where nobody ends it the deadline does; where there is none the CPU that made this one run
  /// goes on.
  bool sleep(const std::function<bool()>& same, wait w, uint64_t deadline);

  [[noreturn]] void leave(ending e);

 private:
  static constexpr uint32_t patience = 100'000;

  // A thread for each piece of work: sanitizers know threads, and a CPU that waits keeps its stack.
  struct fiber {
    fiber(cpu_id c, std::function<void()> w) : cpu(c), work(std::move(w)) {}
    cpu_id cpu;
    std::function<void()> work;
    std::function<void()> handler{};
    ending end = ending::returned;
    fiber* caller = nullptr;
    jmp_buf base{};
    std::binary_semaphore go{0};
    std::thread thread{};
  };
  struct reaction {
    std::string line;
    std::function<void()> run;
    bool done;
  };

  void judge(const char* broken);
  static void run(fiber& f);
  ending switch_to(fiber& to);
  void block();
  fiber& last_on(cpu_id who);
  void note(const char* what, const std::string& whom);
  void react();

  inline static fake_machine* running_ = nullptr;
  fake_machine* shadowed_;  // played again when this one is gone

  fiber main_{0, nullptr};
  fiber* current_ = &main_;
  std::list<fiber> fibers_;
  std::list<reaction> actions_;
  std::function<void()> injection_;
  std::function<void()> always_;
  cpu_id inject_on_ = 0;
  uint32_t inject_after_ = 0;
  uint32_t effort_ = 0;
  bool injected_ = false;
  bool checking_ = false;
  bool over_ = false;
  trace_promises<cpus> promises_{};
  std::string to_be_broken_, broken_;
  bool judged_ = true, whole_ = false;
};

/// Plays `scenario(machine, n)` for n = 0, 1, ... until its injection at moment n no longer happens.
template <class Scenario>
void at_every_moment(Scenario scenario) {
  for (uint32_t n = 0;; ++n) {
    fake_machine m;
    scenario(m, n);
    if (!m.injected()) return;
  }
}

}  // namespace lastcpu::test
