/* SPDX-License-Identifier: BSL-1.0 */
/* The time stamp counter, measured once against the timer of the PC. */
#include "kernel.h"
#include "x86.h"

static uint64_t frequency = 1000000000;

void set_up_clock(void) {
  const uint32_t timer_hz = 1193182, count = timer_hz / 100;
  uint64_t before;
  out8(0x61, (uint8_t)((in8(0x61) & ~2) | 1)); /* channel 2 counts, the speaker is off */
  out8(0x43, 0xb0);
  out8(0x42, (uint8_t)count);
  out8(0x42, (uint8_t)(count >> 8));
  before = rdtsc();
  while ((in8(0x61) & 0x20) == 0) pause();
  frequency = (rdtsc() - before) * 100;
}
uint64_t ticks_per_second(void) {
  return frequency;
}

void wait_us(uint64_t us) {
  const uint64_t end = rdtsc() + us * (frequency / 1000000);
  while (rdtsc() < end) pause();
}
