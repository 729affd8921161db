// SPDX-License-Identifier: BSL-1.0
#pragma once
// A trial's events, all CPUs merged: as a table for people, and as lines for tools/timeline.py.

#include <stdio.h>

namespace storm {

/// A column for each CPU.
void print_timeline(FILE* out);

/// A line "us<TAB>cpu<TAB>event<TAB>value<TAB>text" for each event.
void write_events(FILE* out);

}  // namespace storm
