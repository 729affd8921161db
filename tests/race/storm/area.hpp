// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a trial leaves behind: memory that the trial's process shares with the one that judges it, so that it can be
// read after the machine in it has died. Plain words only, no pointers.

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/posix/registers.hpp>

#include <stdint.h>

namespace storm {

using lastcpu::cpu_id;
using lastcpu::order;

inline constexpr cpu_id cpu_count = 8;

/// What a CPU is doing, as far as the question goes whether anything can still happen.
enum class cpu_state : uint32_t {
  absent,
  running,  // in code that goes on by itself
  idle,     // back in (or never out of) normal life, with nothing more to do
  waiting,  // in wait_while() without a deadline: a loser that looks for its chance, or an endless loop
  parked,   // in P::park(): for good
};

/// What the timeline shows. The first ones are lastcpu::trace_kind, number for number.
enum class event : uint32_t {
  claim_won,
  claim_lost,
  pending_set,
  released,
  pending_taken,
  committed,
  step_begun,
  stop_sent,
  acknowledged,
  withdrawn,
  parked,
  // of the storm itself
  calls_panic,
  calls_crash_kexec,
  crash_kexec_returned,  // value: the reason
  faults,                // value: fault_point, or no value for an oops
  nmi_arrives,
  nmi_panics,
  nmi_returns,
  irq_arrives,
  asks_to_stop_others,
  loads_image,
  image_loaded,
  dump_begins,
  dump_complete,
  restarts,
  halts,
};

static_assert(static_cast<uint32_t>(event::parked) == static_cast<uint32_t>(lastcpu::trace_kind::parked),
              "storm: event begins with all of lastcpu::trace_kind");

struct log_entry {
  uint64_t ns;
  event what;
  uint32_t value;
};

/// What was seen that must not be. A bit each.
enum class wrong : uint32_t {
  two_dumps = 1u << 0,            // a second jump
  not_the_owner = 1u << 1,        // jumped or restarted without holding the gate
  still_running = 1u << 2,        // named as stopped, but ran on
  silent_cpu = 1u << 3,           // a CPU that could answer is named silent
  message_lost = 1u << 4,         // a panic's text is not in the notes
  registers_lost = 1u << 5,       // a stopped CPU's registers are missing or not whole
  stop_to_parked = 1u << 6,       // a parked CPU was sent a stop request
  torn_image = 1u << 7,           // the image that was started is not one that was loaded
  second_report = 1u << 8,        // stop_others() answered differently the second time
  early_stop = 1u << 9,           // a stop was granted to a CPU that had not committed
  irqs_left_off = 1u << 10,       // back in normal life with interrupts off
  too_many_panics = 1u << 11,     // the reporting step ran more than once
  false_reason = 1u << 12,        // crash_kexec() said "no image" while there was one
  owner_acknowledged = 1u << 13,  // the owner had been parked and still counts as stopped
};
inline constexpr uint32_t wrong_count = 14;

struct note {
  uint32_t present;
  lastcpu::stop_state state;
  uint32_t crashing;
  uint32_t registers;  // 0 none, 1 whole, 2 not whole
  uint32_t texts;      // a bit for each panic_context that said something
  uint32_t due;        // the same, of those that were ready when the notes were begun
};

inline constexpr uint32_t log_length = 384;

struct alignas(64) cpu_area {
  lastcpu::atomic<uint32_t> state;
  lastcpu::atomic<uint32_t> tid;
  lastcpu::atomic<uint32_t> nmi_depth;
  lastcpu::atomic<uint32_t> nmi_wants_panic;
  lastcpu::atomic<uint32_t> life;        // counts while the CPU runs normal code
  lastcpu::atomic<uint32_t> panics;      // a bit for each panic_context in which it called panic
  lastcpu::atomic<uint32_t> oopses;      // it called crash_kexec
  lastcpu::atomic<uint32_t> oops_begun;  // word to wait on: the hardware aims its NMI at it
  lastcpu::atomic<uint32_t> stops_seen;  // bit 0 irq, bit 1 NMI
  lastcpu::atomic<uint32_t> events;
  log_entry log[log_length];
};

struct trial_area {
  cpu_area cpu[cpu_count];
  note notes[cpu_count];
  lastcpu::atomic<uint32_t> activity;   // changes with every cpu_state
  lastcpu::atomic<uint32_t> all_quiet;  // word to wait on: nobody was running a moment ago
  lastcpu::atomic<uint32_t> wrongs;     // enum wrong
  lastcpu::atomic<uint32_t> jumps;
  lastcpu::atomic<uint32_t> dumps_complete;
  lastcpu::atomic<uint32_t> reports;       // the reporting step
  lastcpu::atomic<uint32_t> faults_fired;  // a bit for each fault_point
  lastcpu::atomic<uint32_t> refusals;      // a bit for each kexec_outcome with which crash_kexec() came back
  uint64_t began_ns;
};

/// Set before the trial's process is made, never changed while it runs.
inline trial_area* area = nullptr;

inline void add_bits(lastcpu::atomic<uint32_t>& word, uint32_t bits) noexcept {
  uint32_t seen = word.load(order::relaxed);
  while (!word.compare_exchange(seen, seen | bits, order::acq_rel, order::relaxed)) {
  }
}
inline void note_wrong(wrong w) noexcept {
  add_bits(area->wrongs, static_cast<uint32_t>(w));
}

/// Adds to the CPU's line of the timeline. Any context.
void log_event(cpu_id cpu, event what, uint32_t value = 0) noexcept;

}  // namespace storm
