// SPDX-License-Identifier: BSL-1.0
#pragma once
// A machine of four CPUs that a test plays step by step. One CPU runs at a time; it goes on until its work ends or until
// it waits for something that only another CPU can do. Everything that the library asks of the machine is in `log`, as
// lines like "0 sends nmi", and a test may hang an action onto any line or any access to a shared word.

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <functional>
#include <list>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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

  fake_machine() : shadowed_(std::exchange(running_, this)) {
    online.fill(true);
    irqs_on.fill(true);
  }
  fake_machine(const fake_machine&) = delete;
  fake_machine& operator=(const fake_machine&) = delete;
  ~fake_machine() {
    over_ = true;
    for (fiber& f : fibers_)
      if (f.end == ending::waiting) (void)switch_to(f);
    for (fiber& f : fibers_) f.thread.join();
    running_ = shadowed_;
  }
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

  [[nodiscard]] long count(const std::string& line) const { return std::count(log.begin(), log.end(), line); }
  /// Where `line` first stands in the log; behind everything when it does not.
  [[nodiscard]] size_t at(const std::string& line) const {
    return static_cast<size_t>(std::find(log.begin(), log.end(), line) - log.begin());
  }
  /// The log without the lines in which none of `words` occurs.
  [[nodiscard]] std::vector<std::string> lines_with(const std::vector<std::string>& words) const {
    std::vector<std::string> found;
    for (const std::string& line : log)
      if (std::any_of(words.begin(), words.end(), [&](const std::string& w) { return line.find(w) != line.npos; }))
        found.push_back(line);
    return found;
  }

  // --- The script.

  /// Lets `who` do `work`. Work that ends in the machine (parked, restarted, ...) does not go on; nothing that needs a
  /// destructor may be alive in it then.
  ending as(cpu_id who, std::function<void()> work) {
    fiber& f = fibers_.emplace_back(who, std::move(work));
    f.thread = std::thread([&f] { run(f); });
    return switch_to(f);
  }
  /// Lets a CPU that waits look again.
  ending resume(cpu_id who) {
    fiber& f = last_on(who);
    return f.end == ending::waiting ? switch_to(f) : f.end;
  }
  /// An NMI on a CPU that waits.
  ending interrupt(cpu_id who, std::function<void()> handler) {
    last_on(who).handler = std::move(handler);
    return resume(who);
  }
  /// Does `action` where `line` is logged, once; several actions for one line take turns.
  void when(std::string line, std::function<void()> action) {
    actions_.push_back({std::move(line), std::move(action), false});
  }
  /// Does `action` once `on` has passed `after` moments from now on. There is one before each access to a shared word
  /// and one behind each that may change it.
  void inject(cpu_id on, uint32_t after, std::function<void()> action) {
    inject_on_ = on;
    inject_after_ = after;
    injection_ = std::move(action);
    injected_ = false;
  }
  [[nodiscard]] bool injected() const { return injected_; }
  /// A check that must hold at every moment.
  void always(std::function<void()> check) { always_ = std::move(check); }

  // --- For the platform.

  void say(const char* what) {
    note(what, "");
    react();
  }
  void say(const char* what, const char* whom) {
    note(what, whom);
    react();
  }
  void say(const char* what, uint64_t number) {
    note(what, std::to_string(number));
    react();
  }

  void before(word_access a) {
    accesses.push_back(a);
    if (++effort_ > patience) leave(ending::spinning);
    between();
  }
  /// Between two operations of the CPU that runs: where the others, and NMIs, come in.
  void between() {
    if (checking_) return;
    if (always_) {
      checking_ = true;
      always_();
      checking_ = false;
    }
    if (injected_ || !injection_ || inject_on_ != cpu || inject_after_-- != 0) return;
    injected_ = true;
    injection_();
  }

  /// Sleeps while `same()`. Where nobody ends it the deadline does; where there is none the CPU that made this one run
  /// goes on.
  template <class Same>
  bool sleep(Same same, wait w, uint64_t deadline) {
    if (clock >= deadline) return false;
    if (!same()) return true;
    waits.push_back(w);
    say("waits");
    if (!same()) return true;
    if (deadline != no_deadline) {
      if (early_returns != 0) return early_returns-- != 0;
      clock = deadline;
      return false;
    }
    block();
    return true;
  }

  [[noreturn]] void leave(ending e) {
    if (current_ == &main_) {
      fputs("fake_machine: the end of a CPU outside of as()\n", stderr);
      abort();
    }
    current_->end = e;
    longjmp(current_->base, 1);
  }

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

  static void run(fiber& f) {
    f.go.acquire();
    if (setjmp(f.base) == 0) {
      f.work();
      f.end = ending::returned;
    }
    f.caller->go.release();
  }

  ending switch_to(fiber& to) {
    fiber* const from = current_;
    const cpu_id cpu_before = cpu;
    to.caller = from;
    current_ = &to;
    cpu = to.cpu;
    effort_ = 0;
    to.go.release();
    from->go.acquire();
    current_ = from;
    cpu = cpu_before;
    effort_ = 0;
    return to.end;
  }

  void block() {
    fiber& me = *current_;
    if (&me == &main_) leave(ending::waiting);
    me.end = ending::waiting;
    me.caller->go.release();
    me.go.acquire();
    if (over_) leave(ending::parked);
    if (me.handler) me.handler();
    me.handler = nullptr;
  }

  fiber& last_on(cpu_id who) {
    for (auto f = fibers_.rbegin(); f != fibers_.rend(); ++f)
      if (f->cpu == who) return *f;
    fprintf(stderr, "fake_machine: CPU %u has done nothing yet\n", who);
    abort();
  }

  void note(const char* what, const std::string& whom) {
    log.push_back(std::to_string(cpu) + " " + what + (whom.empty() ? "" : " " + whom));
  }
  void react() {
    if (over_) return;
    for (reaction& a : actions_) {
      if (a.done || a.line != log.back()) continue;
      a.done = true;
      a.run();
      return;
    }
  }

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
