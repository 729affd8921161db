// SPDX-License-Identifier: BSL-1.0
// Every interleaving of messages that are kept and read.

#include <lastcpu/panic_message.hpp>

#include "race/model/expect.hpp"

namespace message_model {
namespace {

using namespace lastcpu;
using namespace lastcpu::test;
using model::require;

struct kept_and_read : model::scenario {
  static constexpr cpu_id cpus = 3;
  using P = model::platform<3>;
  panic_messages<P, 16> messages;
  void run(cpu_id me) override {
    if (me < 2) {
      require(messages.keep(me, panic_context::normal, "first"), "promise 2: a first message is not kept");
      require(!messages.keep(me, panic_context::normal, "again"), "promise 2: a message is overwritten");
      return;
    }
    for (cpu_id cpu = 0; cpu < 2; ++cpu) {
      const char* text = messages.text(cpu, panic_context::normal, false);
      if (*text != 'f') continue;
      running_uses(text);
      require(text[4] == 't', "promise 2: a message is ready and not whole");
    }
  }
  static void running_uses(const char* text) { model::running().uses(text, 8); }
  void finish(model::ending, cpu_id) override {
    for (cpu_id cpu = 0; cpu < 2; ++cpu)
      require(messages.text(cpu, panic_context::normal, false)[0] == 'f', "promise 2: a message is lost");
  }
};
TEST(message, is_whole_once_it_is_ready) {
  expect_complete<kept_and_read>("2 writers, 1 reader");
}

// An NMI in the middle of it has its own text.
struct interrupted : model::scenario {
  static constexpr cpu_id cpus = 2;
  using P = model::platform<2>;
  panic_messages<P, 16> messages;
  void run(cpu_id me) override {
    if (me == 0) (void)messages.keep(me, panic_context::normal, "thread");
  }
  void nmi(cpu_id me, model::interrupt) override {
    require(messages.keep(me, panic_context::nmi, "nmi"), "promise 2: not kept");
  }
  void finish(model::ending, cpu_id) override {
    require(messages.text(0, panic_context::normal, false)[0] == 't', "promise 2: a message is lost");
  }
};
TEST(message, of_an_nmi_does_not_touch_that_of_the_thread) {
  expect_complete<interrupted>("1 NMI", {.nmis = 1});
}

}  // namespace
}  // namespace message_model
