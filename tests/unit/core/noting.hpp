// SPDX-License-Identifier: BSL-1.0
#pragma once
// A whole crash domain whose platform keeps the notes that it is given, for the tests of what a crash kernel is told.

#include "panicking.hpp"

namespace lastcpu::test {

struct note {
  cpu_id cpu;
  stop_state state;
  bool crashing;
  uintptr_t pc;
  std::string message, nmi_message, nested_message;
  bool cut_short;
  bool operator==(const note&) const = default;
};
// For a test that fails.
inline std::ostream& operator<<(std::ostream& out, const note& n) {
  return out << n.cpu << " " << to_string(n.state) << (n.crashing ? ", crashing" : "") << ", pc " << n.pc << ": '"
             << n.message << "', '" << n.nmi_message << "', '" << n.nested_message << "'"
             << (n.cut_short ? ", cut short" : "");
}
inline std::vector<note> notes;
inline uint64_t panic_ticks = 0;  // of the last note

struct noting : fake_platform {
  static void save_note(const image& i, const cpu_note<fake_registers>& n) noexcept {
    EXPECT_EQ(i.id, 7u);
    panic_ticks = n.panic_ticks;
    notes.push_back({n.cpu, n.state, n.crashing, n.registers == nullptr ? 0 : n.registers->pc, n.message, n.nmi_message,
                     n.nested_message, n.cut_short});
    machine().say("notes", n.cpu);
  }
};

struct noted : panicking<noting> {
  noted() { notes.clear(); }
};

}  // namespace lastcpu::test
