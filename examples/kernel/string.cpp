// SPDX-License-Identifier: BSL-1.0
#include <stddef.h>

// What a compiler may call in any code.
extern "C" {

void* memcpy(void* to, const void* from, size_t bytes) {
  void* const begin = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return begin;
}

void* memset(void* to, int value, size_t bytes) {
  void* const begin = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
  return begin;
}

}  // extern "C"
