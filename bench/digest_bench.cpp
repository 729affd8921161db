// SPDX-License-Identifier: BSL-1.0
// What the check of a crash image costs: XXH64, in general registers alone, beside three streams of CRC-32C by the
// processor's own instruction (without putting the three together), and beside SHA-256. README.md says how to read it.

#include <lastcpu/kexec/digest.hpp>
#include <lastcpu/kexec/sha256.hpp>

#include <benchmark/benchmark.h>
#include <stdint.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "interleaved.hpp"

namespace {

using benchmark::State;
using lastcpu::kexec::sha256;
using lastcpu::kexec::xxh64;
using lastcpu_bench::compare;
using lastcpu_bench::keep;
using bytes = std::vector<unsigned char>;

struct once {
  static constexpr int repeats = 1;
  static constexpr int unrolled = 1;
};

bytes noise(const State& state) {
  bytes data(static_cast<size_t>(state.range(0)));
  std::mt19937_64 random(1);
  for (unsigned char& b : data) b = static_cast<unsigned char>(random());
  return data;
}

template <class Digest>
uint64_t digest(const bytes& data) {
  Digest d;
  d.add(data.data(), data.size());
  return d.finish().words[0];
}

[[gnu::always_inline]] inline uint64_t crc32c(uint64_t crc, const unsigned char* at) {
  asm("crc32q %1, %0" : "+r"(crc) : "m"(*reinterpret_cast<const uint64_t(*)>(at)));
  return crc;
}

uint64_t crc32c_in_three_streams(const bytes& data) {
  const size_t stream = data.size() / 24 * 8;
  uint64_t a = ~0u, b = ~0u, c = ~0u;
  for (const unsigned char *at = data.data(), *end = at + stream; at != end; at += 8) {
    a = crc32c(a, at);
    b = crc32c(b, at + stream);
    c = crc32c(c, at + 2 * stream);
  }
  return a ^ b << 1 ^ c << 2;
}

void xxh64_vs_crc32c(State& state) {
  if (!__builtin_cpu_supports("sse4.2")) std::abort();
  const bytes data = noise(state);
  compare<once>(
      state, [&] { keep(digest<xxh64>(data)); }, [&] { keep(crc32c_in_three_streams(data)); });
}

void sha256_vs_xxh64(State& state) {
  const bytes data = noise(state);
  compare<once>(
      state, [&] { keep(digest<sha256>(data)); }, [&] { keep(digest<xxh64>(data)); });
}

void control_xxh64_vs_itself(State& state) {
  const bytes data = noise(state);
  compare<once>(
      state, [&] { keep(digest<xxh64>(data)); }, [&] { keep(digest<xxh64>(data)); });
}

BENCHMARK(control_xxh64_vs_itself)->Arg(64 << 10);
BENCHMARK(xxh64_vs_crc32c)->Arg(64 << 10)->Arg(4 << 20);
BENCHMARK(sha256_vs_xxh64)->Arg(64 << 10)->Arg(4 << 20);

}  // namespace
