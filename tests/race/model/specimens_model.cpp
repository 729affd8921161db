// SPDX-License-Identifier: BSL-1.0
// The historical designs (tests/race/specimens), explored: for each the model finds the race that it is known for, and
// prints it. What was modelled, and from what description, is in docs/specimens.md.

#include "race/model/expect.hpp"
#include "race/specimens/double_read_2025.hpp"
#include "race/specimens/panic_cpu_2015.hpp"
#include "race/specimens/panic_lock_2011.hpp"
#include "race/specimens/trylock_only.hpp"

namespace specimens_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::ending;
using model::interrupt;
using model::note;
using model::require;

enum class role { nothing, panics, oopses };

/// `Design` on two CPUs with a crash kernel or without; a machine on which nobody is left to finish the job is a loss.
template <template <class> class Design, role First, role Second, bool Image>
struct history : model::scenario {
  static constexpr cpu_id cpus = 2;
  bool may_sleep() const override { return true; }
  using P = model::platform<2>;
  Design<P> design;

  history() {
    if (Image) design.load({1});
  }
  void run(cpu_id me) override {
    const P::registers r{1000 + me};
    const role mine = me == 0 ? First : Second;
    if (mine == role::panics) {
      note(0) = 1;
      design.panic(&r);
    }
    if (mine == role::oopses) {
      if (Image) note(0) = 1;
      design.crash_kexec(&r);
    }
  }
  void nmi(cpu_id me, interrupt which) override {
    const P::registers r{2000 + me};
    (void)design.handle_nmi(r);
    if (which != interrupt::injected_nmi) return;
    note(0) = 1;
    design.nmi_panic(r);
  }
  void finish(ending how, cpu_id) override {
    require(how != ending::quiet || note(0) == 0, "nobody is left to finish the job");
    require(how == ending::quiet || how == (Image ? ending::jumped : ending::restarted), "the dump is lost");
  }
  // In the order of historical_machine.hpp; what a design adds comes last.
  std::string name(const void* address) const override {
    static constexpr const char* shared[] = {"kexec_lock", "crashing_cpu", "shootdown_sent", "stopping_cpu", "never"};
    const auto offset = static_cast<const char*>(address) - reinterpret_cast<const char*>(&design);
    constexpr std::ptrdiff_t first = 24, size = 16, end = first + cpus * size;
    if (offset < 20) return shared[offset / 4];
    if (offset >= first && offset < end)
      return ((offset - first) % size == 0 ? "answer of CPU " : "registers of CPU ") +
             std::to_string((offset - first) / size);
    return offset < end + 12 ? "image" : "gate";
  }
};

// The gate is gone on without: two CPUs believe that they are the one, or a fatal NMI returns as if its CPU were.
template <template <class> class Design, role Second>
struct owners : history<Design, role::oopses, Second, false> {
  using base = history<Design, role::oopses, Second, false>;
  void nmi(cpu_id me, interrupt which) override {
    base::nmi(me, which);
    require(which != interrupt::injected_nmi || this->design.holds_gate(), "a fatal NMI is forgotten");
  }
  void on_trace(const trace_event& e) override {
    if (e.kind == trace_kind::stop_sent) require(this->design.holds_gate(), "a CPU goes on without owning the gate");
  }
  void finish(ending, cpu_id) override {}
};

template <class S>
void lost(const char* what, const char* why, const model::options& o = {.stale = 0}) {
  const model::result r = expect_caught<S>(what, why, o);
  printf("%s\n%s\n", r.choices.c_str(), r.chart.c_str());
}

using enum role;
constexpr model::options nmi_on_cpu_0{.nmis = 1, .nmi_cpus = 1, .stale = 0};
constexpr model::options nmi_on_cpu_1{.nmis = 1, .nmi_cpus = 2, .stale = 0};

TEST(trylock_only, panic_vs_panic_loses_the_dump) {
  lost<history<specimens::trylock_only, panics, panics, true>>("until 2011", "the dump is lost");
}
TEST(panic_lock_2011, panic_vs_panic_is_mended) {
  expect_complete<history<specimens::panic_lock_2011, panics, panics, true>>("2011");
}
TEST(panic_lock_2011, oops_vs_panic_loses_the_dump) {
  lost<history<specimens::panic_lock_2011, oopses, panics, true>>("2011", "the dump is lost");
}
TEST(panic_lock_2011, nmi_on_dumper_of_an_oops_loses_the_dump) {
  lost<history<specimens::panic_lock_2011, oopses, nothing, true>>("2011, 1 NMI", "the dump is lost", nmi_on_cpu_0);
}
TEST(panic_lock_2011, nmi_on_dumper_of_a_panic_never_returns) {
  lost<history<specimens::panic_lock_2011, panics, nothing, true>>("2011, 1 NMI", "nobody is left", nmi_on_cpu_0);
}
TEST(panic_cpu_2015, oops_vs_panic_is_mended) {
  expect_complete<history<specimens::panic_cpu_2015, oopses, panics, true>>("2015");
}
TEST(panic_cpu_2015, nmi_on_dumper_is_mended) {
  expect_complete<history<specimens::panic_cpu_2015, panics, nothing, true>>("2015, 1 NMI", {.nmis = 1, .nmi_cpus = 1});
  expect_complete<history<specimens::panic_cpu_2015, oopses, nothing, true>>("2015, 1 NMI", {.nmis = 1, .nmi_cpus = 1});
}
TEST(panic_cpu_2015, released_under_waiter_loses_the_panic) {
  lost<history<specimens::panic_cpu_2015, oopses, panics, false>>("2015", "nobody is left");
}
TEST(panic_cpu_2015, nmi_panic_pending_is_forgotten) {
  lost<history<specimens::panic_cpu_2015, oopses, nothing, false>>("2015, 1 NMI", "nobody is left", nmi_on_cpu_0);
}
TEST(panic_cpu_2015, never_goes_on_without_the_gate) {
  expect_bounded<owners<specimens::panic_cpu_2015, panics>>("2015", {.stale = 0});
  expect_bounded<owners<specimens::panic_cpu_2015, nothing>>("2015, 1 NMI", nmi_on_cpu_1);
}
TEST(double_read_2025, released_under_waiter_goes_on_without_the_gate) {
  lost<owners<specimens::double_read_2025, panics>>("2025", "without owning the gate");
}
TEST(double_read_2025, released_under_waiter_forgets_a_fatal_nmi) {
  lost<owners<specimens::double_read_2025, nothing>>("2025, 1 NMI", "a fatal NMI is forgotten", nmi_on_cpu_1);
}

}  // namespace
}  // namespace specimens_model
