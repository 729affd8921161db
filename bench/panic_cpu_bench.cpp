// SPDX-License-Identifier: BSL-1.0
// What the gate costs above the instructions that nobody can do without. README.md says how to read it.

#include <lastcpu/panic.hpp>
#include <lastcpu/panic_cpu.hpp>

#include <benchmark/benchmark.h>
#include <stdint.h>

#include <memory>
#include <thread>

#include "bare_platforms.hpp"
#include "interleaved.hpp"
#include "raw_word.hpp"

namespace {

using benchmark::State;
using lastcpu::claim_outcome;
using lastcpu::hold;
using lastcpu::posix;
using lastcpu::release_outcome;
using lastcpu_bench::as_cpu;
using lastcpu_bench::compare;
using lastcpu_bench::constant_cpu;
using lastcpu_bench::in_a_row;
using lastcpu_bench::keep;
using lastcpu_bench::locked;
using lastcpu_bench::polled;
using lastcpu_bench::raw_compare_exchange;
using lastcpu_bench::raw_load;
using lastcpu_bench::raw_store;
using lastcpu_bench::registered;
using lastcpu_bench::require;
using lastcpu_bench::tls_cpu;

// --- What is measured, each on a cache line of its own and at an address that the linker knows.

template <class P>
alignas(64) constinit lastcpu::panic_cpu<P> gate{};
template <class P>
alignas(64) constinit lastcpu::crash_domain<P> machine{};
template <class P>
constinit typename P::registers interrupted{};
alignas(64) constinit uintptr_t raw{};

// Laid out like the gate's word: a phase above the owner plus one.
constexpr uintptr_t raw_owner = 0xffff;
constexpr uintptr_t raw_me = 0x1'0001;
constexpr uintptr_t raw_other = 0x1'0002;

void raw_take() {
  require(raw_compare_exchange(raw, 0, raw_me));
}
void raw_give_back() {
  require(raw_compare_exchange(raw, raw_me, 0));
}

// A whole claim by hand: a look first, so that a loser leaves the line alone, then the one exchange.
void raw_look_and_take() {
  const uintptr_t seen = raw_load(raw);
  require((seen & raw_owner) == 0);
  require(raw_compare_exchange(raw, seen, seen + raw_me));
}

template <class P>
void claim_and_release() {
  require(gate<P>.claim(hold::trial).won());
  require(gate<P>.release() == release_outcome::released);
}

template <class P, hold Wanted>
void claim_alone() {
  require(gate<P>.claim(Wanted).won());
  std::construct_at(&gate<P>);  // a plain store
}

// --- The same code on both sides: what the method itself makes of a ratio of 1.

void control_locked(State& state) {
  raw_store(raw, 0);
  const auto both = [] { raw_take(), raw_give_back(); };
  compare<locked>(
      state, [both] { both(); }, [both] { both(); });
}

template <class Kind>
void control_load(State& state) {
  raw_store(raw, 0);
  const auto both = [] { require(raw_load(raw) == 0); };
  compare<Kind>(
      state, [both] { both(); }, [both] { both(); });
}

// --- A claim and its release, against as many locked instructions, and against one locked and one plain store.

template <class P>
void claim_release_vs_two_cmpxchg(State& state) {
  const as_cpu<P> cpu{0};
  std::construct_at(&gate<P>);
  raw_store(raw, 0);
  compare<locked>(
      state, [] { claim_and_release<P>(); }, [] { raw_take(), raw_give_back(); });
}

template <class P>
void claim_release_vs_cmpxchg_and_store(State& state) {
  const as_cpu<P> cpu{0};
  std::construct_at(&gate<P>);
  raw_store(raw, 0);
  compare<locked>(
      state, [] { claim_and_release<P>(); }, [] { raw_take(), raw_store(raw, 0); });
}

// --- A claim that wins, alone; a plain store makes the word ready for the next one, on both sides.

template <class P, hold Wanted>
void claim_vs_cmpxchg(State& state) {
  const as_cpu<P> cpu{0};
  std::construct_at(&gate<P>);
  raw_store(raw, 0);
  compare<locked>(
      state, [] { claim_alone<P, Wanted>(); }, [] { raw_take(), raw_store(raw, 0); });
}

template <class P, hold Wanted>
void claim_vs_look_and_cmpxchg(State& state) {
  const as_cpu<P> cpu{0};
  std::construct_at(&gate<P>);
  raw_store(raw, 0);
  compare<locked>(
      state, [] { claim_alone<P, Wanted>(); }, [] { raw_look_and_take(), raw_store(raw, 0); });
}

// --- A claim that loses to another CPU.

template <class P, class Kind>
void lost_claim_vs_load(State& state) {
  const as_cpu<P> cpu{0};
  std::construct_at(&gate<P>);
  std::thread{[] {
    const as_cpu<P> other{1};
    require(gate<P>.claim(hold::final).won());
  }}.join();
  raw_store(raw, raw_other);
  compare<Kind>(
      state, [] { require(gate<P>.claim(hold::trial).outcome == claim_outcome::other); },
      [] { require(raw_load(raw) != raw_me); });
}

// --- What everybody asks all the time: one load, and a branch or a value.

template <class P, class Kind>
void in_progress_vs_load_branch(State& state) {
  std::construct_at(&gate<P>);
  raw_store(raw, 0);
  compare<Kind>(
      state, [] { require(!gate<P>.in_progress()); }, [] { require(raw_load(raw) == 0); });
}

template <class P, class Kind>
void in_progress_vs_load_value(State& state) {
  std::construct_at(&gate<P>);
  raw_store(raw, 0);
  compare<Kind>(
      state, [] { keep(gate<P>.in_progress()); }, [] { keep(raw_load(raw) != 0); });
}

template <class P, class Kind>
void handle_nmi_vs_load(State& state) {
  raw_store(raw, 0);
  compare<Kind>(
      state, [] { machine<P>.handle_nmi(interrupted<P>); }, [] { require(raw_load(raw) == 0); });
}

const registered all[] = {
    {"control_locked", control_locked},
    {"control_load/kind:polled", control_load<polled>},
    {"control_load/kind:in_a_row", control_load<in_a_row>},

    {"claim_release_vs_two_cmpxchg/platform:constant_cpu", claim_release_vs_two_cmpxchg<constant_cpu>},
    {"claim_release_vs_two_cmpxchg/platform:tls_cpu", claim_release_vs_two_cmpxchg<tls_cpu>},
    {"claim_release_vs_two_cmpxchg/platform:posix", claim_release_vs_two_cmpxchg<posix>},
    {"claim_release_vs_cmpxchg_and_store/platform:constant_cpu", claim_release_vs_cmpxchg_and_store<constant_cpu>},
    {"claim_release_vs_cmpxchg_and_store/platform:posix", claim_release_vs_cmpxchg_and_store<posix>},

    {"claim_vs_cmpxchg/platform:constant_cpu/hold:trial", claim_vs_cmpxchg<constant_cpu, hold::trial>},
    {"claim_vs_cmpxchg/platform:constant_cpu/hold:final", claim_vs_cmpxchg<constant_cpu, hold::final>},
    {"claim_vs_cmpxchg/platform:tls_cpu/hold:trial", claim_vs_cmpxchg<tls_cpu, hold::trial>},
    {"claim_vs_cmpxchg/platform:posix/hold:trial", claim_vs_cmpxchg<posix, hold::trial>},
    {"claim_vs_cmpxchg/platform:posix/hold:final", claim_vs_cmpxchg<posix, hold::final>},
    {"claim_vs_look_and_cmpxchg/platform:constant_cpu", claim_vs_look_and_cmpxchg<constant_cpu, hold::trial>},
    {"claim_vs_look_and_cmpxchg/platform:tls_cpu", claim_vs_look_and_cmpxchg<tls_cpu, hold::trial>},
    {"claim_vs_look_and_cmpxchg/platform:posix", claim_vs_look_and_cmpxchg<posix, hold::trial>},

    {"lost_claim_vs_load/platform:tls_cpu/kind:polled", lost_claim_vs_load<tls_cpu, polled>},
    {"lost_claim_vs_load/platform:posix/kind:polled", lost_claim_vs_load<posix, polled>},
    {"lost_claim_vs_load/platform:tls_cpu/kind:in_a_row", lost_claim_vs_load<tls_cpu, in_a_row>},
    {"lost_claim_vs_load/platform:posix/kind:in_a_row", lost_claim_vs_load<posix, in_a_row>},

    {"in_progress_vs_load/platform:tls_cpu/wanted:branch/kind:polled", in_progress_vs_load_branch<tls_cpu, polled>},
    {"in_progress_vs_load/platform:posix/wanted:branch/kind:polled", in_progress_vs_load_branch<posix, polled>},
    {"in_progress_vs_load/platform:tls_cpu/wanted:branch/kind:in_a_row", in_progress_vs_load_branch<tls_cpu, in_a_row>},
    {"in_progress_vs_load/platform:posix/wanted:branch/kind:in_a_row", in_progress_vs_load_branch<posix, in_a_row>},
    {"in_progress_vs_load/platform:tls_cpu/wanted:value/kind:polled", in_progress_vs_load_value<tls_cpu, polled>},
    {"in_progress_vs_load/platform:posix/wanted:value/kind:polled", in_progress_vs_load_value<posix, polled>},
    {"in_progress_vs_load/platform:tls_cpu/wanted:value/kind:in_a_row", in_progress_vs_load_value<tls_cpu, in_a_row>},
    {"in_progress_vs_load/platform:posix/wanted:value/kind:in_a_row", in_progress_vs_load_value<posix, in_a_row>},

    {"handle_nmi_vs_load/platform:tls_cpu/kind:polled", handle_nmi_vs_load<tls_cpu, polled>},
    {"handle_nmi_vs_load/platform:posix/kind:polled", handle_nmi_vs_load<posix, polled>},
    {"handle_nmi_vs_load/platform:tls_cpu/kind:in_a_row", handle_nmi_vs_load<tls_cpu, in_a_row>},
    {"handle_nmi_vs_load/platform:posix/kind:in_a_row", handle_nmi_vs_load<posix, in_a_row>},
};

}  // namespace
