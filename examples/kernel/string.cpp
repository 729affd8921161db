// SPDX-License-Identifier: BSL-1.0
#include <stddef.h>
#include <stdint.h>

// What a compiler may call in any code.
extern "C" {

void* memcpy(void* to, const void* from, size_t bytes) {
  void* const begin = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return begin;
}

void* memmove(void* to, const void* from, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) >= bytes) return memcpy(to, from, bytes);
  auto* last_to = static_cast<unsigned char*>(to) + bytes - 1;
  const auto* last_from = static_cast<const unsigned char*>(from) + bytes - 1;
  asm volatile("std\n\trep movsb\n\tcld" : "+D"(last_to), "+S"(last_from), "+c"(bytes) : : "memory");
  return to;
}

void* memset(void* to, int value, size_t bytes) {
  void* const begin = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
  return begin;
}

}  // extern "C"
