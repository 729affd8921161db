// SPDX-License-Identifier: BSL-1.0
// The main() of every benchmark program: says where the figures come from, then runs.

#include <lastcpu/version.hpp>

#include <benchmark/benchmark.h>
#include <sys/utsname.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

std::string cpu_model() {
  std::ifstream info{"/proc/cpuinfo"};
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
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
  benchmark::AddCustomContext("lastcpu", lastcpu::version_string);
  benchmark::AddCustomContext("cpu", cpu_model());
  benchmark::AddCustomContext("cores", std::to_string(std::thread::hardware_concurrency()));
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
