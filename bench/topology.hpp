// SPDX-License-Identifier: BSL-1.0
#pragma once
// Which CPUs this process may use, how they share cores and sockets, and where to pin threads.
//
// A placement that the host does not have says why it is missing, so that a benchmark can report it as skipped.

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace lastcpu_bench {

/// The kernel's lists of CPUs, "0-3,8": ascending, each once. Empty where it can't be read as one.
inline std::vector<int> parse_cpu_list(const std::string& list) {
  std::vector<int> cpus;
  const char* at = list.data();
  const char* end = at + list.size();
  while (at != end && *at != '\n') {
    int first = 0;
    auto read = std::from_chars(at, end, first);
    if (read.ec != std::errc{}) return {};
    int last = first;
    if (read.ptr != end && *read.ptr == '-') read = std::from_chars(read.ptr + 1, end, last);
    if (read.ec != std::errc{} || last < first || last - first > 100'000) return {};
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    at = read.ptr;
    if (at != end && *at != '\n' && *at++ != ',') return {};
  }
  return cpus;
}

/// The other way round.
inline std::string to_cpu_list(const std::vector<int>& cpus) {
  std::string list;
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    std::size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!list.empty()) list += ',';
    list += std::to_string(cpus[i]);
    if (last != i) list.append("-").append(std::to_string(cpus[last]));
    i = last;
  }
  return list;
}

/// The CPUs that the scheduler may give to this process.
inline std::vector<int> allowed_cpus() {
  constexpr int limit = 1 << 16;
  cpu_set_t* set = CPU_ALLOC(limit);
  const std::size_t bytes = CPU_ALLOC_SIZE(limit);
  std::vector<int> cpus;
  if (set != nullptr && sched_getaffinity(0, bytes, set) == 0)
    for (int cpu = 0; cpu < limit; ++cpu)
      if (CPU_ISSET_S(cpu, bytes, set)) cpus.push_back(cpu);
  CPU_FREE(set);
  return cpus;
}

/// Keeps the calling thread on `cpu`; false when the kernel refuses.
[[nodiscard]] inline bool pin_to(int cpu) {
  const auto number = static_cast<std::size_t>(cpu);
  cpu_set_t* set = CPU_ALLOC(number + 1);
  const std::size_t bytes = CPU_ALLOC_SIZE(number + 1);
  CPU_ZERO_S(bytes, set);
  CPU_SET_S(number, bytes, set);
  const bool pinned = sched_setaffinity(0, bytes, set) == 0;
  CPU_FREE(set);
  return pinned;
}

/// Where to pin threads, or why there is no such place here.
struct placement {
  std::string name;
  std::vector<int> cpus;
  std::string missing;
};

class topology {
 public:
  /// Reads `sysfs`/cpu*/topology for each of `allowed`. A CPU that has none there is a core of its own, in socket 0.
  explicit topology(const std::vector<int>& allowed = allowed_cpus(),
                    const std::string& sysfs = "/sys/devices/system/cpu") {
    for (const int cpu : allowed) {
      const std::string directory = sysfs + "/cpu" + std::to_string(cpu) + "/topology/";
      const auto siblings = parse_cpu_list(first_line(directory + "thread_siblings_list"));
      const auto socket = parse_cpu_list(first_line(directory + "physical_package_id"));
      cpus_.push_back({cpu, siblings.empty() ? cpu : siblings.front(), socket.size() == 1 ? socket.front() : 0});
    }
  }

  [[nodiscard]] std::vector<int> allowed() const {
    std::vector<int> all;
    for (const place& p : cpus_) all.push_back(p.cpu);
    return all;
  }
  [[nodiscard]] std::size_t sockets() const { return by(&place::socket).size(); }
  [[nodiscard]] std::size_t cores() const { return by(&place::core).size(); }
  /// Of the core that has most of them allowed.
  [[nodiscard]] std::size_t threads_per_core() const {
    std::size_t most = 0;
    for (const auto& [core, cpus] : by(&place::core)) most = std::max(most, cpus.size());
    return most;
  }

  /// Two hardware threads of one core.
  [[nodiscard]] placement same_core() const {
    for (const auto& [core, cpus] : by(&place::core))
      if (cpus.size() >= 2) return {"same_core", {cpus[0].cpu, cpus[1].cpu}, ""};
    return {"same_core", {}, "no core has two hardware threads that this process may use"};
  }
  /// Two cores of one socket.
  [[nodiscard]] placement same_socket() const {
    for (const auto& [socket, cpus] : by(&place::socket))
      for (const place& p : cpus)
        if (p.core != cpus[0].core) return {"same_socket", {cpus[0].cpu, p.cpu}, ""};
    return {"same_socket", {}, "no socket has two cores that this process may use"};
  }
  /// Two sockets.
  [[nodiscard]] placement across() const {
    for (const place& p : cpus_)
      if (p.socket != cpus_[0].socket) return {"across", {cpus_[0].cpu, p.cpu}, ""};
    return {"across", {}, "all CPUs that this process may use are in one socket"};
  }
  [[nodiscard]] std::vector<placement> pairs() const { return {same_core(), same_socket(), across()}; }

  /// 1, 2, 4, ..., all.
  [[nodiscard]] std::vector<std::size_t> counts() const {
    std::vector<std::size_t> out;
    for (std::size_t n = 1; n < cpus_.size(); n *= 2) out.push_back(n);
    if (!cpus_.empty()) out.push_back(cpus_.size());
    return out;
  }

  /// `n` CPUs, cores first: a thread of each core of a socket, then the next socket, and second threads last. Begins
  /// again from the first where there are fewer.
  [[nodiscard]] std::vector<int> spread(std::size_t n) const {
    std::vector<std::pair<std::size_t, place>> order;  // which thread of its core it is
    std::map<int, std::size_t> taken;
    for (const place& p : cpus_) order.emplace_back(taken[p.core]++, p);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return std::tuple{a.first, a.second.socket, a.second.cpu} < std::tuple{b.first, b.second.socket, b.second.cpu};
    });
    std::vector<int> out;
    for (std::size_t i = 0; i < n && !order.empty(); ++i) out.push_back(order[i % order.size()].second.cpu);
    return out;
  }

 private:
  struct place {
    int cpu;
    int core;  // the lowest CPU of it, allowed or not
    int socket;
  };

  static std::string first_line(const std::string& path) {
    std::string line;
    std::ifstream file{path};
    std::getline(file, line);
    return line;
  }
  [[nodiscard]] std::map<int, std::vector<place>> by(int place::*what) const {
    std::map<int, std::vector<place>> groups;
    for (const place& p : cpus_) groups[p.*what].push_back(p);
    return groups;
  }

  std::vector<place> cpus_;
};

}  // namespace lastcpu_bench
