// SPDX-License-Identifier: BSL-1.0
#pragma once
// A local APIC in memory that notes every access, in each of its modes.

#include <lastcpu/platform/x86_64/lapic.hpp>

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "access_log.hpp"

namespace recording_apic {

inline constexpr uint64_t base_off = 0xfee0'0100, base_xapic = 0xfee0'0900, base_x2apic = 0xfee0'0d00;

// An APIC that notes every access but those to IA32_APIC_BASE. Each look at the clock is one tick.
struct bus {
  static inline uint64_t apic_base = base_xapic;
  static inline std::map<uint32_t, uint32_t> page;
  static inline std::map<uint32_t, uint64_t> msr;
  static inline uint32_t busy_reads = 0;    // so often the delivery status is still set
  static inline uint32_t stuck_behind = 0;  // bit i: and for ever behind i messages
  static inline uint64_t clock = 0;
  static inline uint32_t pauses = 0;
  static inline std::vector<uint64_t> sent_at;  // in xAPIC mode
  static inline access_log log;

  static uint32_t read(uint32_t offset) noexcept {
    log.add("read", offset);
    if (offset == 0x300 && busy_reads != 0) return --busy_reads, 0x1000;
    if (offset == 0x300 && (stuck_behind >> sent_at.size() & 1) != 0) return 0x1000;
    return page[offset];
  }
  static void write(uint32_t offset, uint32_t v) noexcept {
    log.add("write", offset, page[offset] = v);
    if (offset == 0x300) sent_at.push_back(clock);
  }
  static uint64_t rdmsr(uint32_t number) noexcept {
    if (number == 0x1b) return apic_base;
    log.add("rdmsr", number);
    return msr[number];
  }
  static void wrmsr(uint32_t number, uint64_t v) noexcept { log.add("wrmsr", number, msr[number] = v); }
  static void fence() noexcept { log.add("fence"); }
  static uint64_t now() noexcept { return clock++; }
  static uint64_t bound() noexcept { return 20; }
  static void pause() noexcept { ++pauses; }
};
using apic = lastcpu::x86::lapic<bus>;

class lapic_in : public testing::Test {
 protected:
  explicit lapic_in(uint64_t apic_base) {
    bus::apic_base = apic_base;
    bus::page.clear();
    bus::msr.clear();
    bus::busy_reads = bus::stuck_behind = bus::pauses = 0;
    bus::sent_at.clear();
    bus::clock = 1000;
    (void)bus::log.take();
  }
};
struct xapic : lapic_in {
  xapic() : lapic_in(base_xapic) {}
};
struct x2apic : lapic_in {
  x2apic() : lapic_in(base_x2apic) {}
};
struct apic_off : lapic_in {
  apic_off() : lapic_in(base_off) {}
};

inline lines writes(lines all) {
  std::erase_if(all, [](const std::string& l) { return !l.starts_with("w"); });
  return all;
}

}  // namespace recording_apic
