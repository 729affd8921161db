// SPDX-License-Identifier: BSL-1.0
// What parked losers cost the winner: its memory-bound work, with a look at the gate now and then, beside losers that
// have stopped, against the same work alone. And beside losers that spin instead, to see that the method would see it.
//
// Each batch of work is a forked child's, on the same CPU and the same shared pages; ours and alone take turns. Alone means
// that as many threads were there, lost, and have ended.

#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/platform/posix.hpp>
#include <lastcpu/self_stop.hpp>
#include <lastcpu/stop_cpus.hpp>

#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "child_process.hpp"
#include "interleaved.hpp"
#include "topology.hpp"

namespace {

using benchmark::State;
using lastcpu::cpu_id;
using lastcpu::hold;
using lastcpu::posix;
using namespace lastcpu_bench;

constinit lastcpu::panic_cpu<posix> gate{};
constinit lastcpu::stop_cpus<posix> cpus{};

struct alignas(64) node {
  uint32_t next;
  uint32_t weight[15];
};

// More than the last-level cache holds, each cache line a node of one cycle in random order.
class memory {
 public:
  memory() : bytes_(std::clamp<std::size_t>(2 * last_level_cache(), 64 << 20, 512 << 20)), nodes_(share(bytes_)) {
    std::vector<uint32_t> order(count());
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), std::minstd_rand{1});
    for (std::size_t i = 0; i < order.size(); ++i) nodes()[order[i]].next = order[(i + 1) % order.size()];
  }
  [[nodiscard]] node* nodes() const { return nodes_; }
  [[nodiscard]] std::size_t count() const { return bytes_ / sizeof(node); }

 private:
  static std::size_t last_level_cache() {
    int largest = 0;
    for (const auto& cache : benchmark::CPUInfo::Get().caches) largest = std::max(largest, cache.size);
    return static_cast<std::size_t>(largest);
  }
  static node* share(std::size_t bytes) {
    void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::runtime_error("no memory to share with the children");
    return static_cast<node*>(at);
  }
  std::size_t bytes_;
  node* nodes_;
};

const memory& the_memory() {
  static const memory it;
  return it;
}

// The owner looks at the gate as each step of a panic does.
void look_at_the_gate() {
  must(gate.on_this_cpu(), "the winner lost the gate");
}

constexpr std::size_t look_each = 64;

// Each touches `part` of the memory, from `from` on, and says where it came to. Latency, then bandwidth.
uint32_t chase(uint32_t from, double part) {
  const auto steps = static_cast<std::size_t>(part * static_cast<double>(the_memory().count()));
  const node* nodes = the_memory().nodes();
  for (std::size_t i = 0; i < steps; ++i) {
    from = nodes[from].next;
    if (i % look_each == 0) look_at_the_gate();
  }
  return from;
}

uint32_t stream(uint32_t from, double part) {
  const auto steps = static_cast<std::size_t>(part * static_cast<double>(the_memory().count()));
  const node* nodes = the_memory().nodes();
  uint32_t sum = 0;
  for (std::size_t i = 0; i < steps; ++i) {
    sum += nodes[i].next + nodes[i].weight[7];
    if (i % look_each == 0) look_at_the_gate();
  }
  keep(sum);
  return from;
}

using work = uint32_t (*)(uint32_t from, double part);

void park() {
  must(!gate.claim(hold::final).won(), "a loser won");
  lastcpu::wait_for_gate(gate, cpus, nullptr);
  must(false, "a loser went on");
}

// What a self-stop does that only loops.
void spin() {
  must(!gate.claim(hold::final).won(), "a loser won");
  cpus.acknowledge(posix::this_cpu(), lastcpu::stop_state::parked);
  while (gate.in_progress()) {
  }
  must(false, "a loser went on");
}

// For the work alone: what a loser does before it stops, and then its thread ends, so that both sides begin alike.
void leave() {
  must(!gate.claim(hold::final).won(), "a loser won");
  cpus.acknowledge(posix::this_cpu(), lastcpu::stop_state::parked);
}

struct setting {
  work what;
  double part;  // of the memory, in one batch
  void (*lose)();
  int winner_on;
  std::vector<int> losers_on;
};

// The child: the losers lose and stop, then the winner does some of its work to warm up, and then on the clock.
void work_beside_losers(double& ns, const setting& s) {
  must(pin_to(s.winner_on), "the winner can't be pinned to its CPU");
  const lastcpu::cpu_guard guard(0);
  must(guard && gate.claim(hold::final).won(), "the winner does not win");
  for (cpu_id me = 1; me <= s.losers_on.size(); ++me)
    std::thread([me, &s] {
      must(pin_to(s.losers_on[me - 1]), "a loser can't be pinned to its CPU");
      const lastcpu::cpu_guard loser(me);
      must(static_cast<bool>(loser), "a loser is not registered as a CPU");
      s.lose();
    }).detach();
  for (cpu_id cpu = 1; cpu <= s.losers_on.size(); ++cpu)
    while (!cpus.acknowledged(cpu)) usleep(100);
  usleep(1000);        // behind its acknowledgement a loser has some instructions to go
  (void)stream(0, 1);  // every page is there
  const uint32_t from = s.what(0, s.part / 8);
  const uint64_t start = posix::now();
  keep(s.what(from, s.part));
  ns = static_cast<double>(posix::now() - start);
}

double time_of(const setting& s) {
  (void)the_memory();  // made once, by the parent
  return figures_of_child<double>([&s](double& ns) { work_beside_losers(ns, s); });
}

void add(const std::string& name, const setting& s, const std::string& missing) {
  registered_trial(name, [s, missing](State& state) {
    if (!missing.empty()) return skip(state, missing);
    setting alone = s;
    alone.lose = leave;
    compare_measured(
        state, [&] { return time_of(s); }, [&] { return time_of(alone); });
  });
}

struct named_work {
  const char* name;
  work what;
  double part;
};
constexpr named_work works[] = {{"chase", chase, 1. / 32}, {"stream", stream, 1.}};

void add_on_other_cpus(const named_work& w, const std::string& at, const placement& where) {
  const auto& all = where.cpus;
  const setting s{
      w.what, w.part, park, all.empty() ? 0 : all.front(), {all.begin() + (all.empty() ? 0 : 1), all.end()}};
  const std::string losers = std::to_string(std::max<std::size_t>(s.losers_on.size(), 1));
  add("work_beside_parked_vs_alone/work:" + std::string(w.name) + "/losers:" + losers + "/at:" + at, s, where.missing);
}

[[maybe_unused]] const bool all_added = [] {
  const topology host;
  const std::vector<int> allowed = host.spread(std::min<std::size_t>(host.allowed().size(), posix::max_cpus));
  const int first = allowed.empty() ? 0 : allowed.front();
  for (const named_work& w : works) {
    const std::string name = w.name;
    const placement two = host.same_socket();
    add("control_work/work:" + name + "/losers:1/at:same_socket",
        {w.what, w.part, leave, first, {two.cpus.empty() ? first : two.cpus.back()}}, two.missing);
    for (const placement& pair : host.pairs()) add_on_other_cpus(w, pair.name, pair);
    if (allowed.size() > 2) add_on_other_cpus(w, "all_others", {"all_others", allowed, ""});
    add("work_beside_parked_vs_alone/work:" + name + "/losers:8/at:winners_cpu",
        {w.what, w.part, park, first, std::vector<int>(8, first)}, "");
    add("work_beside_spinning_vs_alone/work:" + name + "/losers:1/at:winners_cpu",
        {w.what, w.part, spin, first, {first}}, "");
  }
  return true;
}();

}  // namespace
