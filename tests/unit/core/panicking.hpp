// SPDX-License-Identifier: BSL-1.0
#pragma once
// A whole crash domain on the scripted machine, for the tests of panic.hpp.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tested.hpp"

namespace lastcpu::test {

using image = fake_platform::image;
using lines = std::vector<std::string>;
using enum panic_context;

inline constexpr fake_registers in_nmi{0x2222, 2};
inline constexpr fake_registers stopped{0x5709, 3};

// The moment of a panic at which its message is written but not yet marked as whole.
inline constexpr uint32_t before_the_mark = 12;

using domain_type = domain_of<fake_platform, fake_policy>;
static_assert(noexcept(std::declval<domain_type&>().panic("")));

template <class P = fake_platform, class Policy = fake_policy>
struct panicking : testing::Test {
  fake_machine m;
  domain_of<P, Policy> domain;

  panicking() { m.is_whole_machine(); }

  void load(uint32_t id = 7) {
    ASSERT_EQ(domain.image().load(image{id}), load_outcome::loaded);
    m.log.clear();
  }
  ending panic_on(cpu_id cpu, const char* message, const fake_registers* regs = &crash) {
    return m.as(cpu, [=, this] { domain.panic(message, regs); });
  }
  ending nmi_panic_on(cpu_id cpu, const char* message) {
    return m.as(cpu, [=, this] { domain.nmi_panic(message, in_nmi); });
  }
  // A CPU that obeys.
  void nmi_on(cpu_id cpu) {
    m.as(cpu, [&] { domain.handle_nmi(stopped); });
  }
  void claim_on(cpu_id cpu, hold wanted) {
    m.cpu = cpu;
    m.is_in_the_middle();
    ASSERT_TRUE(lastcpu::detail::inside::of(domain).gate.claim(wanted).won());
  }
  [[nodiscard]] std::string message(cpu_id cpu, panic_context c) const { return domain.messages().text(cpu, c, true); }
  [[nodiscard]] uintptr_t saved_pc(cpu_id cpu) {
    m.cpu = cpu;
    return domain.cpus().registers_of(cpu) == nullptr ? 0 : domain.cpus().registers_of(cpu)->pc;
  }
  [[nodiscard]] lines steps() const { return m.lines_with({"begins"}); }
};

inline lines begun(cpu_id cpu, const std::vector<step>& steps) {
  lines out;
  for (const step s : steps) out.push_back(std::to_string(cpu) + " begins " + to_string(s));
  return out;
}
inline const std::vector<step> without_image = with_a_summary_in_c(
    {step::report, step::image, step::expect, step::commit, step::registers, step::rung_0, step::rung_1, step::collect,
     step::notifiers, step::message_dump, step::late_image, step::no_kernel, step::flush, step::delay, step::restart});
inline const std::vector<step> with_image =
    with_a_summary_in_c({step::report, step::image, step::expect, step::commit, step::registers, step::rung_0,
                         step::rung_1, step::collect, step::check, step::notes, step::crash_shutdown, step::jump});

}  // namespace lastcpu::test
