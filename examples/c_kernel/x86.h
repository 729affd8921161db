/* SPDX-License-Identifier: BSL-1.0 */
#ifndef X86_H
#define X86_H
/* Instructions that C has no words for. */
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline void wrmsr(uint32_t msr, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline uint64_t rdtsc(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}
static inline uint32_t own_apic_id(void) {
  uint32_t eax = 1, ebx, ecx, edx;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
  return ebx >> 24;
}
static inline uint64_t read_cr2(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr2, %0" : "=r"(value));
  return value;
}
static inline void cli(void) {
  __asm__ volatile("cli" : : : "memory");
}
static inline void sti(void) {
  __asm__ volatile("sti" : : : "memory");
}
static inline void hlt(void) {
  __asm__ volatile("hlt" : : : "memory");
}
static inline void pause(void) {
  __asm__ volatile("pause" : : : "memory");
}

#endif
