// SPDX-License-Identifier: BSL-1.0
// A machine that starts anew: forget() of the whole domain and of each primitive leaves every byte as newly made, in
// whatever state it comes.
#include <cstring>

#include "panicking.hpp"

namespace {

using namespace lastcpu;
using namespace lastcpu::test;

// What is saved of a CPU and what describes an image stays behind in memory, unread. Here both are zeros, so that nothing
// may differ.
constexpr fake_registers zeros{0, 0};
constexpr image zero_image{0};

// Lies in memory that was zero, where padding can be compared, too.
template <class T>
struct reborn {
  alignas(64) unsigned char bytes[sizeof(T)]{};
  T* it = new (bytes) T;
  [[nodiscard]] bool is_as_new() const {
    static constinit T fresh;
    return std::memcmp(bytes, static_cast<const void*>(&fresh), sizeof(T)) == 0;
  }
};

struct forgetting : testing::Test {
  fake_machine m;
  reborn<domain_type> domain;

  [[nodiscard]] domain_type& d() { return *domain.it; }
  void is_as_new_once_it_forgets(bool has_an_image) {
    EXPECT_FALSE(domain.is_as_new()) << "nothing to forget";
    image inherited{99};
    EXPECT_EQ(d().forget(inherited), has_an_image);
    EXPECT_EQ(inherited.id, has_an_image ? zero_image.id : 99u);
    EXPECT_TRUE(domain.is_as_new());
  }
};

TEST_F(forgetting, new_domain_is_zeros) {
  EXPECT_TRUE(domain.is_as_new());
}

TEST_F(forgetting, after_a_whole_dump_leaves_nothing) {
  ASSERT_EQ(d().image().load(zero_image), load_outcome::loaded);
  m.when("0 reports outer", [&] {
    m.as(1, [&] { d().panic("second", &zeros); });
    m.as(2, [&] { d().nmi_panic("third", zeros); });
    m.as(fake_platform::max_cpus, [&] { d().panic("of nobody", &zeros); });
    d().panic("inner", &zeros);
  });
  m.when("0 sends irq", [&] { m.as(3, [&] { (void)d().handle_stop_irq(zeros); }); });
  EXPECT_EQ(m.as(0, [&] { d().panic("outer", &zeros); }), ending::jumped);
  EXPECT_EQ(m.resume(1), ending::parked);
  is_as_new_once_it_forgets(true);
}

TEST_F(forgetting, inside_a_crash_kexec_leaves_nothing) {
  ASSERT_EQ(d().image().load(zero_image), load_outcome::loaded);
  bool done = false;
  m.when("0 checks image 0", [&] {
    d().nmi_panic("in nmi", zeros);
    is_as_new_once_it_forgets(true);
    done = true;
    fake_platform::park();
  });
  EXPECT_EQ(m.as(0, [&] { (void)d().crash_kexec(&crash, "oops"); }), ending::parked);
  EXPECT_TRUE(done);
}

TEST_F(forgetting, inside_a_crash_kexec_forgets_that_oops_too) {
  ASSERT_EQ(d().image().load(zero_image), load_outcome::loaded);
  m.when("0 checks image 0", [&] {
    image inherited{};
    (void)d().forget(inherited);
    ASSERT_TRUE(lastcpu::detail::inside::of(d()).gate.claim(hold::trial).won());
    d().panic("in the new machine", &stopped);
  });
  EXPECT_EQ(m.as(0, [&] { (void)d().crash_kexec(&crash, "of the old machine"); }), ending::restarted);
  EXPECT_STREQ(d().messages().text(0, normal, true), "in the new machine");
  EXPECT_EQ(d().cpus().registers_of(0)->pc, stopped.pc);
}

TEST_F(forgetting, at_any_moment_of_a_panic_leaves_nothing) {
  at_every_moment([](fake_machine& machine, uint32_t n) {
    reborn<domain_type> r;
    ASSERT_EQ(r.it->image().load(zero_image), load_outcome::loaded);
    machine.inject(0, n, [&] {
      image inherited{};
      EXPECT_TRUE(r.it->forget(inherited)) << n;
      EXPECT_TRUE(r.is_as_new()) << n;
      fake_platform::park();
    });
    machine.as(0, [&] { r.it->panic("outer", &zeros); });
  });
}

// --- Each primitive, alone.

TEST_F(forgetting, of_a_gate_leaves_nothing_of_any_phase) {
  for (const phase p : {phase::trial, phase::panicking, phase::dumping, phase::jumping}) {
    reborn<panic_cpu<fake_platform>> gate;
    (void)gate.it->claim(hold::trial);
    (void)gate.it->release();
    (void)gate.it->claim(hold::trial);
    if (p > phase::trial) {
      EXPECT_TRUE(gate.it->begin_step(9, p) == step_outcome::begun);
    }
    EXPECT_FALSE(gate.is_as_new());
    gate.it->forget();
    EXPECT_TRUE(gate.is_as_new()) << static_cast<int>(p);
  }
}

TEST_F(forgetting, of_records_leaves_nothing_of_any_of_them) {
  reborn<stop_cpus<fake_platform>> cpus;
  for (cpu_id cpu = 0; cpu <= fake_platform::max_cpus; ++cpu) {
    (void)cpus.it->count_descent(cpu);
    cpus.it->save_registers(cpu, &zeros);
    cpus.it->make_resettable_once(cpu);
    EXPECT_TRUE(cpus.it->may_run_hook(cpu));
    if (cpu != 0) cpus.it->acknowledge(cpu, stop_state::by_nmi);
  }
  cpus.it->expect_all(0);
  cpus.it->climb(0, 0, {stop_how::irq, 10});
  cpus.it->collect(0);
  EXPECT_FALSE(cpus.is_as_new());
  cpus.it->forget();
  EXPECT_TRUE(cpus.is_as_new());
}

TEST_F(forgetting, of_messages_leaves_no_letter) {
  reborn<panic_messages<fake_platform, 16>> messages;
  for (cpu_id cpu = 0; cpu <= fake_platform::max_cpus; ++cpu)
    for (const panic_context c : {normal, nmi, nested}) EXPECT_TRUE(messages.it->keep(cpu, c, "0123456789abcdefg"));
  for (uint32_t i = 0; i < messages.it->spares; ++i) messages.it->keep_spare(i, "0123456789abcdefg");
  messages.it->forget();
  EXPECT_TRUE(messages.is_as_new());
}

TEST_F(forgetting, of_an_image_leaves_an_empty_slot_in_any_state) {
  reborn<crash_image<fake_platform>> slot;
  image inherited{99};
  EXPECT_FALSE(slot.it->forget(inherited));
  ASSERT_EQ(slot.it->load(zero_image), load_outcome::loaded);
  EXPECT_TRUE(slot.it->forget(inherited));
  EXPECT_TRUE(slot.is_as_new());
  ASSERT_EQ(slot.it->load(zero_image), load_outcome::loaded);
  m.when("0 checks image 0", [&] { EXPECT_TRUE(slot.it->forget(inherited)) << "while it is checked"; });
  (void)slot.it->reserve();
  (void)slot.it->check();
  ASSERT_EQ(slot.it->load(zero_image), load_outcome::loaded);
  EXPECT_EQ(slot.it->reserve(), image_outcome::reserved);
  EXPECT_TRUE(slot.it->check());
  EXPECT_TRUE(slot.it->forget(inherited)) << "claimed";
  EXPECT_TRUE(slot.is_as_new());
}

}  // namespace
