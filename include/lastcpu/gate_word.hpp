// SPDX-License-Identifier: BSL-1.0
#pragma once
// The gate's one word as a value: who holds the gate, and how far the holder has come. Zero is "open, never used".
//
//   64 bits:  offered:16 | epoch:21 | step:6 | pending:1 | phase:3 | wanted:1 | owner:16
//   32 bits:  offered:8  | epoch:5  | step:6 | pending:1 | phase:3 | wanted:1 | owner:8
//
// CPU numbers are stored plus one; 0 is nobody. An open word has an epoch, and `wanted` when a panic waits for it: then
// it is open to panics only. The owner is in the lowest bits, where one instruction compares it with zero, and an open
// word is taken by one addition.
// Every transition changes the low half of the 64-bit word. A machine that can wait on 32 bits only (futex) waits on
// that.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>

#include <stdint.h>

namespace lastcpu {

/// How far the holder has come. Code compares phases: from `dumping` on, every other CPU is to stop for good.
enum class phase : uint8_t {
  open,       ///< nobody holds the gate
  trial,      ///< crash_kexec() looks for an image: the gate may be given back
  panicking,  ///< a panic: the gate never opens again
  offered,    ///< panicking, and the gate is offered to another CPU
  dumping,    ///< committed: this phase is the stop request
  jumping,    ///< the crash kernel is being started
};

/// A name to print; "?" for a value that is none of these, never null.
[[nodiscard]] constexpr const char* to_string(phase p) noexcept {
  constexpr const char* names[] = {"open", "trial", "panicking", "offered", "dumping", "jumping"};
  return static_cast<uint32_t>(p) < sizeof names / sizeof *names ? names[static_cast<uint32_t>(p)] : "?";
}

/// The word of the gate, decoded: a plain value, which panic_cpu (panic_cpu.hpp) exchanges. Any context; only the
/// caller knows how old it is. After Linux's panic_cpu, which holds the owner alone.
class gate_word {
 public:
  /// The machine word that it is kept in.
  using bits_type = uintptr_t;

  /// Open, in epoch 0.
  constexpr gate_word() noexcept = default;
  /// From the word as it was read.
  constexpr explicit gate_word(bits_type bits) noexcept : bits_(bits) {}

  /// As it is kept: what an exchange compares.
  [[nodiscard]] constexpr bits_type bits() const noexcept { return bits_; }
  /// The holder, or no_cpu.
  [[nodiscard]] constexpr cpu_id owner() const noexcept { return static_cast<cpu_id>(get(owner_at, cpu_bits)) - 1; }
  /// The CPU that it is offered to, or no_cpu.
  [[nodiscard]] constexpr cpu_id offered() const noexcept { return static_cast<cpu_id>(get(offered_at, cpu_bits)) - 1; }
  /// How far the holder has come; `open` where there is none.
  [[nodiscard]] constexpr lastcpu::phase phase() const noexcept {
    return static_cast<lastcpu::phase>(get(phase_at, phase_bits));
  }
  /// Nobody holds it.
  [[nodiscard]] constexpr bool is_open() const noexcept { return get(owner_at, cpu_bits) == 0; }
  /// Nobody holds it, and no panic waits for it.
  [[nodiscard]] constexpr bool is_open_to_trials() const noexcept { return get(owner_at, cpu_bits + 1) == 0; }
  /// A panic waits for this trial to end. Means nothing once the hold is final.
  [[nodiscard]] constexpr bool wanted() const noexcept { return get(wanted_at, 1) != 0; }
  /// An NMI has panicked on the holder of this trial: release() makes the hold final.
  [[nodiscard]] constexpr bool pending() const noexcept { return get(pending_at, 1) != 0; }
  /// The step that was begun last (step.hpp); 0: none.
  [[nodiscard]] constexpr uint32_t step() const noexcept { return static_cast<uint32_t>(get(step_at, step_bits)); }
  /// Counts releases; wraps.
  [[nodiscard]] constexpr uint32_t epoch() const noexcept { return static_cast<uint32_t>(get(epoch_at, epoch_bits)); }
  /// The other CPUs have been asked to stop for good.
  [[nodiscard]] constexpr bool is_committed() const noexcept { return phase() >= lastcpu::phase::dumping; }
  /// This CPU holds it, on trial or for good.
  [[nodiscard]] constexpr bool is_held_by(cpu_id cpu) const noexcept {
    return (bits_ & mask(cpu_bits) << owner_at) == held(cpu, lastcpu::phase::open);
  }
  /// On trial, with no panic pending. `cpu` is below cpu_capacity.
  [[nodiscard]] constexpr bool is_trial_of(cpu_id cpu) const noexcept {
    return (bits_ & mask(pending_at + 1) & ~(mask(1) << wanted_at)) == held(cpu, lastcpu::phase::trial);
  }

  ///@{
  /// This word with one field changed, the others as they are.
  [[nodiscard]] constexpr gate_word with_owner(cpu_id c) const noexcept { return with(owner_at, cpu_bits, c + 1u); }
  [[nodiscard]] constexpr gate_word with_phase(lastcpu::phase p) const noexcept {
    return with(phase_at, phase_bits, static_cast<bits_type>(p));
  }
  [[nodiscard]] constexpr gate_word with_pending(bool p) const noexcept { return with(pending_at, 1, p ? 1u : 0u); }
  [[nodiscard]] constexpr gate_word with_wanted() const noexcept { return with(wanted_at, 1, 1); }
  [[nodiscard]] constexpr gate_word with_step(uint32_t s) const noexcept { return with(step_at, step_bits, s); }
  ///@}
  /// This word, at least in this phase and in this step, which must fit.
  [[nodiscard]] constexpr gate_word moved_on_to(lastcpu::phase p, uint32_t s) const noexcept {
    const bits_type phases = p > phase() ? static_cast<bits_type>(p) - get(phase_at, phase_bits) : 0;
    const bits_type steps = s > step() ? s - step() : 0;
    return gate_word{bits_ + (phases << phase_at) + (steps << step_at)};
  }
  /// This open word, held by `c`. Owner and phase are zero in it, so an addition sets them. `wanted` stays.
  [[nodiscard]] constexpr gate_word taken_by(cpu_id c, lastcpu::phase p) const noexcept {
    return gate_word{bits_ + static_cast<bits_type>(held(c, p))};
  }
  /// This trial, made a panic.
  [[nodiscard]] constexpr gate_word made_final() const noexcept {
    return with_phase(lastcpu::phase::panicking).with_pending(false);
  }
  /// The open word after this hold, in the next epoch. `wanted` stays: the panic that waits comes before a further
  /// trial.
  [[nodiscard]] constexpr gate_word released() const noexcept {
    return gate_word{(bits_ + (bits_type{1} << epoch_at)) & (mask(epoch_bits) << epoch_at | mask(1) << wanted_at)};
  }

  ///@{
  /// Widths of the fields, in bits.
  static constexpr unsigned cpu_bits = sizeof(bits_type) >= 8 ? 16 : 8;
  static constexpr unsigned phase_bits = 3;
  static constexpr unsigned step_bits = 6;
  static constexpr unsigned epoch_bits = sizeof(bits_type) * 8 - 2 * cpu_bits - phase_bits - 2 - step_bits;
  ///@}
  /// How many CPUs the owner field can name, the one without a number included.
  static constexpr cpu_id cpu_capacity = (cpu_id{1} << cpu_bits) - 1;

 private:
  static constexpr unsigned owner_at = 0;
  static constexpr unsigned wanted_at = owner_at + cpu_bits;  // is_open_to_trials() tests it with the owner
  static constexpr unsigned phase_at = wanted_at + 1;
  static constexpr unsigned pending_at = phase_at + phase_bits;  // is_trial_of() compares all bits up to this one
  static constexpr unsigned step_at = pending_at + 1;
  static constexpr unsigned epoch_at = step_at + step_bits;
  static constexpr unsigned offered_at = epoch_at + epoch_bits;

  [[nodiscard]] static constexpr bits_type mask(unsigned width) noexcept { return (bits_type{1} << width) - 1; }
  [[nodiscard]] constexpr bits_type get(unsigned at, unsigned width) const noexcept {
    return bits_ >> at & mask(width);
  }
  [[nodiscard]] constexpr gate_word with(unsigned at, unsigned width, bits_type value) const noexcept {
    return gate_word{(bits_ & ~(mask(width) << at)) | (value & mask(width)) << at};
  }

  // Owner and phase as they are in the word, for a `c` below cpu_capacity. A larger one spills into the bits above the
  // owner; is_held_by(), which compares the owner alone, is then false of every word.
  [[nodiscard]] static constexpr uint64_t held(cpu_id c, lastcpu::phase p) noexcept {
    return uint64_t{c} + ((uint64_t{1} << owner_at) + (static_cast<uint64_t>(p) << phase_at));
  }

  bits_type bits_ = 0;
};

static_assert(sizeof(gate_word) == sizeof(uintptr_t), "lastcpu: the gate is one machine word");

/// What a CPU that panics does next: decide().
enum class gate_move : uint8_t {
  take,  ///< nobody holds the gate
  mine,  ///< this CPU holds it
  park,  ///< another CPU has committed: park for good
  want,  ///< another CPU holds it on trial: set `wanted`, for a panic waits
  wait,  ///< another CPU holds it: wait for the word to change
};

/// What the CPU with this number does about the word. A stop handler acts on `park` alone: it has no panic to finish.
[[nodiscard]] constexpr gate_move decide(gate_word seen, cpu_id number) noexcept {
  if (seen.is_open()) return gate_move::take;
  if (seen.is_held_by(number)) return gate_move::mine;
  if (seen.is_committed()) return gate_move::park;
  return seen.phase() == phase::trial && !seen.wanted() ? gate_move::want : gate_move::wait;
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
