// SPDX-License-Identifier: BSL-1.0
// The main() of every benchmark program: says where the figures come from, then runs.

#include <lastcpu/version.hpp>

#include <benchmark/benchmark.h>
#include <sys/utsname.h>

#include <fstream>
#include <string>
#include <vector>

#include "topology.hpp"

namespace {

using lastcpu_bench::topology;

// The value of the first line "name : value".
std::string cpu_info(const std::string& name) {
  std::ifstream info{"/proc/cpuinfo"};
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with(name) && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string first_line(const std::string& path, const std::string& otherwise) {
  std::ifstream file{path};
  std::string line;
  return std::getline(file, line) && !line.empty() ? line : otherwise;
}

// A virtual machine's CPUs may be taken away at any moment, and its clock may be changed without its knowledge.
std::string machine() {
  if ((" " + cpu_info("flags") + " ").find(" hypervisor ") == std::string::npos) return "no hypervisor seen";
  return "virtual machine (" + first_line("/sys/class/dmi/id/sys_vendor", "unknown vendor") + ")";
}

std::string kernel() {
  utsname names{};
  if (uname(&names) != 0) return "unknown";
  return std::string{names.sysname} + " " + names.release + " " + names.machine;
}

std::string compiler() {
#if defined(__clang__)
  const std::string name = __VERSION__;
#else
  const std::string name = "gcc " __VERSION__;
#endif
#if defined(__OPTIMIZE__)
  return name;
#else
  return name + ", NOT OPTIMISED: the figures say nothing";
#endif
}

void describe_the_host() {
  const topology cpus;
  benchmark::AddCustomContext("lastcpu", lastcpu::version_string);
  benchmark::AddCustomContext("cpu", cpu_info("model name"));
  benchmark::AddCustomContext("sockets", std::to_string(cpus.sockets()));
  benchmark::AddCustomContext("cores", std::to_string(cpus.cores()));
  benchmark::AddCustomContext("threads_per_core", std::to_string(cpus.threads_per_core()));
  benchmark::AddCustomContext("allowed_cpus", lastcpu_bench::to_cpu_list(cpus.allowed()));
  benchmark::AddCustomContext("cpu_quota", first_line("/sys/fs/cgroup/cpu.max", "unknown"));
  benchmark::AddCustomContext("machine", machine());
  benchmark::AddCustomContext("governor",
                              first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "unknown"));
  benchmark::AddCustomContext("load_before", first_line("/proc/loadavg", "unknown"));
  benchmark::AddCustomContext("kernel", kernel());
  benchmark::AddCustomContext("compiler", compiler());
}

}  // namespace

int main(int argc, char** argv) {
  // First, so that the command line may say otherwise.
  std::string tabular = "--benchmark_counters_tabular=true";
  std::vector<char*> args{argv[0], tabular.data()};
  args.insert(args.end(), argv + 1, argv + argc);
  int count = static_cast<int>(args.size());
  args.push_back(nullptr);

  describe_the_host();
  benchmark::Initialize(&count, args.data());
  if (benchmark::ReportUnrecognizedArguments(count, args.data())) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
