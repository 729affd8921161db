/* SPDX-License-Identifier: BSL-1.0 */
/* Formatting: %s, %u (uint32_t) and %lx (uint64_t). */
#include "kernel.h"

struct writer {
  char* out;
  size_t room, used;
};

static void add(struct writer* w, char c) {
  if (w->used + 1 < w->room) w->out[w->used++] = c;
}
static void add_text(struct writer* w, const char* text) {
  while (*text) add(w, *text++);
}
static void add_number(struct writer* w, uint64_t n, unsigned base) {
  char digits[21], *first = digits + sizeof digits - 1;
  *first = 0;
  do *--first = "0123456789abcdef"[n % base];
  while ((n /= base) != 0);
  add_text(w, first);
}

void format_text(char* out, size_t room, const char* format, va_list arguments) {
  struct writer w = {out, room, 0};
  for (; *format; format++) {
    if (*format != '%') {
      add(&w, *format);
    } else if (*++format == 's') {
      add_text(&w, va_arg(arguments, const char*));
    } else if (*format == 'u') {
      add_number(&w, va_arg(arguments, uint32_t), 10);
    } else if (*format == 'l' && *++format == 'x') {
      add_text(&w, "0x");
      add_number(&w, va_arg(arguments, uint64_t), 16);
    }
  }
  if (room != 0) out[w.used] = 0;
}
