/* SPDX-License-Identifier: BSL-1.0 */
/* The console: the first serial port, polled. */
#include "kernel.h"
#include "x86.h"

static const uint16_t port = 0x3f8;
static uint32_t locked;

void set_up_serial(void) {
  out8(port + 1, 0);
  out8(port + 3, 0x80); /* the divisor is visible */
  out8(port + 0, 1);    /* 115200 baud */
  out8(port + 1, 0);
  out8(port + 3, 0x03);
  out8(port + 2, 0x07);
  out8(port + 4, 0x03);
}

/* Any context: waits for room with a bound, for the port may not be there. */
void put(const char* text) {
  for (; *text; text++) {
    int i;
    for (i = 0; i < 100000 && (in8(port + 5) & 0x20) == 0; i++) pause();
    out8(port, (uint8_t)*text);
  }
}

/* The owner of a panic goes round the lock: a CPU that it has stopped may hold it. */
void print(const char* format, ...) {
  char text[200];
  va_list arguments;
  va_start(arguments, format);
  format_text(text, sizeof text, format, arguments);
  va_end(arguments);
  if (lastcpu_on_this_cpu()) {
    put(text);
    return;
  }
  while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE)) pause();
  put(text);
  __atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
}
