// SPDX-License-Identifier: BSL-1.0
// What a CPU leaves for an NMI handler or a fault of its own: the mark is stored with release behind what it stands for,
// and looked at with acquire. The processor keeps that order for its own handlers anyway; the compiler does so for this.
// The model does not reorder what one CPU does, so its tests can't see it.
#include "panicking.hpp"

namespace own_marks_test {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using orders = std::vector<order>;

struct own_marks : panicking<> {
  // Of the accesses of one kind that `act` makes.
  template <class F>
  orders of(word_access::kind kind, F act) {
    m.accesses.clear();
    m.as(0, act);
    orders out;
    for (const word_access& a : m.accesses)
      if (a.what == kind) out.push_back(a.how);
    return out;
  }
};

TEST_F(own_marks, of_what_is_done_once_are_released_behind_it) {
  const auto once = [&] { lastcpu::detail::inside::of(domain).cpus.make_resettable_once(0); };
  EXPECT_EQ(of(word_access::store, once), orders(2, order::release)) << "begun, done";
  EXPECT_EQ(of(word_access::load, once), orders{order::acquire}) << "done before";
}

TEST_F(own_marks, of_registers_are_released_behind_them) {
  const auto save = [&] { lastcpu::detail::inside::of(domain).cpus.save_registers(0, &crash); };
  EXPECT_EQ(of(word_access::store, save), (orders{order::relaxed, order::release})) << "an attempt, whole";
  EXPECT_EQ(of(word_access::load, save), orders{order::acquire}) << "whole before";
}

TEST_F(own_marks, of_an_oops_are_released_and_wiped_with_release) {
  const auto oops = [&] { (void)domain.crash_kexec(&crash, "oops"); };
  EXPECT_EQ(of(word_access::store, oops), orders(2, order::release)) << "there and gone";
}

TEST_F(own_marks, of_an_oops_are_acquired_by_the_panic_that_it_becomes) {
  claim_on(0, hold::trial);
  const orders loads = of(word_access::load, [&] { domain.panic("fault", &crash); });
  ASSERT_GE(loads.size(), 3u);
  EXPECT_EQ(orders(loads.begin() + 1, loads.begin() + 3), orders(2, order::acquire)) << "the gate, the oops";
}

}  // namespace
}  // namespace own_marks_test
