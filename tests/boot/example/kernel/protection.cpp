// SPDX-License-Identifier: BSL-1.0
// What the page tables forbid: each is an oops with a dump.
#include <lastcpu/platform/x86_64/instructions.hpp>

#include "panic.hpp"
#include "scenarios.hpp"
#include "stage.hpp"

namespace {

// Calls itself until the stack ends.
[[gnu::noinline]] uint32_t deeper(volatile uint32_t& end, uint32_t depth) noexcept {
  volatile uint32_t room[64] = {};
  room[depth % 64] = depth;
  if (depth == end) return 0;
  return deeper(end, depth + 1) + room[depth % 64];
}

void stack_overflow(uint32_t) noexcept {
  volatile uint32_t never = ~uint32_t{0};
  (void)deeper(never, 0);
  panic_here("BUG: a stack without an end");
}

void write_to_text(uint32_t) noexcept {
  auto* const code = reinterpret_cast<volatile unsigned char*>(reinterpret_cast<uintptr_t>(&deeper));
  code[0] = code[0];
  panic_here("BUG: code can be written to");
}

// By its physical address.
void write_to_text_elsewhere(uint32_t) noexcept {
  *memory::at_physical<volatile unsigned char>(memory::kernel_physical) = 0;
  panic_here("BUG: code can be written to by the direct map");
}

void write_to_rodata(uint32_t) noexcept {
  *const_cast<volatile char*>("constant") = 'C';
  panic_here("BUG: a constant can be written to");
}

constinit unsigned char data_with_code[] = {0xc3};  // ret

void run_data(uint32_t) noexcept {
  asm volatile("call *%0" : : "r"(data_with_code) : "memory");
  panic_here("BUG: data can be run");
}

}  // namespace

constinit const scenarios::scenario scenarios::protection[] = {{"stack_overflow", stack_overflow, 1},
                                                               {"write_to_text", write_to_text, 1},
                                                               {"write_to_text_elsewhere", write_to_text_elsewhere, 1},
                                                               {"write_to_rodata", write_to_rodata, 1},
                                                               {"run_data", run_data, 1},
                                                               {nullptr, nullptr, 0}};
