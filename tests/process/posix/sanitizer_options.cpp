// SPDX-License-Identifier: BSL-1.0
// A child of a fork starts threads here: that it is a new machine is what some tests are about.

extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "die_after_fork=0";
}
