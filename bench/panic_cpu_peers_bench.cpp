// SPDX-License-Identifier: BSL-1.0
// The gate against what people use in its place, uncontended: standard and POSIX tools that let one thread in, and the
// historical designs (tests/race/specimens). Those keep their claim to themselves; it is reached by crash_kexec() with no
// crash kernel loaded, from the claim to the release and everything between, on both sides.

#include <lastcpu/panic.hpp>
#include <lastcpu/panic_cpu.hpp>

#include <benchmark/benchmark.h>
#include <pthread.h>
#include <race/specimens/double_read_2025.hpp>
#include <race/specimens/panic_cpu_2015.hpp>
#include <race/specimens/panic_lock_2011.hpp>
#include <race/specimens/trylock_only.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <new>

#include "bare_platforms.hpp"
#include "interleaved.hpp"

namespace {

using benchmark::State;
using lastcpu::hold;
using lastcpu::posix;
using lastcpu::release_outcome;
using lastcpu_bench::as_cpu;
using lastcpu_bench::compare;
using lastcpu_bench::locked;
using lastcpu_bench::polled;
using lastcpu_bench::registered;
using lastcpu_bench::require;
using lastcpu_bench::tls_cpu;

// The specimens hand notes over.
struct noted_cpu : tls_cpu {
  static void save_note(const image&, const lastcpu::cpu_note<registers>&) noexcept {}
};

template <class P>
alignas(64) constinit lastcpu::panic_cpu<P> gate{};
alignas(64) constinit lastcpu::crash_domain<noted_cpu> machine{};
constinit noted_cpu::registers interrupted{};
template <class Design>
alignas(64) constinit Design specimen{};

alignas(64) constinit std::atomic_flag flag = ATOMIC_FLAG_INIT;
alignas(64) constinit pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
alignas(64) constinit std::once_flag once{};

template <class P>
void claim_and_release() {
  require(gate<P>.claim(hold::trial).won());
  require(gate<P>.release() == release_outcome::released);
}

template <class P>
void claim_release_vs_atomic_flag(State& state) {
  const as_cpu<P> cpu{0};
  std::construct_at(&gate<P>);
  compare<locked>(
      state, [] { claim_and_release<P>(); },
      [] {
        require(!flag.test_and_set(std::memory_order_acquire));
        flag.clear(std::memory_order_release);
      });
}

template <class P>
void claim_release_vs_pthread_mutex_trylock(State& state) {
  const as_cpu<P> cpu{0};
  std::construct_at(&gate<P>);
  compare<locked>(
      state, [] { claim_and_release<P>(); },
      [] {
        require(pthread_mutex_trylock(&mutex) == 0);
        require(pthread_mutex_unlock(&mutex) == 0);
      });
}

// Each is entered for good, and made new by plain stores.
template <class P>
void claim_vs_call_once(State& state) {
  const as_cpu<P> cpu{0};
  std::construct_at(&gate<P>);
  compare<locked>(
      state,
      [] {
        require(gate<P>.claim(hold::final).won());
        std::construct_at(&gate<P>);
      },
      [] {
        bool first = false;
        std::call_once(once, [&first] { first = true; });
        require(first);
        new (&once) std::once_flag;
      });
}

template <template <class> class Design>
void crash_kexec_vs(State& state) {
  compare<locked>(
      state, [] { require(machine.crash_kexec(&interrupted) == lastcpu::kexec_outcome::no_image); },
      [] { specimen<Design<noted_cpu>>.crash_kexec(&interrupted); });
}

void handle_nmi_vs_specimens(State& state) {
  using design = specimens::panic_cpu_2015<noted_cpu>;  // all four have this handler
  compare<polled>(
      state, [] { machine.handle_nmi(interrupted); }, [] { specimen<design>.handle_nmi(interrupted); });
}

const registered all[] = {
    {"claim_release_vs_atomic_flag/platform:tls_cpu", claim_release_vs_atomic_flag<tls_cpu>},
    {"claim_release_vs_atomic_flag/platform:posix", claim_release_vs_atomic_flag<posix>},
    {"claim_release_vs_pthread_mutex_trylock/platform:tls_cpu", claim_release_vs_pthread_mutex_trylock<tls_cpu>},
    {"claim_release_vs_pthread_mutex_trylock/platform:posix", claim_release_vs_pthread_mutex_trylock<posix>},
    {"claim_vs_call_once/platform:tls_cpu", claim_vs_call_once<tls_cpu>},
    {"claim_vs_call_once/platform:posix", claim_vs_call_once<posix>},
    {"crash_kexec_vs_trylock_only/platform:tls_cpu", crash_kexec_vs<specimens::trylock_only>},
    {"crash_kexec_vs_panic_lock_2011/platform:tls_cpu", crash_kexec_vs<specimens::panic_lock_2011>},
    {"crash_kexec_vs_panic_cpu_2015/platform:tls_cpu", crash_kexec_vs<specimens::panic_cpu_2015>},
    {"crash_kexec_vs_double_read_2025/platform:tls_cpu", crash_kexec_vs<specimens::double_read_2025>},
    {"handle_nmi_vs_specimens/platform:tls_cpu", handle_nmi_vs_specimens},
};

}  // namespace
