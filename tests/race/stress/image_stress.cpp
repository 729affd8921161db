// SPDX-License-Identifier: BSL-1.0
// The crash image's slot: a claim gets an image that is whole, whoever loads and unloads at that moment.
#include "crew.hpp"

namespace image_stress {
namespace {

using namespace stress;

// An image is whole when its words belong together. Plain words: a torn one is a race for ThreadSanitizer as well.
struct words : posix {
  struct image {
    uint64_t first = 0, body[6] = {}, last = ~uint64_t{0};
  };
  static bool image_intact(const image& i) noexcept {
    bool same = i.last == ~i.first;
    for (const uint64_t b : i.body) same = same && b == i.first;
    return same;
  }
  static void jump(const image&) noexcept {}
  static void save_note(const image&, const cpu_note<registers>&) noexcept {}
};

[[nodiscard]] words::image image_of(uint64_t n) {
  words::image i;
  i.first = n;
  for (uint64_t& b : i.body) b = n;
  i.last = ~n;
  return i;
}

static_assert(platform_checked<words>);

void load_and_unload(crash_image<words>& slot, cpu_id me, unsigned round) {
  for (unsigned i = 1; i < 20; ++i) {
    words::image old = image_of(7);
    const load_outcome loaded = slot.load(image_of(uint64_t{round} << 16 | me << 8 | i), &old);
    must(loaded != load_outcome::refused, "a good image is not refused");
    must(words::image_intact(old), "what is handed out is whole");
    if (loaded == load_outcome::claimed) return;
    if (i % 3 != 0) continue;
    words::image gone = image_of(7);
    const unload_outcome unloaded = slot.unload(&gone);
    must(words::image_intact(gone), "what is removed is whole");
    if (unloaded == unload_outcome::claimed) return;
  }
  (void)slot.load(image_of(me));  // so that the claim finds one in the end
}

[[nodiscard]] bool claim_one(crash_image<words>& slot) {
  for (;;) {
    const image_outcome got = slot.reserve();
    must(got != image_outcome::corrupt, "a claimed image is never torn");
    if (got != image_outcome::reserved || !slot.check()) {
      if (slot.held() != nullptr) return false;
      std::this_thread::yield();
      continue;
    }
    must(slot.held() != nullptr, "the claimed image is held");
    must(words::image_intact(*slot.held()), "and whole");
    return true;
  }
}

// CPU 0 and 1 load, the others claim.
void hammer(cpu_id cpus, unsigned count) {
  static crash_image<words> slot;
  static std::atomic<unsigned> claims{};
  in_rounds(
      cpus, count,
      [](unsigned round) {
        std::construct_at(&slot);
        claims = 0;
        if (round % 2 == 0) must(slot.load(image_of(round)) == load_outcome::loaded, "the first image");
      },
      [](cpu_id me, unsigned round) {
        if (me < 2)
          load_and_unload(slot, me, round);
        else if (claim_one(slot))
          ++claims;
      },
      [](unsigned) {
        must(claims == 1, "one claim gets it");
        must(slot.held() != nullptr && words::image_intact(*slot.held()), "it is whole to the end");
        must(slot.load(image_of(1)) == load_outcome::claimed, "a load after it changes nothing");
      });
}

TEST(image_stress, one_claim_among_loads_gets_a_whole_image) {
  expect_success([] { hammer(3, rounds(4'000)); });
}

TEST(image_stress, one_of_several_claims_gets_it) {
  expect_success([] { hammer(6, rounds(2'000)); });
}

// A corrupt image is handed back; the next load replaces it and the next claim gets that one.
TEST(image_stress, loads_alone_hand_out_each_image_once) {
  expect_success([] {
    static crash_image<words> slot;
    static std::atomic<uint64_t> in{}, out{};
    on_cpus(4, [](cpu_id me) {
      for (uint64_t i = 1; i < rounds(60'000); ++i) {
        words::image old = image_of(0);
        const uint64_t n = i << 8 | me;
        if (slot.load(image_of(n), &old) == load_outcome::loaded) in += n;
        out += old.first;
        words::image gone = image_of(0);
        if (i % 5 == 0 && slot.unload(&gone) == unload_outcome::unloaded) out += gone.first;
      }
    });
    words::image last = image_of(0);
    if (slot.unload(&last) == unload_outcome::unloaded) out += last.first;
    must(in == out, "each image that went in came out once");
  });
}

}  // namespace
}  // namespace image_stress
