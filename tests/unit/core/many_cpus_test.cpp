// SPDX-License-Identifier: BSL-1.0
// stop_cpus.hpp on a machine of 4,096 CPUs: who is asked, what the report says, and how often a cache line moves for it.
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <vector>

namespace many_cpus_test {
namespace {

using namespace lastcpu;

// A directory of cache lines: who has which one. A line moves when a CPU reads one that it does not have, or writes one
// that it does not have for itself.
class directory {
 public:
  void read(cpu_id cpu, const void* word) {
    ++reads_[{cpu, line_of(word)}];
    if (holders(word).insert(cpu).second) ++moves_[cpu];
  }
  void write(cpu_id cpu, const void* word) {
    std::set<cpu_id>& h = holders(word);
    if (h.size() == 1 && h.contains(cpu)) return;
    ++moves_[cpu];
    h = {cpu};
  }
  [[nodiscard]] uint32_t moves(cpu_id cpu) const { return moves_.contains(cpu) ? moves_.at(cpu) : 0; }
  /// How many lines `reader` has read so often.
  [[nodiscard]] uint32_t lines_read(cpu_id reader, uint32_t times) const {
    return static_cast<uint32_t>(std::count_if(
        reads_.begin(), reads_.end(), [&](const auto& r) { return r.first.first == reader && r.second == times; }));
  }

 private:
  [[nodiscard]] static uintptr_t line_of(const void* word) { return reinterpret_cast<uintptr_t>(word) / 64; }
  std::set<cpu_id>& holders(const void* word) { return lines_[line_of(word)]; }
  std::map<uintptr_t, std::set<cpu_id>> lines_;
  std::map<cpu_id, uint32_t> moves_;
  std::map<std::pair<cpu_id, uintptr_t>, uint32_t> reads_;
};

struct machine_state {
  cpu_id cpu = 0;
  directory lines;
  std::set<cpu_id> offline;
  std::vector<std::vector<cpu_id>> asked;
  std::function<void(cpu_id)> on_request = [](cpu_id) {};
  uint64_t clock = 0;
};
machine_state* machine = nullptr;

template <class T>
class counted {
 public:
  constexpr counted() noexcept = default;
  [[nodiscard]] T load(order o) const noexcept {
    machine->lines.read(machine->cpu, this);
    return word_.load(o);
  }
  void store(T value, order o) noexcept {
    machine->lines.write(machine->cpu, this);
    word_.store(value, o);
  }
  [[nodiscard]] bool compare_exchange(T& expected, T desired, order success, order failure) noexcept {
    machine->lines.write(machine->cpu, this);
    return word_.compare_exchange(expected, desired, success, failure);
  }

 private:
  lastcpu::atomic<T> word_{};
};

struct large : archetype {
  static constexpr cpu_id max_cpus = 4096;
  static cpu_id this_cpu() noexcept { return machine->cpu; }
  static bool is_online(cpu_id cpu) noexcept { return !machine->offline.contains(cpu); }

  template <class T>
  using atomic = counted<T>;

  // Every CPU that is asked has its turn before the owner goes on.
  static void send_stop(const cpu_set<max_cpus>& cpus, stop_how) noexcept {
    std::vector<cpu_id>& asked = machine->asked.emplace_back();
    cpus.for_each([&asked](cpu_id cpu) { asked.push_back(cpu); });
    for (const cpu_id cpu : asked) machine->on_request(cpu);
  }
  template <class T>
  static bool wait_while(const atomic<T>&, T, uint64_t at) noexcept {
    machine->clock = at;
    return false;
  }
  template <class T>
  static void wake(const atomic<T>&, wake_reason) noexcept {}
  static uint64_t now() noexcept { return machine->clock; }
};
static_assert(platform<large>);

constexpr rung irq_then_nmi[] = {{stop_how::irq, 1000}, {stop_how::nmi, 1000}};
constexpr cpu_id owner = 77;
constexpr cpu_id others = large::max_cpus - 1;
constexpr uint32_t words_per_line = 64 / sizeof(uint32_t);

struct many_cpus : testing::Test {
  machine_state m;
  crash_domain<large> domain;

  many_cpus() { machine = &m; }
  ~many_cpus() override { machine = nullptr; }

  void answer(cpu_id cpu, stop_state how) {
    m.cpu = cpu;
    lastcpu::detail::inside::of(domain).cpus.save_registers(cpu, nullptr);
    lastcpu::detail::inside::of(domain).cpus.acknowledge(cpu, how);
    m.cpu = owner;
  }
  auto stop_others() {
    m.cpu = owner;
    EXPECT_TRUE(lastcpu::detail::inside::of(domain).gate.claim(hold::final).won());
    EXPECT_TRUE(lastcpu::detail::inside::of(domain).gate.commit());
    return lastcpu::detail::inside::of(domain).cpus.stop_others(domain.gate(), irq_then_nmi);
  }
};

TEST_F(many_cpus, are_stopped_by_one_request_each) {
  m.on_request = [this](cpu_id cpu) { answer(cpu, stop_state::by_irq); };
  const auto report = stop_others();
  EXPECT_EQ(report.status(), stop_status::stopped);
  EXPECT_EQ(report.count(stop_state::by_irq), others);
  EXPECT_EQ(report.state(owner), stop_state::running);
  ASSERT_EQ(m.asked.size(), 1u);
  EXPECT_EQ(m.asked[0].size(), others);
}

TEST_F(many_cpus, include_losers_one_that_left_and_one_that_is_silent) {
  constexpr cpu_id losers = 1000, left = 2000, wedged = 4095, slow = 3000;
  m.offline.insert(left);
  for (cpu_id cpu = 0; cpu < losers; ++cpu)
    if (cpu != owner) answer(cpu, stop_state::parked);
  m.on_request = [this](cpu_id cpu) {
    if (cpu == slow && m.asked.size() == 2) answer(cpu, stop_state::by_nmi);
    if (cpu != slow && cpu != wedged) answer(cpu, stop_state::by_irq);
  };
  const auto report = stop_others();
  EXPECT_EQ(report.status(), stop_status::some_silent);
  EXPECT_EQ(report.count(stop_state::parked), losers - 1);
  EXPECT_EQ(report.count(stop_state::by_irq), large::max_cpus - losers - 3);
  EXPECT_EQ(report.state(slow), stop_state::by_nmi);
  EXPECT_EQ(report.state(wedged), stop_state::silent);
  EXPECT_EQ(report.state(left), stop_state::absent);
  EXPECT_TRUE(report.registers_valid(0));
  EXPECT_FALSE(report.registers_valid(wedged));
  ASSERT_EQ(m.asked.size(), 2u);
  EXPECT_EQ(m.asked[0].size(), large::max_cpus - losers - 1);
  EXPECT_EQ(m.asked[1], (std::vector<cpu_id>{slow, wedged}));
}

// One move of each record before the request and one for the answer, and the owner's own lines: the report, its own
// record, the gate and two words more.
TEST_F(many_cpus, cost_the_owner_two_moves_of_a_line_each) {
  m.on_request = [this](cpu_id cpu) { answer(cpu, stop_state::by_irq); };
  const auto report = stop_others();
  EXPECT_EQ(report.count(stop_state::by_irq), others);
  EXPECT_LE(m.lines.moves(owner), 2 * others + large::max_cpus / words_per_line + 4);
}

TEST_F(many_cpus, that_lost_the_race_cost_the_owner_one_move_each) {
  for (cpu_id cpu = 0; cpu < large::max_cpus; ++cpu)
    if (cpu != owner) answer(cpu, stop_state::parked);
  const auto report = stop_others();
  EXPECT_EQ(report.count(stop_state::parked), others);
  EXPECT_LE(m.lines.moves(owner), others + large::max_cpus / words_per_line + 4);
}

// A record that has been seen answered is not looked at again, however many rungs there are.
TEST_F(many_cpus, that_have_answered_are_not_looked_at_again) {
  constexpr cpu_id losers = 1000;
  for (cpu_id cpu = 0; cpu < losers; ++cpu)
    if (cpu != owner) answer(cpu, stop_state::parked);
  m.on_request = [this](cpu_id cpu) { answer(cpu, stop_state::by_irq); };
  m.cpu = owner;
  m.lines = {};
  lastcpu::detail::inside::of(domain).cpus.expect_all(owner);
  for (uint32_t rung = 0; rung < max_rungs; ++rung)
    lastcpu::detail::inside::of(domain).cpus.climb(owner, rung, irq_then_nmi[0]);
  lastcpu::detail::inside::of(domain).cpus.collect(owner);
  constexpr uint32_t before_the_request = 2, for_the_answer = 2;  // waited for, then noted
  EXPECT_EQ(m.lines.lines_read(owner, 1), losers - 1);
  EXPECT_EQ(m.lines.lines_read(owner, before_the_request + for_the_answer), others - losers + 1);
}

// The stop costs a CPU two moves at most: its record, shared with the owner at first, then for itself.
TEST_F(many_cpus, pay_two_moves_of_a_line_for_their_answer) {
  m.on_request = [this](cpu_id cpu) { answer(cpu, stop_state::by_irq); };
  (void)stop_others();
  uint32_t most = 0;
  for (cpu_id cpu = 0; cpu < large::max_cpus; ++cpu)
    if (cpu != owner) most = std::max(most, m.lines.moves(cpu));
  EXPECT_EQ(most, 2u);
}

TEST_F(many_cpus, have_a_gate_that_names_the_last_one) {
  m.cpu = others;
  ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.claim(hold::final).won());
  EXPECT_EQ(domain.gate().read().owner(), others);
  EXPECT_EQ(domain.gate().read().with_owner(others).owner(), others);
}

}  // namespace
}  // namespace many_cpus_test
