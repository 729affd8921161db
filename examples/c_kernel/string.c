/* SPDX-License-Identifier: BSL-1.0 */
/* What a compiler may call in any code. By instructions: of a loop it would make a call of the same. */
#include <stddef.h>
#include <stdint.h>

void* memcpy(void* to, const void* from, size_t n);
void* memmove(void* to, const void* from, size_t n);
void* memset(void* at, int value, size_t n);
int memcmp(const void* a, const void* b, size_t n);
int bcmp(const void* a, const void* b, size_t n);
size_t strlen(const char* text);

void* memcpy(void* to, const void* from, size_t n) {
  void* const begin = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
  return begin;
}
void* memmove(void* to, const void* from, size_t n) {
  char* last = (char*)to + n - 1;
  const char* last_from = (const char*)from + n - 1;
  if ((uintptr_t)to - (uintptr_t)from >= n) return memcpy(to, from, n);
  __asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(last), "+S"(last_from), "+c"(n) : : "memory");
  return to;
}
void* memset(void* at, int value, size_t n) {
  void* const begin = at;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(value) : "memory");
  return begin;
}
int memcmp(const void* a, const void* b, size_t n) {
  const unsigned char *x = a, *y = b;
  for (; n != 0; n--, x++, y++)
    if (*x != *y) return *x < *y ? -1 : 1;
  return 0;
}
int bcmp(const void* a, const void* b, size_t n) {
  return memcmp(a, b, n);
}
size_t strlen(const char* text) {
  const char* end = text;
  while (*end) __asm__ volatile("inc %0" : "+r"(end));
  return (size_t)(end - text);
}
