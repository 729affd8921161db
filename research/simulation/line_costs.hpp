// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a cache line costs that another CPU has written, and one that is here already. Medians of rounds, in ns.

#include <atomic>
#include <cstdint>
#include <numeric>
#include <random>

#include "pinned.hpp"

namespace lastcpu_bench {

/// As large as a CPU's record in stop_cpus.hpp on x86-64, of which the owner reads the first line.
struct alignas(64) distant_record {
  std::atomic<uint32_t> next{0};
  char rest[128] = {};
};
constexpr uint32_t record_count = 1024;
constexpr int rounds = 101;

struct transfer_costs {
  double load;  // of a line that the other CPU has modified, each after the one before it
  double scan;  // the same, in ascending order, none waiting for another
  double rmw;   // a locked add on such a line
};

// Another CPU writes every record, then this one does `work`; over and over.
template <class Work>
double after_writes_of(int writer_cpu, int here, std::vector<distant_record>& records,
                       const std::vector<uint32_t>& order, Work work) {
  std::atomic<int> turn{0};  // even: the writer's
  std::thread writer = on_cpu(writer_cpu, [&] {
    for (int round = 0; round < rounds; ++round) {
      while (turn.load(std::memory_order_acquire) != 2 * round) std::this_thread::yield();
      for (uint32_t i = 0; i < record_count; ++i)
        records[order[i]].next.store(order[(i + 1) % record_count], std::memory_order_relaxed);
      turn.store(2 * round + 1, std::memory_order_release);
    }
  });
  std::vector<double> took;
  std::thread reader = on_cpu(here, [&] {
    for (int round = 0; round < rounds; ++round) {
      while (turn.load(std::memory_order_acquire) != 2 * round + 1) std::this_thread::yield();
      const auto begun = timer::now();
      work();
      took.push_back(ns_since(begun) / record_count);
      turn.store(2 * round + 2, std::memory_order_release);
    }
  });
  writer.join();
  reader.join();
  return median(took);
}

inline transfer_costs measure_transfers(int from, int to) {
  std::vector<distant_record> records(record_count);
  std::vector<uint32_t> order(record_count);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), std::mt19937{1});
  std::atomic<uint32_t> sink{0};
  const double load = after_writes_of(from, to, records, order, [&] {
    uint32_t at = 0;
    for (uint32_t i = 0; i < record_count; ++i) at = records[at].next.load(std::memory_order_relaxed);
    sink.store(at, std::memory_order_relaxed);
  });
  const double scan = after_writes_of(from, to, records, order, [&] {
    uint32_t missing = 0;
    for (const distant_record& r : records) missing += r.next.load(std::memory_order_acquire) == record_count ? 1u : 0u;
    sink.store(missing, std::memory_order_relaxed);
  });
  const double rmw = after_writes_of(from, to, records, order, [&] {
    uint32_t at = 0;
    for (uint32_t i = 0; i < record_count; ++i) at = records[at].next.fetch_or(0, std::memory_order_acq_rel);
    sink.store(at, std::memory_order_relaxed);
  });
  return {load, scan, rmw};
}

/// One operation with its share of the loop, on a line that is here.
template <class Op>
double measure_hit(Op op) {
  constexpr int repeats = 20'000;
  std::vector<double> took;
  for (int round = 0; round < rounds; ++round) {
    const auto begun = timer::now();
    for (int i = 0; i < repeats; ++i) op();
    took.push_back(ns_since(begun) / repeats);
  }
  return median(took);
}

}  // namespace lastcpu_bench
