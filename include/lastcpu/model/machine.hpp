// SPDX-License-Identifier: BSL-1.0
#pragma once
// The machine that the model explores: CPUs as fibers, their operations, interrupts and NMIs.
//
// Every operation on a shared word is announced before it acts, and the search (search.hpp) decides who acts next. A
// word on which no two accesses have ever been unordered needs no decision: it is `quiet`, its operations act at once.
// That is learned while exploring; whoever learns that a word is not quiet after all explores anew.
// Plain data of the scenario is watched: what changed between two operations was written there, and two accesses that
// no release and acquire have ordered are an error.

#include <lastcpu/model/words.hpp>

#include <boost/context/detail/fcontext.hpp>

#include <string>
#include <vector>

namespace lastcpu::model {

/// The stack of a CPU. A suspended fiber is its stack pointer and the bytes above it, so a snapshot is a copy of those.
/// Nothing on it is ever unwound. Stacks stay where they are, so that equal states have equal bytes.
struct fiber_stack {
  using context = boost::context::detail::fcontext_t;
  using transfer = boost::context::detail::transfer_t;

  [[nodiscard]] context start(void (*entry)(transfer)) noexcept {
    std::memset(bytes, 0, sizeof(bytes));
    return boost::context::detail::make_fcontext(bytes + sizeof(bytes), sizeof(bytes), entry);
  }
  [[nodiscard]] size_t used(context at) const noexcept {
    return static_cast<size_t>(bytes + sizeof(bytes) - static_cast<unsigned char*>(at));
  }
  /// Forgets what calls that are over have left behind, so that what a later call finds does not depend on them.
  static void wipe_below(context at) noexcept { std::memset(static_cast<unsigned char*>(at) - 1024, 0, 1024); }

  alignas(64) unsigned char bytes[64 * 1024];
};

enum class act : uint32_t { load, store, exchange, add, wait, wake, send, choose, finish, idle };
enum class context : uint8_t { thread, irq, nmi };
enum class interrupt : uint8_t { none, irq, stop_nmi, injected_nmi };
/// How a run ends: by itself, when nobody can go on, or with the machine.
enum class ending : uint8_t { quiet, jumped, restarted, halted };

/// No padding: it stands on the stack of its CPU, and what no operation has written would make equal states differ.
struct operation {
  act what;
  uint32_t word = 0;
  order success = order::relaxed, failure = order::relaxed;
  uint64_t wanted = 0;   // compared with; of a send its targets; of a choice how many there are
  uint64_t desired = 0;  // stored
  uint64_t at = 0;       // a deadline
};

struct cpu_state {
  operation pending;
  fiber_stack::context stack;
  uint64_t result, clock;
  bool done;    // of an exchange: it stored; of a wait: it did not end by its deadline
  bool asleep;  // in its pending wait
  bool woken, irqs_on, parked, nmi_latched, irq_latched;
  bool deaf;  // takes no interrupt, no NMI either
  interrupt signal;
  context level;
  view latched;  // what was stored before the stop request
};

/// What one run says of itself when it is recorded.
struct event {
  cpu_id cpu;
  context level;
  std::string text;
  uint16_t from;  // the number of the event whose store was read, or 0
};

/// Everything that changes in a run, but the scenario and the stacks. Plain data.
struct world {
  cpu_state cpu[max_machine];
  uint64_t note[16];  // the scenario's own
  cpu_id urgent;      // its interrupt has just come: it goes on
  cpu_id last;
  uint32_t nmis_left, spurious_left, switches_left;
  ending end;
  cpu_id ended_by;
  bool over;
  memory mem;
};

/// What is explored: a test derives from it, see explore.hpp.
class scenario {
 public:
  virtual void run(cpu_id) = 0;  // what a CPU does; it may return
  virtual void nmi(cpu_id, interrupt) {}
  virtual void irq(cpu_id) {}
  virtual void finish(ending, cpu_id) {}  // no CPU runs any more: what must hold
  virtual void on_trace(const trace_event&) {}
  /// A CPU may be left waiting for ever: that is no deadlock.
  [[nodiscard]] virtual bool may_sleep() const { return false; }
  /// For the chart: what is at this address, and how its value reads. Empty: by offset, as a number.
  [[nodiscard]] virtual std::string name(const void*) const { return {}; }
  [[nodiscard]] virtual std::string value(const void*, uint64_t) const { return {}; }

 protected:
  ~scenario() = default;
};

class machine {
 public:
  /// `make` puts a new scenario of `size` bytes at `bytes`.
  machine(unsigned char* bytes, size_t size, cpu_id cpu_count, scenario& (*make)())
      : object(bytes), object_size(size), cpus(cpu_count), make_(make), shadow_(size), number_(read_ + size / 8) {
    words_in_use = 0;
  }

  inline static machine* running = nullptr;

  unsigned char* const object;
  const size_t object_size;
  const cpu_id cpus;
  scenario* subject = nullptr;
  world now{};
  fiber_stack stacks[max_machine];
  bool reduce = true;
  uint32_t stale = ~0u;
  std::string failure;
  bool learned = false;  // this pass has found out that a word is not quiet
  bool recording = false;
  std::vector<event> events;

  // --- For the platform, on a fiber.

  [[nodiscard]] bool on_fiber() const noexcept { return current_ != no_cpu; }
  [[nodiscard]] cpu_id this_cpu() const noexcept { return on_fiber() ? current_ : now.ended_by; }
  [[nodiscard]] cpu_state& me() noexcept { return now.cpu[current_]; }
  /// A word begins to be.
  void add_word(const void* address, uint64_t value) noexcept {
    const auto offset = static_cast<size_t>(static_cast<const unsigned char*>(address) - object);
    if (offset < object_size) now.mem.word[word_of(offset / 4)].value = value;
  }
  [[nodiscard]] uint8_t word_at(const void* address) noexcept;
  /// Acts when the search says so. False: an interrupt came first, and who waits has to look again.
  bool perform(const operation& o) noexcept;
  void uses(const void* address, size_t size) noexcept;
  /// Once a CPU has come or gone there is a word for that: 1 while it is away.
  [[nodiscard]] bool is_online(cpu_id cpu) noexcept {
    if (number_[away_ + cpu] == 0) return true;
    const uint8_t w = word_of(away_ + cpu);
    if (!on_fiber()) return now.mem.word[w].value == 0;
    perform({.what = act::load, .word = w});
    return me().result == 0;
  }
  void set_online(bool on) noexcept {
    const uint8_t w = word_of(away_ + current_);
    learn(w, contended);
    perform({.what = act::store, .word = w, .desired = !on});
    me().deaf = !on;
    me().nmi_latched = me().irq_latched = false;
  }
  void fail(const std::string& why) noexcept;
  void record(cpu_id cpu, const std::string& text, uint16_t from = 0) {
    if (recording) events.push_back({cpu, now.cpu[cpu].level, text, from});
  }
  void trace(const trace_event& e);

  // --- For the search.

  void start();
  void resume(cpu_id cpu) noexcept;
  void interrupt_cpu(cpu_id cpu, interrupt which) noexcept;
  void end_wait(cpu_id cpu, bool in_time, const char* why) noexcept {
    cpu_state& c = now.cpu[cpu];
    record(cpu, why);
    if (!in_time) c.clock = c.pending.at;
    c.done = in_time;
    c.asleep = c.woken = false;
  }
  /// The pending operation acts.
  void execute(cpu_id cpu, uint32_t choice) noexcept;
  /// How many ways to act the pending operation has; 0 while it can't act.
  [[nodiscard]] uint32_t ways(cpu_id cpu) noexcept;
  /// The CPUs that may still read something, as a mask.
  [[nodiscard]] uint32_t alive() const noexcept;
  [[nodiscard]] uint64_t hash() noexcept;
  /// The scenario's bytes as they were at the last operation.
  [[nodiscard]] unsigned char* shadow() noexcept { return shadow_.data(); }
  /// Which words need decisions, as text, and back.
  [[nodiscard]] std::string decisions() const;
  bool decisions(std::istream& text);

 private:
  enum need : uint32_t { contended = 1, slept_on = 2, nested = 4 };
  struct known_word {
    size_t place;
    uint32_t needs;               // need
    uint8_t levels[max_machine];  // of each CPU: the contexts in which it has used the word, as a mask
  };

  [[nodiscard]] bool needs(uint32_t w, uint32_t what) const noexcept { return (known_[w].needs & what) != 0; }
  [[nodiscard]] bool has_one_value(uint32_t w) const noexcept { return reduce && !needs(w, contended); }
  void learn(uint32_t w, uint32_t what) noexcept {
    learned = learned || !needs(w, what);
    known_[w].needs |= what;
  }
  [[nodiscard]] bool is_quiet(const operation& o) noexcept;
  [[nodiscard]] uint8_t word_of(size_t place) noexcept;
  void note_plain_writes() noexcept;
  void plain_write(size_t index) noexcept;
  void take_interrupt() noexcept;
  void access(cpu_id cpu, uint32_t choice) noexcept;
  uint16_t chosen(cpu_id cpu, uint32_t choice) noexcept;
  void wake(cpu_id cpu, uint32_t w) noexcept;
  void send(cpu_id from, uint32_t targets, bool nmi) noexcept;
  [[nodiscard]] uint64_t hash_of(cpu_id cpu, uint64_t h) noexcept;
  [[nodiscard]] std::string name_of(size_t place) const;
  void describe(cpu_id cpu, uint16_t from, const uint64_t* stored);
  void yield() noexcept { search_ = boost::context::detail::jump_fcontext(search_, nullptr).fctx; }
  static void enter(fiber_stack::transfer from) noexcept {
    running->search_ = from.fctx;
    running->subject->run(running->current_);
    for (;;) running->perform({.what = act::idle});
  }

  scenario& (*const make_)();
  fiber_stack::context search_ = nullptr;
  cpu_id current_ = no_cpu;
  static constexpr uint32_t patience = 1'000;
  uint32_t undecided_ = 0;  // operations since the search decided last
  std::vector<unsigned char> shadow_;
  // Places of words: offset / 4; then whether each CPU is away; then of plain data the writes and the reads, by offset / 8.
  const size_t away_ = object_size / 4, written_ = away_ + max_machine, read_ = written_ + object_size / 8;
  std::vector<uint8_t> number_;  // by place: the word, plus one, or 0
  known_word known_[max_words]{};
};

}  // namespace lastcpu::model
