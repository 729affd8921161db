// SPDX-License-Identifier: BSL-1.0
#pragma once
// What is explored, how, and what comes of it. And what the machine consists of that a scenario runs on.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/model/words.hpp>

#include <boost/context/detail/fcontext.hpp>

#include <string>

/// The port that explores every interleaving. Hosted.
namespace lastcpu::model {

/// What a handler is called for.
enum class interrupt : uint8_t {
  none,          ///< nothing
  irq,           ///< a stop by interrupt
  stop_nmi,      ///< a stop by NMI
  injected_nmi,  ///< an NMI of the search's: options::nmis
};
/// How a run ends: by itself, when nobody can go on, or with the machine.
enum class ending : uint8_t {
  quiet,      ///< every CPU has returned, parked, or sleeps
  jumped,     ///< P::jump()
  restarted,  ///< P::emergency_restart()
  halted,     ///< P::halt()
};

/// What is explored: a test derives from it, see explore.hpp.
class scenario {
 public:
  virtual void run(cpu_id) = 0;                 ///< what a CPU does; it may return
  virtual void nmi(cpu_id, interrupt) {}        ///< its handler of NMIs
  virtual void irq(cpu_id) {}                   ///< its handler of the stop interrupt
  virtual void finish(ending, cpu_id) {}        ///< no CPU runs any more: what must hold
  virtual void on_trace(const trace_event&) {}  ///< P::trace()
  /// A CPU may be left waiting for ever: that is no deadlock.
  [[nodiscard]] virtual bool may_sleep() const { return false; }
  ///@{
  /// For the chart: what is at this address, and how its value reads. Empty: by offset, as a number.
  [[nodiscard]] virtual std::string name(const void*) const { return {}; }
  [[nodiscard]] virtual std::string value(const void*, uint64_t) const { return {}; }
  ///@}

 protected:
  ~scenario() = default;
};

/// When a wait with a deadline ends by it.
enum class deadlines : uint8_t {
  when_stuck,  ///< time passes only where nobody can go on without: who can answer, answers
  any_time,    ///< a deadline may pass at any moment, or not
};

/// How a scenario is explored.
struct options {
  uint32_t nmis = 0;                       ///< injected at any moment, at most so many in a run
  uint32_t nmi_cpus = ~0u;                 ///< as a mask: on these CPUs
  uint32_t spurious = 0;                   ///< at most so many waits end for no reason
  deadlines time = deadlines::when_stuck;  ///< when a deadline passes
  uint32_t stale = ~0u;                    ///< a load sees at most so many stores back
  uint32_t switches = ~0u;                 ///< at most so many switches away from a CPU that could go on
  uint64_t random_runs = 0;                ///< not exhaustive: so many runs, by seed
  uint64_t seed = 1;                       ///< of the random runs
  uint64_t max_states = 30'000'000;        ///< a search that meets more is not complete
  uint32_t max_depth = 5'000;              ///< operations in one run
  bool reduce = true;                      ///< false: no quiet words, no state left out: every order, one by one
  bool livelock = false;                   ///< finds states from which nobody can come to an end; needs `reduce`
  bool shorten = true;                     ///< looks for a shorter way to a failure
};

/// What an exploration says.
struct result {
  std::string failure;    ///< empty: every run is as it should be
  std::string choices;    ///< leads there again: replay()
  std::string chart;      ///< the run that fails; tools/chart draws it
  bool complete = false;  ///< no run was left out
  bool shortest = false;  ///< no run fails in fewer operations
  ///@{
  /// What there was to explore: states that differ, runs to an end, and what happened in all of them.
  uint64_t states = 0, runs = 0, moves = 0;
  ///@}
  double seconds = 0;  ///< it took
};

// --- The machine

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

/// What a CPU does, as the search sees it.
enum class act : uint32_t {
  load,      ///< of a word
  store,     ///< to a word
  exchange,  ///< a compare-exchange
  add,       ///< a fetch_add
  wait,      ///< P::wait_while()
  wake,      ///< P::wake()
  send,      ///< P::send_stop()
  mask,      ///< P::irq_save()
  choose,    ///< choose()
  finish,    ///< the machine ends
  idle,      ///< nothing, for good
  force,     ///< take_away()
};
/// In what a CPU does it.
enum class context : uint8_t {
  thread,  ///< scenario::run()
  irq,     ///< scenario::irq()
  nmi,     ///< scenario::nmi()
};

/// No padding: it stands on the stack of its CPU, and what no operation has written would make equal states differ.
struct operation {
  act what;
  uint32_t word = 0;
  order success = order::relaxed, failure = order::relaxed;
  uint64_t wanted = 0;   // compared with; of an add its word's bits; of a send, a force whom; of a choice how many
  uint64_t desired = 0;  // stored
  uint64_t at = 0;       // a deadline
};

struct cpu_state {
  // By these states are told apart; again no padding.
  operation pending;
  uint64_t clock;
  bool asleep;  // in its pending wait
  bool woken, irqs_on, parked, nmi_latched, irq_latched;
  bool deaf;  // takes no interrupt, no NMI either
  context level;
  // What a step leaves behind for the CPU, which goes on at once.
  fiber_stack::context stack;
  uint64_t result;
  bool done;  // of an exchange: it stored; of a wait: it did not end by its deadline
  interrupt signal;
  view before_nmi, before_irq;  // what was stored before the stop request that is latched
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
  cpu_id urgent;      // has just taken an injected NMI, whose handler acts next
  cpu_id last;
  uint32_t nmis_left, spurious_left, switches_left;
  ending end;
  cpu_id ended_by;
  bool over;
  memory mem;
};

}  // namespace lastcpu::model

#include <lastcpu/detail/end.hpp>
