// SPDX-License-Identifier: BSL-1.0
// An NMI before each single instruction of crash_kexec() and panic(): a real process, stopped there with ptrace, on which
// the signal that is its NMI falls; then a fresh process and the next instruction. Every outcome is judged by the promises.
// Of a loop the first round is tried, the second and the last.
// Which instructions there are is found by stepping, through libc and the vDSO as well. Not under sanitizers: the way leads
// through their runtime, too.

#include <gtest/gtest.h>
#include <stdio.h>

#include <array>
#include <chrono>
#include <iterator>
#include <set>
#include <utility>

#include "stretch.hpp"
#include "verdict.hpp"

#ifndef NMI_STEP_STRIDE
#define NMI_STEP_STRIDE 1  // every instruction
#endif

namespace nmi_step {
namespace {

class campaign {
 public:
  explicit campaign(const scenario& play) : play_(play) {
    for (; complaints_ < patience; ++stretches_) {
      const std::optional<stretch> next = stretch::record(play_, stretches_);
      if (shared->trace_refused != 0)
        say_what_to_allow();
      else if (!next.has_value())
        ADD_FAILURE() << "the machine dies before it comes to anchor " << stretches_;
      if (!next.has_value() || next->is_empty()) break;
      next->for_each_place([this](const place& where) {
        if (complaints_ < patience && seen_++ % stride_ == 0) at(where);
      });
    }
    print();
  }

  /// Something happened at each of these moments, else the test has tested nothing; and a twentieth of all places was
  /// missed at most, of no stretch more than a quarter.
  void expect(std::initializer_list<moment> wanted) const {
    if (shared->trace_refused != 0) return;
    for (const moment m : wanted)
      EXPECT_GT(times_[static_cast<uint32_t>(m)], 0u) << moment_names[static_cast<uint32_t>(m)];
    EXPECT_GE(reached_.size() * 20, wanted_.size() * 19)
        << "the machine's way varies so much that too few were reached";
    for (uint32_t stretch = 0; stretch < stretches_; ++stretch)
      EXPECT_GE(places_in(reached_, stretch) * 4, places_in(wanted_, stretch) * 3) << "behind anchor " << stretch;
  }

 private:
  static constexpr uint32_t patience = 3;
  using places = std::set<std::pair<uint32_t, uint64_t>>;  // a stretch and an address; a loop's rounds count once

  [[nodiscard]] static uint64_t places_in(const places& all, uint32_t stretch) {
    return static_cast<uint64_t>(std::distance(all.lower_bound({stretch, 0}), all.lower_bound({stretch + 1, 0})));
  }

  static void say_what_to_allow() {
    ADD_FAILURE() << "ptrace is refused (" << strerror(static_cast<int>(shared->trace_refused))
                  << "): allow it, in a container with --cap-add=SYS_PTRACE (or --security-opt seccomp=unconfined), "
                     "elsewhere with sysctl kernel.yama.ptrace_scope=1";
  }

  void at(const place& where) {
    wanted_.insert({where.stretch, where.address});
    const std::optional<happening> what = run_trial(play_, where);
    if (!what.has_value()) return;
    ++times_[static_cast<uint32_t>(what->when)];
    reached_.insert({where.stretch, where.address});
    judge(*what, where);
  }

  void judge(const happening& what, const place& where) {
    const verdict v(play_, what);
    if (v.complaints().empty()) return;
    ++complaints_;
    ADD_FAILURE() << "at anchor " << where.stretch << ", pc 0x" << std::hex << where.address << std::dec << ", visit "
                  << where.visit << " (" << moment_names[static_cast<uint32_t>(what.when)] << "): " << v.complaints();
  }

  void print() const {
    printf("  %u trials in %u stretches, stride %u: %zu of %zu instructions reached;", seen_, stretches_, stride_,
           reached_.size(), wanted_.size());
    for (uint32_t m = 0; m < moments; ++m) printf(" %s: %u,", moment_names[m], times_[m]);
    printf(" %.1f s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count());
    fflush(stdout);
  }

  scenario play_;
  // The plays without a ladder are short.
  uint32_t stride_ = play_.what == path::crash_kexec && !play_.image ? 1 : NMI_STEP_STRIDE;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  uint32_t seen_ = 0, stretches_ = 0, complaints_ = 0;
  places wanted_, reached_;
  std::array<uint32_t, moments> times_{};
};

using enum moment;
using enum intruder;
constexpr bool with_image = true;
constexpr bool without_image = false;

TEST(nmi_panic_at_every_instruction, of_crash_kexec_with_an_image_ends_in_one_jump) {
  campaign({path::crash_kexec, with_image, nmi_panic}).expect({open, trial, panicking, committed});
}

TEST(nmi_panic_at_every_instruction, of_crash_kexec_without_an_image_ends_as_the_panic_of_the_nmi) {
  campaign({path::crash_kexec, without_image, nmi_panic}).expect({open, trial});
}

TEST(nmi_panic_at_every_instruction, of_crash_kexec_that_keeps_a_loser_waiting_ends_as_one_of_both_panics) {
  campaign({path::crash_kexec, without_image, nmi_panic, true}).expect({open, trial, of_another});
}

TEST(nmi_panic_at_every_instruction, of_panic_with_an_image_ends_in_one_jump) {
  campaign({path::panic, with_image, nmi_panic}).expect({open, panicking, committed});
}

TEST(nmi_panic_at_every_instruction, of_panic_without_an_image_ends_in_one_restart) {
  campaign({path::panic, without_image, nmi_panic}).expect({open, panicking, committed});
}

TEST(nmi_of_somebody_else_at_every_instruction, of_crash_kexec_with_an_image_changes_nothing) {
  campaign({path::crash_kexec, with_image, nmi_nothing}).expect({open, trial, panicking, committed});
}

TEST(nmi_of_somebody_else_at_every_instruction, of_crash_kexec_without_an_image_changes_nothing) {
  campaign({path::crash_kexec, without_image, nmi_nothing}).expect({open, trial});
}

TEST(nmi_panic_at_every_instruction, of_crash_kexec_parks_there_when_another_cpu_has_won) {
  campaign({path::crash_kexec, without_image, both_panic}).expect({trial, of_another});
}

TEST(panic_of_another_cpu_at_every_instruction, of_crash_kexec_without_an_image_ends_as_that_panic) {
  campaign({path::crash_kexec, without_image, rival_panic}).expect({open, trial});
}

TEST(panic_of_another_cpu_at_every_instruction, of_panic_leaves_one_owner) {
  campaign({path::panic, without_image, rival_panic}).expect({open, panicking, committed});
}

}  // namespace
}  // namespace nmi_step
