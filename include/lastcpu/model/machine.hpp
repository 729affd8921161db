// SPDX-License-Identifier: BSL-1.0
#pragma once
// The machine that the model explores: CPUs as fibers, their operations, interrupts and NMIs.
//
// Every operation on a shared word is announced before it acts, and the search (search.hpp) decides who acts next. A
// word on which no two accesses have ever been unordered needs no decision: it is `quiet`, its operations act at once.
// That is learned while exploring; whoever learns that a word is not quiet after all explores anew.
// Plain data of the scenario is watched: what changed between two operations was written there, and two accesses that
// no release and acquire have ordered are an error.

#include <lastcpu/model/fiber.hpp>
#include <lastcpu/model/words.hpp>

#include <cstdarg>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

namespace lastcpu::model {

/// As printf.
[[gnu::format(printf, 1, 2)]] inline std::string text_of(const char* format, ...) {
  char out[512];
  va_list values;
  va_start(values, format);
  std::vsnprintf(out, sizeof(out), format, values);
  va_end(values);
  return out;
}

enum class act : uint8_t { load, store, exchange, add, arm, sleep, wake, send, choose, finish, idle };
enum class context : uint8_t { thread, irq, nmi };
enum class interrupt : uint8_t { none, irq, stop_nmi, injected_nmi };
/// How a run ends: by itself, when nobody can go on, or with the machine.
enum class ending : uint8_t { quiet, jumped, restarted, halted };

struct operation {
  act what;
  uint8_t word;
  order success, failure;
  uint64_t wanted;   // compared with; of a wait its deadline's word
  uint64_t desired;  // stored
  uint64_t at;       // a deadline
};

struct cpu_state {
  operation pending;
  fiber_stack::context stack;
  uint64_t result, clock;
  bool done;  // of an exchange: it stored; of a sleep: it was woken
  bool woken, irqs_on, online, parked, wedged, nmi_latched, irq_latched;
  interrupt signal;
  context level;
  view latched;  // what was stored before the stop request
};

/// What one run says of itself when it is recorded.
struct event {
  cpu_id cpu;
  context level;
  std::string text;
  uint16_t from;  // the event whose store was read, or no_store
  bool is_store;
};

/// Everything that changes in a run, but the scenario and the stacks. Plain data.
struct world {
  cpu_state cpu[max_machine];
  uint64_t note[16];  // the scenario's own
  uint64_t damaged;   // an image that is no longer what was loaded
  cpu_id urgent;      // its interrupt has just come: it goes on
  cpu_id last;
  uint32_t nmis_left, spurious_left, switches_left, depth;
  ending end;
  cpu_id ended_by;
  bool over;
  memory mem;
};

/// Bits of a word that no CPU decides by: it only hands them back, to be compared with the whole word. States that
/// differ in them alone, in values that are no longer there to be read, are the same.
struct unread_bits {
  const void* word;
  uint64_t bits;
};

/// The scenario, as the machine sees it.
struct scenario_hooks {
  unsigned char* object;
  size_t size;
  cpu_id cpus;
  void (*construct)();
  void (*run)(cpu_id);
  void (*interrupted)(cpu_id, interrupt);
  void (*finish)(ending, cpu_id);
  void (*trace)(const trace_event&);
  std::string (*name)(const void*);
  std::string (*value)(const void*, uint64_t);
  bool may_sleep;
  unread_bits (*unread)();
};

class machine {
 public:
  explicit machine(const scenario_hooks& s)
      : scenario(s), slots_(s.size / 4 + 2), plain_(s.size / 8 + 1), shadow_(s.size) {}

  inline static machine* running = nullptr;

  const scenario_hooks scenario;
  world now{};
  fiber_stack stacks[max_machine];
  bool reduce = true;
  uint32_t stale = ~0u;
  std::string failure;
  bool learned = false;  // this pass has found out that a word is not quiet
  bool recording = false;
  std::vector<event> events;
  std::set<uint64_t> outcomes;

  // --- For the platform, on a fiber.

  [[nodiscard]] bool on_fiber() const noexcept { return current_ != no_cpu; }
  [[nodiscard]] cpu_id this_cpu() const noexcept { return on_fiber() ? current_ : now.ended_by; }
  [[nodiscard]] cpu_state& me() noexcept { return now.cpu[current_]; }
  [[nodiscard]] uint8_t word_at(const void* address, uint64_t initial) noexcept;
  /// Acts when the search says so. False: an interrupt came first, and a sleeper has to look again.
  bool perform(const operation& o) noexcept;
  void uses(const void* address, size_t size) noexcept;
  void fail(const std::string& why) noexcept;
  void record(const std::string& text, uint16_t from = no_store, bool is_store = false) {
    record_for(current_, text, from, is_store);
  }
  void record_for(cpu_id cpu, const std::string& text, uint16_t from = no_store, bool is_store = false) {
    if (recording) events.push_back({cpu, now.cpu[cpu].level, text, from, is_store});
  }
  [[nodiscard]] std::string name_of(const void* address) const;
  void outcome(uint64_t value) { outcomes.insert(value); }
  void trace(const trace_event& e);

  // --- For the search.

  void start();
  void resume(cpu_id cpu) noexcept;
  void interrupt_cpu(cpu_id cpu, interrupt which) noexcept;
  void execute(cpu_id cpu, const operation& o, uint32_t choice) noexcept;
  /// How many ways to act the pending operation has; 0 while it can't act.
  [[nodiscard]] uint32_t ways(cpu_id cpu) noexcept;
  [[nodiscard]] uint32_t alive() const noexcept;
  [[nodiscard]] uint64_t hash() noexcept;
  [[nodiscard]] uint64_t hash_of(cpu_id cpu, uint64_t h, const unread_bits& unread, uint8_t w) noexcept;
  [[nodiscard]] unsigned char* shadow() noexcept { return shadow_.data(); }
  /// Which words need decisions, as text, and back.
  [[nodiscard]] std::string contended() const;
  bool contended(const std::string& text);

 private:
  struct slot {
    uint8_t word;  // plus one
    bool contended, slept_on, nested;
    uint8_t levels[max_machine];
    uint64_t initial;
  };
  struct plain_slot {
    uint8_t written, read;  // words, plus one
  };

  [[nodiscard]] slot& slot_of(uint8_t w) noexcept { return slots_[slot_of_word_[w]]; }
  [[nodiscard]] bool is_quiet(const operation& o) noexcept;
  void contend(uint8_t w) noexcept;
  uint8_t new_word(size_t at) noexcept;
  uint8_t known(uint8_t w) noexcept;
  uint8_t plain_word(uint8_t& w) noexcept;
  void note_plain_writes() noexcept;
  void plain_write(size_t index) noexcept;
  void take_interrupt() noexcept;
  void exchange(cpu_id cpu, const operation& o, uint32_t choice) noexcept;
  uint16_t chosen(cpu_id cpu, const operation& o, uint32_t choice) noexcept;
  void wake(cpu_id cpu, uint8_t w) noexcept;
  void send(cpu_id from, uint32_t targets, bool nmi) noexcept;
  void describe(cpu_id cpu, const operation& o, uint16_t from);
  void yield() noexcept;
  static void enter(fiber_stack::transfer from) noexcept;

  fiber_stack::context search_ = nullptr;
  cpu_id current_ = no_cpu;
  static constexpr uint32_t patience = 1'000;
  uint32_t undecided_ = 0;         // operations since the search decided last
  std::vector<slot> slots_;        // by address / 4; the last one is for plain data
  std::vector<plain_slot> plain_;  // by address / 8
  std::vector<unsigned char> shadow_;
  uint32_t slot_of_word_[max_words]{};
  uint32_t words_ = 0;
};

}  // namespace lastcpu::model
