// SPDX-License-Identifier: BSL-1.0
// Plain data: which two accesses are a race, and which are not.

#include "race/model/outcomes.hpp"

namespace races_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::interrupt;
using model::note;
using model::uses;

constexpr const char* read_race = "is read, and what another CPU wrote there is not ordered before";
constexpr const char* write_race = "is written while another CPU uses it";

template <class S>
void expect_race(const char* why, const model::options& o = {}) {
  for (const bool reduce : {true, false}) {
    model::options one = o;
    one.reduce = reduce;
    expect_caught<S>("a race", why, one);
  }
}
template <class S>
void expect_no_race(const model::options& o = {}) {
  for (const bool reduce : {true, false}) {
    model::options one = o;
    one.reduce = reduce;
    expect_complete<S>("no race", one);
  }
}

enum class access { reads, writes };

// CPU 0 accesses the data and says so; CPU 1 accesses it when it has heard of that, or at once.
template <access First, access Second, bool Ordered, bool Released = true>
struct two_accesses : model::scenario {
  static constexpr cpu_id cpus = 2;
  word flag;
  uint64_t data;
  void touch(access how, uint64_t value) {
    if (how == access::reads) (void)uses(data);
    if (how == access::writes) data = value;
  }
  void run(cpu_id me) override {
    if (me == 0) {
      touch(First, 1);
      flag.store(1, Released ? order::release : order::relaxed);
    } else if (flag.load(order::acquire) == 1 || !Ordered) {
      touch(Second, 2);
    }
  }
};
TEST(races, of_a_read_and_a_later_write_are_found) {
  expect_race<two_accesses<access::reads, access::writes, false>>(write_race);
  expect_race<two_accesses<access::reads, access::writes, true, false>>(write_race);
  expect_no_race<two_accesses<access::reads, access::writes, true>>();
}
TEST(races, of_a_write_and_a_later_read_are_found) {
  expect_race<two_accesses<access::writes, access::reads, false>>(read_race);
  expect_race<two_accesses<access::writes, access::reads, true, false>>(read_race);
  expect_no_race<two_accesses<access::writes, access::reads, true>>();
}
TEST(races, of_two_writes_are_found) {
  expect_race<two_accesses<access::writes, access::writes, false>>(write_race);
  expect_race<two_accesses<access::writes, access::writes, true, false>>(write_race);
  expect_no_race<two_accesses<access::writes, access::writes, true>>();
}
TEST(races, of_two_reads_are_none) {
  expect_no_race<two_accesses<access::reads, access::reads, false>>();
}

// CPU 1 waits for CPU 0 and writes; what it has read of `x` does not order the read of CPU 2 before that.
struct read_by_a_third : model::scenario {
  static constexpr cpu_id cpus = 3;
  word x;
  uint64_t data;
  void run(cpu_id me) override {
    if (me == 0) x.store(1, order::release);
    if (me == 1 && x.load(order::acquire) == 1) data = 1;
    if (me == 2) (void)uses(data);
  }
};
TEST(races, with_a_third_cpu_are_found) {
  expect_race<read_by_a_third>("");
}

// What is used is used to its last byte, and nothing beside it.
struct record {
  uint64_t before;
  uint32_t padding, first, second, third;
  uint64_t after;
};
template <uint32_t Place>
struct parts : model::scenario {
  static constexpr cpu_id cpus = 2;
  record r;
  word x;
  struct three {
    uint32_t part[3];
  };
  void run(cpu_id me) override {
    if (me == 0) return (void)uses(reinterpret_cast<const three&>(r.first));
    if (Place == 0) r.before = 1;
    if (Place == 1) r.first = 1;
    if (Place == 2) r.third = 1;
    if (Place == 3) r.after = 1;
  }
};
TEST(races, are_about_what_is_used_and_nothing_beside_it) {
  expect_no_race<parts<0>>();
  expect_race<parts<1>>("");
  expect_race<parts<2>>("");
  expect_no_race<parts<3>>();
}

// The last data of a scenario.
struct at_the_end : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x;
  uint32_t last;
  void run(cpu_id me) override {
    if (me == 0) last = 1;
    if (me == 1) (void)uses(last);
  }
};
TEST(races, are_found_in_the_last_data_of_a_scenario) {
  expect_race<at_the_end>("");
}

// What is not the scenario's is its CPU's own.
struct own_data : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x;
  void run(cpu_id me) override {
    const uint64_t mine[40] = {me};
    (void)uses(mine);
    (void)uses(shared);
    x.store(1, order::relaxed);
  }
  inline static uint64_t shared;
};
TEST(races, are_not_looked_for_beyond_the_scenario) {
  expect_no_race<own_data>();
}

// In finish() and in on_trace() everything can be read, and no CPU does it.
struct looks_from_outside : litmus<0> {
  static constexpr cpu_id cpus = 2;
  word x;
  uint64_t data;
  void run(cpu_id me) override {
    if (me == 0) data = 1;
    x.store(1, order::relaxed);
    if (me == 1) model::platform<2>::trace({trace_kind::parked, me, 0});
  }
  void on_trace(const trace_event&) override { outcome(uses(data) + x.load(order::relaxed)); }
  void finish(model::ending, cpu_id) override { outcome(10 * uses(data)); }
};
TEST(races, are_not_looked_for_from_outside) {
  expect_exactly<looks_from_outside>({2, 10});
  EXPECT_EQ(model::explore<looks_from_outside>({.reduce = false}).moves, 4U);
}

// Each datum that is only read takes one word.
struct many_reads : model::scenario {
  static constexpr cpu_id cpus = 1;
  uint64_t data[90];
  void run(cpu_id) override { (void)uses(data); }
};
TEST(races, take_one_word_for_what_is_only_read) {
  expect_no_race<many_reads>();
}

// A write is its CPU's own also where it is the last thing that a CPU does, or its handler.
struct written_last : model::scenario {
  static constexpr cpu_id cpus = 2;
  uint64_t data;
  void run(cpu_id me) override {
    if (me == 1) {
      moment();
      moment();
      return;
    }
    moment();
    data = 1;
    moment();
    if (note(0) == 1) (void)uses(data);
  }
  void nmi(cpu_id, interrupt) override {
    note(0) = 1;
    data = 2;
  }
};
TEST(races, blame_a_write_on_who_did_it) {
  expect_no_race<written_last>();
  expect_no_race<written_last>({.nmis = 1, .nmi_cpus = 1});
}

// That a deadline has passed shows every store and orders none.
struct behind_a_deadline : model::scenario {
  static constexpr cpu_id cpus = 2;
  word x, y;
  uint64_t data;
  void run(cpu_id me) override {
    if (me == 1) {
      data = 1;
      y.store(1, order::release);
      return;
    }
    (void)model::platform<2>::wait_while(x, 0u, 10);
    (void)uses(data);
  }
};
TEST(races, are_not_ordered_by_a_deadline_that_passes) {
  expect_race<behind_a_deadline>(read_race);
}

// Two data that are read by two CPUs: which of them was read is part of the state. The reads order nothing.
template <bool Swapped>
struct one_of_two_reads : model::scenario {
  static constexpr cpu_id cpus = 2;
  uint64_t p, q;
  void run(cpu_id me) override {
    uint64_t& mine = (me == 0) != Swapped ? p : q;
    uint64_t& other = (me == 0) != Swapped ? q : p;
    moment();
    if (note(0)++ == 0) (void)uses(mine);
    moment();
    if (me == 0) other = 1;
  }
};
TEST(races, are_told_apart_by_what_was_read) {
  expect_race<one_of_two_reads<false>>(write_race);
  expect_race<one_of_two_reads<true>>(write_race);
}

// --- What the port to the model reads for the library

enum class part { registers, message, nmi_message, nested_message, image, shutdown, jump, nothing, empty };

// CPU 0 hands on what CPU 1 writes without an order.
template <part What, bool Cut_short = false>
struct notes_of_another : model::scenario {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  P::registers registers;
  char message[8] = "a", nmi_message[8] = "b", nested_message[8] = "c", empty[8] = "";
  P::image image{1};
  void run(cpu_id me) override {
    if (me == 1) {
      if (What == part::registers || What == part::shutdown) P::capture_registers(registers);
      if (What == part::message) message[1] = 'x';
      if (What == part::nmi_message) nmi_message[1] = 'x';
      if (What == part::empty) empty[1] = 'x';
      if (What == part::nested_message) nested_message[1] = 'x';
      if (What == part::image || What == part::jump) image.id = 2;
      return;
    }
    if (What == part::shutdown) return P::crash_shutdown(registers);
    if (What == part::image) return (void)P::image_intact(image);
    if (What == part::jump) return P::jump(image);
    const char* nested = What == part::empty ? empty : nested_message;
    P::save_note(image, {0, stop_state::running, true, What == part::nothing ? nullptr : &registers, message,
                         nmi_message, nested, Cut_short});
  }
};
TEST(races, are_found_in_what_is_handed_on_by_the_library) {
  expect_race<notes_of_another<part::registers>>("");
  expect_race<notes_of_another<part::registers, true>>("");
  expect_race<notes_of_another<part::message>>("");
  expect_race<notes_of_another<part::nmi_message>>("");
  expect_race<notes_of_another<part::nested_message>>("");
  expect_race<notes_of_another<part::image>>("");
  expect_race<notes_of_another<part::shutdown>>("");
  expect_race<notes_of_another<part::jump>>("");
  expect_no_race<notes_of_another<part::nothing>>();
}
TEST(races, are_not_found_in_a_text_that_was_cut_short) {
  expect_no_race<notes_of_another<part::message, true>>();
}
TEST(races, are_not_found_in_a_text_that_is_empty) {
  expect_no_race<notes_of_another<part::empty>>();
}

// The small answers of the port.
struct small_answers : litmus<0> {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<cpus>;
  P::image images[3] = {{0}, {1}, {P::damaged | 1}};
  void run(cpu_id me) override {
    P::registers r{};
    P::capture_registers(r);
    outcome(r.pc);
    if (me == 0) return;
    for (uint32_t i = 0; i < 3; ++i) outcome(10 + i * 2 + P::image_intact(images[i]));
    outcome(P::now());
    outcome(P::ticks_per_second());
    P::emergency_restart();
    outcome(2);
  }
  void finish(model::ending how, cpu_id by) override {
    outcome(20 + static_cast<uint64_t>(how) * 10 + by);
    outcome(50 + P::this_cpu());
  }
};
TEST(port_to_the_model, answers) {
  expect_exactly<small_answers>({0x100, 0x101, 10, 13, 14, 0, 1'000'000, 41, 51});
}

}  // namespace
}  // namespace races_model
