// SPDX-License-Identifier: BSL-1.0
#include "console.hpp"
#include "panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

namespace {

void nothing(uint32_t) noexcept {
  console::line() << "kernel: nothing to do, bye";
  stage::leave(17);
}

void panic(uint32_t) noexcept {
  panic_here("as asked");
}

void oops(uint32_t) noexcept {
  stage::write_to_null();
}

}  // namespace

constinit const scenarios::scenario scenarios::simple_ones[] = {
    {"nothing", nothing, 1}, {"panic", panic, 1}, {"oops", oops, 1}, {nullptr, nullptr, 0}};
