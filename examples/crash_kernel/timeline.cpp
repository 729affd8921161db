// SPDX-License-Identifier: BSL-1.0
#include "timeline.hpp"

#include <lastcpu/cpu.hpp>
#include <lastcpu/kexec/old_memory.hpp>
#include <lastcpu/platform/x86_64/page_walk.hpp>

#include "../kernel/console.hpp"

namespace {

constexpr uint32_t max_rings = 256;

struct cursor {
  uint32_t next;
  uint32_t end;
};

constinit cursor cursors[max_rings] = {};

const trace_record& record(const trace_ring& ring, uint32_t at) noexcept {
  return ring.records[at % trace_ring::capacity];
}

}  // namespace

void print_timeline(const lastcpu::kexec::handover& handover, const kernel_data& data) noexcept {
  const auto* rings = reinterpret_cast<const trace_ring*>(data.trace_rings);
  const uint32_t count = data.trace_ring_count < max_rings ? data.trace_ring_count : max_rings;
  const lastcpu::kexec::old_memory<lastcpu::x86::page_walk> memory(handover);
  if (!memory.is_readable(data.trace_rings, count * sizeof(trace_ring))) {
    console::line() << "crash: the timeline is not in memory";
    return;
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t used = rings[i].used;
    const uint32_t lost = used > trace_ring::capacity ? used - trace_ring::capacity : 0;
    cursors[i] = {lost, used};
    if (lost != 0) console::line() << "crash: cpu " << i << " had no room for its first " << lost << " events";
  }
  for (;;) {
    const trace_record* oldest = nullptr;
    uint32_t cpu = 0;
    for (uint32_t i = 0; i < count; ++i) {
      if (cursors[i].next == cursors[i].end) continue;
      const trace_record& r = record(rings[i], cursors[i].next);
      if (oldest != nullptr && r.tsc >= oldest->tsc) continue;
      oldest = &r;
      cpu = i;
    }
    if (oldest == nullptr) return;
    ++cursors[cpu].next;
    console::line() << "trace: " << oldest->tsc << " " << cpu << " "
                    << to_string(static_cast<lastcpu::trace_kind>(oldest->kind)) << " " << oldest->value;
  }
}
