// SPDX-License-Identifier: BSL-1.0
#include "trace.hpp"

#include <lastcpu/platform/x86_64/instructions.hpp>

#include "panic.hpp"

namespace {

// The last CPU asks each of the others on each rung; that must not push out how it came to it.
constexpr uint32_t claim_commit_steps_and_some_nmis = 64;
constexpr uint32_t stop_requests = sizeof kernel_policy::rungs / sizeof kernel_policy::rungs[0] * cpus::max_cpus;
static_assert(trace_ring::capacity >= stop_requests + claim_commit_steps_and_some_nmis);

constinit trace_ring all_rings[cpus::max_cpus] = {};

}  // namespace

void trace::add(const lastcpu::trace_event& event) noexcept {
  const lastcpu::cpu_id me = cpus::this_cpu();
  if (me >= cpus::max_cpus) return;
  const uint64_t now = lastcpu::x86::rdtsc();
  trace_ring& ring = all_rings[me];
  const uint32_t at = __atomic_fetch_add(&ring.used, 1, __ATOMIC_RELAXED);
  ring.records[at % trace_ring::capacity] = {now, static_cast<uint32_t>(event.kind), event.value};
}

const trace_ring* trace::rings() noexcept {
  return all_rings;
}
