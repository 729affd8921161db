// SPDX-License-Identifier: BSL-1.0
#pragma once
// What this kernel and its crash kernel have agreed upon beyond lastcpu's handover: plain data at the physical address
// handover.kernel_data.

#include <stdint.h>

struct trace_record {
  uint64_t tsc;
  uint32_t kind;  // lastcpu::trace_kind
  uint32_t value;
};

struct trace_ring {  // of one CPU
  static constexpr uint32_t capacity = 1024;
  uint32_t used;  // ever; the last `capacity` of them are there
  uint32_t reserved;
  trace_record records[capacity];
};

enum class dump_way : uint32_t { none, disk, serial };

struct kernel_data {
  static constexpr uint64_t right_magic = 0x3161'7461'6453'434c;
  uint64_t magic;
  uint64_t trace_rings;  // physical address, one for each CPU
  uint32_t trace_ring_count;
  uint32_t print_trace;
  uint32_t linger_ms;                 // the crash kernel waits so long before it is done
  dump_way dump;                      // where the crash kernel writes the core
  char dump_disk[24];                 // serial number of the disk; no other is written to
  uint32_t dump_request_ms, dump_ms;  // bounds for a request and for all; 0: the crash kernel's own
  uint32_t dump_faults;               // it faults half way, for tests
  uint32_t reserved;
};
