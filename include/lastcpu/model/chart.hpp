// SPDX-License-Identifier: BSL-1.0
#pragma once
// A run as a sequence chart: a lane for each CPU, time goes down.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/model/machine.hpp>

#include <string>

namespace lastcpu::model {

/// The chart of the run that was recorded last, as result::chart has it.
[[nodiscard]] inline std::string chart_text(const machine& m) {
  constexpr size_t lane = 46;
  std::string out(6, ' ');
  for (cpu_id cpu = 0; cpu < m.cpus; ++cpu) out += "CPU " + std::to_string(cpu) + std::string(lane - 5, ' ');
  for (size_t i = 0; i < m.events.size(); ++i) {
    const event& e = m.events[i];
    const std::string number = std::to_string(i + 1);
    out += "\n" + std::string(4 - number.size(), ' ') + number + "  " + std::string(lane * e.cpu, ' ');
    out += (e.level == context::nmi ? "! " : e.level == context::irq ? "~ " : "") + e.text;
    if (e.from != 0) out += " (" + std::to_string(e.from) + ")";
  }
  return out + (m.failure.empty() ? "" : "\n=> " + m.failure) + "\n";
}

}  // namespace lastcpu::model

#include <lastcpu/detail/end.hpp>
