// SPDX-License-Identifier: BSL-1.0
// Panic messages: read by another CPU while they are written, they are whole or not there.
#include "crew.hpp"

#include <string.h>

namespace message_stress {
namespace {

using namespace stress;

using messages = panic_messages<posix, 64>;
constexpr cpu_id writers = 3;
constexpr panic_context contexts[] = {panic_context::normal, panic_context::nmi, panic_context::nested};

void make_text(char (&out)[64], cpu_id cpu, panic_context c, unsigned round) {
  const char mark = static_cast<char>('a' + (cpu * 3 + static_cast<unsigned>(c) + round) % 26);
  memset(out, mark, sizeof out - 1);
  out[sizeof out - 1] = '\0';
}

// True when the text is there. `stopped` is false: its CPU is still writing.
[[nodiscard]] bool is_whole_or_absent(const messages& all, cpu_id cpu, panic_context c, unsigned round) {
  char expected[64];
  make_text(expected, cpu, c, round);
  const char* text = all.text(cpu, c, false);
  if (strcmp(text, "") == 0 || strcmp(text, "(being written)") == 0) return false;
  must(strcmp(text, expected) == 0, "a text that is ready is whole");
  return true;
}

void write_all(messages& all, cpu_id me, unsigned round) {
  char text[64];
  for (const panic_context c : contexts) {
    make_text(text, me, c, round);
    must(all.keep(me, c, text), "the first text is kept");
    must(!all.keep(me, c, "another one"), "a second one is not");
  }
}

void read_all(const messages& all, unsigned round) {
  for (unsigned there = 0; there < writers * 3;) {
    there = 0;
    for (cpu_id cpu = 0; cpu < writers; ++cpu)
      for (const panic_context c : contexts) there += is_whole_or_absent(all, cpu, c, round) ? 1u : 0u;
    std::this_thread::yield();
  }
}

TEST(message_stress, a_text_that_is_ready_is_whole) {
  expect_success([] {
    static messages all;
    in_rounds(
        writers + 1, rounds(1'200), [](unsigned) { std::construct_at(&all); },
        [](cpu_id me, unsigned round) {
          if (me < writers)
            write_all(all, me, round);
          else
            read_all(all, round);
        },
        [](unsigned) {});
  });
}

// Those without a number share one slot: one of them is kept, whole.
TEST(message_stress, of_many_writers_without_a_number_one_is_kept_whole) {
  expect_success([] {
    for (unsigned round = 0; round < rounds(600); ++round) {
      messages all;
      std::atomic<unsigned> kept{};
      std::vector<std::thread> crew;
      for (cpu_id i = 0; i < 4; ++i)
        crew.emplace_back([&, i] {
          char text[64];
          make_text(text, i, panic_context::normal, 0);
          if (all.keep(posix::max_cpus, panic_context::normal, text)) ++kept;
        });
      for (std::thread& t : crew) t.join();
      must(kept == 1, "one is kept");
      const char* text = all.text(posix::max_cpus, panic_context::normal, true);
      for (unsigned i = 0; i < 63; ++i) must(text[i] == text[0] && text[0] != '\0', "and whole");
    }
  });
}

}  // namespace
}  // namespace message_stress
