// SPDX-License-Identifier: BSL-1.0
#pragma once
// A trial's events, all CPUs merged: as a table for people, and as lines for tools/timeline.py.

#include "area.hpp"

#include <stdio.h>

#include <vector>

namespace storm {

struct line {
  cpu_id cpu;
  log_entry e;
};

/// All events in the order of time. Each stamp is of one clock, the same on every CPU; equal ones are in the order of
/// the CPUs, which no promise depends on.
[[nodiscard]] std::vector<line> merged();

/// A column for each CPU.
void print_timeline(FILE* out);

/// A line "us<TAB>cpu<TAB>event<TAB>value<TAB>text" for each event.
void write_events(FILE* out);

}  // namespace storm
