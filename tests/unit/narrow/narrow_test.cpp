// SPDX-License-Identifier: BSL-1.0
// The gate word and the clock's arithmetic on a machine of 32 bits. A program for i686 without any library, which this
// processor runs as well: it prints the name of each test that fails, and ends with their number.
#include <lastcpu/detail/deadline.hpp>
#include <lastcpu/gate_word.hpp>

namespace {

using namespace lastcpu;
static_assert(sizeof(uintptr_t) == 4);

constexpr cpu_id last_cpu = gate_word::cpu_capacity - 1;
constexpr uintptr_t last_epoch = 31;

uint32_t failures = 0;

uint32_t call(uint32_t number, uint32_t a, const void* b, uint32_t c) noexcept {
  uint32_t answer = 0;
  asm volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
  return answer;
}
void print(const char* text) noexcept {
  uint32_t length = 0;
  while (text[length] != '\0') ++length;
  (void)call(4, 1, text, length);
}
void test(const char* name, bool holds) noexcept {
  if (holds) return;
  ++failures;
  print("[  FAILED  ] narrow.");
  print(name);
  print("\n");
}

bool lies_as_described() noexcept {
  return gate_word{}.with_owner(0).bits() == 1 && gate_word{}.with_phase(phase::trial).bits() == 1u << 9 &&
         gate_word{}.with_pending(true).bits() == 1u << 12 && gate_word{}.with_step(1).bits() == 1u << 13 &&
         gate_word{}.released().bits() == 1u << 19 && gate_word{1u << 24}.offered() == 0 &&
         gate_word::cpu_capacity == 255 && gate_word::epoch_bits == 5;
}

bool epoch_wraps_into_nothing() noexcept {
  const gate_word w{gate_word{}.released().bits() * last_epoch};
  return w.epoch() == last_epoch && w.offered() == no_cpu && w.released().bits() == 0 &&
         w.taken_by(last_cpu, phase::trial).released().bits() == 0 &&
         gate_word{~uintptr_t{0}}.released().bits() == gate_word{}.with_wanted().bits();
}

bool holder_is_nobody_else() noexcept {
  const gate_word trial = gate_word{}.released().taken_by(last_cpu, phase::trial);
  bool ok = trial.is_held_by(last_cpu) && trial.is_trial_of(last_cpu) && trial.owner() == last_cpu;
  static constexpr cpu_id others[] = {0, last_cpu - 1, last_cpu + 1, last_cpu + 256, last_cpu + 2048, no_cpu};
  for (const cpu_id other : others) ok = ok && !trial.is_held_by(other) && !trial.is_trial_of(other);
  return ok && !gate_word{}.is_held_by(no_cpu) && !gate_word{}.is_held_by(255);
}

// By way of the product, for a division of 64 bits would be a call here.
bool divides(uint64_t n, uint32_t by) noexcept {
  const uint64_t quotient = detail::divide(n, by);
  return n - quotient * by < by && (by == 1 || quotient < n);
}

bool division_leaves_out_the_rest() noexcept {
  bool ok = detail::divide(7, 2) == 3 && detail::divide(0, 5) == 0 && detail::divide(~uint64_t{0}, 1) == ~uint64_t{0} &&
            detail::divide(uint64_t{1} << 63, 2) == uint64_t{1} << 62 && detail::divide(999'999, 1'000'000) == 0 &&
            detail::divide(1'000'000, 1'000'000) == 1 && detail::divide(~uint64_t{0}, ~0u) == 0x1'0000'0001;
  static constexpr uint64_t numbers[] = {1, 2'893'437'519, 0x1234'5678'9abc'def0, ~uint64_t{0}};
  static constexpr uint32_t divisors[] = {1, 3, 1'000'000, ~0u};
  for (const uint64_t n : numbers)
    for (const uint32_t by : divisors) ok = ok && divides(n, by);
  return ok;
}

bool product_is_of_64_bits() noexcept {
  bool ok = detail::multiply(0, ~0u) == 0 && detail::multiply(~uint64_t{0}, 0) == 0;
  static constexpr uint64_t numbers[] = {1, 2'893'437'519, 0x1234'5678'9abc'def0, ~uint64_t{0}};
  static constexpr uint32_t factors[] = {1, 3, 1'000'000, 1u << 31, ~0u};
  for (const uint64_t n : numbers)
    for (const uint32_t by : factors) ok = ok && detail::multiply(n, by) == n * by;
  return ok;
}

template <uint64_t Frequency>
struct clock_of {
  static uint64_t ticks_per_second() noexcept { return Frequency; }
  static uint64_t now() noexcept { return 1000; }
};
bool deadline_is_that_many_microseconds_ahead() noexcept {
  return detail::deadline_in<clock_of<3'000'000'000>>(~0u) == 1000 + 12'884'901'885'000 + 1 &&
         detail::deadline_in<clock_of<2'893'437'519>>(7) == 1000 + 20'255 + 1 &&
         detail::deadline_in<clock_of<32'768>>(31) == 1000 + 2 + 1;
}

}  // namespace

extern "C" [[noreturn]] void _start() noexcept {
  test("gate_word_lies_in_memory_as_it_is_described", lies_as_described());
  test("epoch_wraps_into_nothing_else", epoch_wraps_into_nothing());
  test("gate_word_is_held_by_its_owner_and_nobody_else", holder_is_nobody_else());
  test("division_leaves_out_the_rest", division_leaves_out_the_rest());
  test("product_is_of_64_bits", product_is_of_64_bits());
  test("deadline_is_that_many_microseconds_ahead", deadline_is_that_many_microseconds_ahead());
  for (;;) (void)call(1, failures, nullptr, 0);
}
