// SPDX-License-Identifier: BSL-1.0
// A crash kernel that is missing, damaged, or being loaded.
#include "crash_image.hpp"
#include "panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

namespace {

void no_image(uint32_t) noexcept {
  (void)machine.image().unload();
  panic_here("without a crash kernel");
}

void damaged_image(uint32_t) noexcept {
  stage::damage_the_image();
  panic_here("with a damaged crash kernel");
}

// Role 1 loads the crash kernel again while role 0 panics.
void reload_vs_crash(uint32_t role) noexcept {
  stage::meet_with_skew();
  if (role == 1) return crash_image::load();
  stage::wait_us(stage::seed() * 37 % 5000);
  panic_here("while the crash kernel is loaded");
}

// Found when it is loaded: the jump into it would be the end.
void region_not_executable(uint32_t) noexcept {
  (void)machine.image().unload();
  stage::forbid_execution(memory::crash_region());
  crash_image::load();
  panic_here("the crash kernel could not be run");
}

}  // namespace

constinit const scenarios::scenario scenarios::image_troubles[] = {{"no_image", no_image, 1},
                                                                   {"damaged_image", damaged_image, 1},
                                                                   {"reload_vs_crash", reload_vs_crash, 2},
                                                                   {"region_not_executable", region_not_executable, 1},
                                                                   {nullptr, nullptr, 0}};
