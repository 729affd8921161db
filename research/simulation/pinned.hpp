// SPDX-License-Identifier: BSL-1.0
#pragma once
// Threads that stay where they are put, and which CPUs are near to each other.

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace lastcpu_bench {

/// Room for 8,192 CPUs; the kernel refuses a set that is too small for it.
struct cpu_mask {
  cpu_set_t sets[8]{};
};

/// The CPUs that this process may use, in ascending order.
inline std::vector<int> allowed_cpus() {
  cpu_mask mask;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof mask, mask.sets) != 0) return cpus;
  for (int cpu = 0; cpu < static_cast<int>(8 * sizeof mask); ++cpu)
    if (CPU_ISSET_S(cpu, sizeof mask, mask.sets)) cpus.push_back(cpu);
  return cpus;
}

/// Keeps the caller, and the threads that it makes from here on, on these CPUs.
inline void stay_on(const std::vector<int>& cpus) {
  cpu_mask mask;
  for (const int cpu : cpus) CPU_SET_S(cpu, sizeof mask, mask.sets);
  (void)sched_setaffinity(0, sizeof mask, mask.sets);
}

template <class Work>
std::thread on_cpu(int cpu, Work work) {
  return std::thread{[cpu, work] {
    stay_on({cpu});
    work();
  }};
}

inline int topology(int cpu, const char* what) {
  std::ifstream in{"/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/" + what};
  int id = -1;
  in >> id;
  return id;
}

enum class distance { same_core, same_socket, across };

/// The CPUs at this distance from `from`: four at most, spread evenly, for not all cores of a socket are equally far.
inline std::vector<int> neighbours(int from, const std::vector<int>& cpus, distance wanted) {
  std::vector<int> all, some;
  for (const int cpu : cpus) {
    const bool socket = topology(cpu, "physical_package_id") == topology(from, "physical_package_id");
    const bool core = socket && topology(cpu, "core_id") == topology(from, "core_id");
    if (cpu != from && wanted == (core ? distance::same_core : socket ? distance::same_socket : distance::across))
      all.push_back(cpu);
  }
  const size_t count = std::min<size_t>(4, all.size());
  for (size_t i = 1; i <= count; ++i) some.push_back(all[all.size() * i / count - 1]);
  return some;
}

using timer = std::chrono::steady_clock;

inline double ns_since(timer::time_point begun) {
  return std::chrono::duration<double, std::nano>(timer::now() - begun).count();
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace lastcpu_bench
