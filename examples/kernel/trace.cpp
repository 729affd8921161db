// SPDX-License-Identifier: BSL-1.0
#include "trace.hpp"

#include <lastcpu/atomic.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>

#include "cpus.hpp"

namespace {
constinit trace_ring all_rings[cpus::max_cpus] = {};
constinit lastcpu::atomic<uint64_t> last_won{};
}  // namespace

void trace::add(const lastcpu::trace_event& event) noexcept {
  const lastcpu::cpu_id me = cpus::this_cpu();
  if (me >= cpus::max_cpus) return;
  const uint64_t now = lastcpu::x86::rdtsc();
  if (event.kind == lastcpu::trace_kind::claim_won) last_won.store(now, lastcpu::order::relaxed);
  trace_ring& ring = all_rings[me];
  const uint32_t at = __atomic_fetch_add(&ring.used, 1, __ATOMIC_RELAXED);
  ring.records[at % trace_ring::capacity] = {now, event.cpu, static_cast<uint32_t>(event.kind), event.value, 0};
}

uint64_t trace::claim_won_at() noexcept {
  return last_won.load(lastcpu::order::relaxed);
}

const trace_ring* trace::rings() noexcept {
  return all_rings;
}
