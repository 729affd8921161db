// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the tracer and the machine under test share: memory that outlives the machine. The tracer writes the first half
// before it lets the machine run, the machine the second; the tracer judges when it is dead.

#include <lastcpu/cpu.hpp>
#include <lastcpu/platform/posix/futex.hpp>
#include <lastcpu/platform/posix/registers.hpp>

#include <string.h>

#include <array>
#include <atomic>

namespace nmi_step {

/// What the code under the NMI does.
enum class path { crash_kexec, panic };

/// What comes before instruction n.
enum class intruder {
  nmi_panic,    // an NMI whose handler panics
  nmi_nothing,  // an NMI of somebody else
  rival_panic,  // CPU 1 panics, and goes on until it has won or parked
  both_panic,   // the same, and then an NMI on CPU 0, before CPU 1 has got further than its report
};

struct scenario {
  path what;
  bool image;                   // a crash image is loaded
  intruder before;              // each instruction
  bool rival_in_trial = false;  // CPU 1 panics too, and is parked as soon as CPU 0 holds the gate on trial
};

[[nodiscard]] constexpr bool panics_by_nmi(const scenario& s) noexcept {
  return s.before == intruder::nmi_panic || s.before == intruder::both_panic;
}
[[nodiscard]] constexpr bool panics_by_rival(const scenario& s) noexcept {
  return s.before == intruder::rival_panic || s.before == intruder::both_panic;
}

inline constexpr char oops_text[] = "oops";
inline constexpr char panic_text[] = "panic";
inline constexpr char nmi_text[] = "NMI";
inline constexpr char rival_text[] = "rival";
inline constexpr uint64_t caller_pc = 0xca11;  // in the registers that CPU 0 hands over
inline constexpr uint64_t good_image = 42;     // the size of an image that is whole

using word = std::atomic<uint32_t>;
inline constexpr uint32_t never = ~uint32_t{0};

struct note_copy {
  lastcpu::cpu_id cpu;
  lastcpu::stop_state state;
  bool crashing, cut_short, registers_valid;
  lastcpu::posix_registers registers;
  char message[16], nmi_message[16];
};

/// An NMI that does not return may come while it is written: then it is not told.
struct told_event {
  lastcpu::trace_event event;
  word told{0};
};

struct lab {
  // --- The tracer's.
  scenario play{};
  word stop_at{never};  // the anchor at which CPU 0 is to stop
  word go{0};           // CPU 1 is to panic

  // --- The machine's.
  word anchors{0};                               // passed by CPU 0; between two of them lies a stretch
  std::atomic<const void*> waited_for{nullptr};  // by CPU 0, since the last anchor
  word over{0};                                  // CPU 0 has come to the end of what is to be stepped
  word rival_ready{0};
  word rival_tid{0};
  word rival_only_looks{0};  // CPU 1 runs no code that CPU 0 runs, too
  word settled{0};           // CPU 1 has won or stopped
  word rival_has_asked{0};   // CPU 1 has asked CPU 0 to stop
  word cpu_0_stopped{0};
  word trace_refused{0};  // errno of a refused ptrace
  word nmis{0}, nmis_returned{0};
  word came_back{0};      // 1 + the kexec_outcome with which crash_kexec() returned
  word irqs_on_again{0};  // ... and interrupts were on
  lastcpu::posix_registers nmi_registers{};

  word jumps{0}, restarts{0}, halts{0};
  word end_cpu{never}, end_in_nmi{0};
  word reports{0}, notifiers{0}, dumps{0}, flushes{0}, shutdowns{0};
  char report_message[16]{};
  lastcpu::posix_registers report_registers{};
  word notes{0};
  std::array<note_copy, 4> note{};
  word stops_sent{0};

  word events{0};
  std::array<told_event, 64> trace{};

  void tell(const lastcpu::trace_event& e) noexcept {
    const uint32_t i = events++;
    if (i >= trace.size()) return;
    trace[i].event = e;
    trace[i].told = 1;
  }
  /// Calls see(event) for each event that was told.
  template <class See>
  void for_each_event(See see) const noexcept {
    for (uint32_t i = 0; i < events && i < trace.size(); ++i)
      if (trace[i].told != 0) see(trace[i].event);
  }
  [[nodiscard]] uint32_t count(lastcpu::trace_kind kind) const noexcept {
    uint32_t n = 0;
    for_each_event([&n, kind](const lastcpu::trace_event& e) { n += e.kind == kind ? 1u : 0u; });
    return n;
  }
};

inline lab* shared = nullptr;

template <size_t N>
void copy_text(char (&to)[N], const char* from) noexcept {
  memcpy(to, from, strnlen(from, N - 1));
}

// The futex words here are shared by two processes. Not by libc: CPU 1 must not come to a breakpoint there.
[[gnu::always_inline]] inline void call_futex(const void* w, long what, uint32_t value,
                                              const timespec* bound) noexcept {
  long result = SYS_futex;
  register const timespec* fourth asm("r10") = bound;
  asm volatile("syscall" : "+a"(result) : "D"(w), "S"(what), "d"(value), "r"(fourth) : "rcx", "r11", "memory");
}
[[gnu::always_inline]] inline void wait_while(const word& w, uint32_t value) noexcept {
  const timespec bound{0, 100'000'000};
  call_futex(&w, FUTEX_WAIT, value, &bound);
}
[[gnu::always_inline]] inline void set_and_wake(word& w, uint32_t value) noexcept {
  w.store(value);
  call_futex(&w, FUTEX_WAKE, 0x7fff'ffff, nullptr);
}

}  // namespace nmi_step
