// SPDX-License-Identifier: BSL-1.0
// What the slot of the crash image costs above the exchanges and stores that nobody can do without, alone and while
// another thread claims the image. README.md says how to read it.

#include <lastcpu/archetype.hpp>
#include <lastcpu/crash_image.hpp>

#include <benchmark/benchmark.h>
#include <stdint.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "interleaved.hpp"
#include "raw_word.hpp"

namespace {

using benchmark::State;
using lastcpu::image_outcome;
using lastcpu::load_outcome;
using lastcpu::unload_outcome;
using lastcpu_bench::compare;
using lastcpu_bench::locked;
using lastcpu_bench::raw_compare_exchange;
using lastcpu_bench::raw_load;
using lastcpu_bench::raw_store;

struct image {
  uintptr_t entry, end;
};
constexpr image some_image{0x1000, 0x2000};

// A claim that finds the image damaged hands it back: so it can be made again and again.
constinit thread_local bool finds_fault __attribute__((tls_model("initial-exec"))) = false;

struct bare : lastcpu::archetype {
  using image = ::image;
  static bool image_intact(const image& i) noexcept { return i.entry != 0 && !finds_fault; }
  static void jump(const image&) noexcept {}
};

void require(bool as_expected) {
  if (!as_expected) [[unlikely]]
    std::abort();
}

alignas(64) constinit lastcpu::crash_image<bare> slot{};

void load_and_unload() {
  require(slot.load(some_image) == load_outcome::loaded);
  require(slot.unload() == unload_outcome::unloaded);
}

// --- The same by hand. The states are those of crash_image.hpp.

struct raw_slot {
  uintptr_t state;
  volatile uintptr_t entry, end;
};
enum : uintptr_t { empty, loading, ready, checking };
alignas(64) constinit raw_slot by_hand{};

// A look says what is there; the exchange takes it.
bool raw_take(uintptr_t& before) {
  before = raw_load(by_hand.state);
  return before <= ready && before != loading && raw_compare_exchange(by_hand.state, before, loading);
}

bool raw_put_in() {
  uintptr_t before;
  if (!raw_take(before)) return false;
  by_hand.entry = some_image.entry;
  by_hand.end = some_image.end;
  raw_store(by_hand.state, ready);
  return true;
}

bool raw_take_out() {
  uintptr_t before;
  if (!raw_take(before)) return false;
  raw_store(by_hand.state, empty);
  return true;
}

void raw_load_and_unload() {
  require(raw_put_in());
  require(raw_take_out());
}

void load_unload_vs_raw(State& state) {
  compare<locked>(
      state, [] { load_and_unload(); }, [] { raw_load_and_unload(); });
}

void control_raw_load_unload(State& state) {
  compare<locked>(
      state, [] { raw_load_and_unload(); }, [] { raw_load_and_unload(); });
}

// --- With another thread that claims, finds fault and hands back, on both slots by turns, all the time. Who meets it
// tries again.

class claimer {
 public:
  claimer() : thread_([this] { claim_again_and_again(); }) {}
  ~claimer() {
    over_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  void claim_again_and_again() {
    finds_fault = true;
    while (!over_.load(std::memory_order_relaxed)) {
      if (slot.reserve() == image_outcome::reserved) slot.hand_back();
      if (raw_compare_exchange(by_hand.state, ready, checking)) raw_store(by_hand.state, ready);
    }
  }
  std::atomic<bool> over_{false};
  std::thread thread_;
};

void load_unload_vs_raw_while_claimed(State& state) {
  const claimer other;
  compare<locked>(
      state,
      [] {
        while (slot.load(some_image) != load_outcome::loaded) {
        }
        while (slot.unload() != unload_outcome::unloaded) {
        }
      },
      [] {
        while (!raw_put_in()) {
        }
        while (!raw_take_out()) {
        }
      });
}

BENCHMARK(control_raw_load_unload);
BENCHMARK(load_unload_vs_raw);
BENCHMARK(load_unload_vs_raw_while_claimed)->UseRealTime();

}  // namespace
