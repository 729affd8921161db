// SPDX-License-Identifier: BSL-1.0
#pragma once
// The local APIC, in xAPIC and x2APIC mode behind one interface: sending interrupts, and silencing its own sources.
//
// Nothing is cached: the mode is read from IA32_APIC_BASE by every operation, so it can't be wrong for this CPU. Any
// context; in xAPIC mode a send takes two stores: a handler that interrupts it, sends and returns makes it go to the handler's destination.
// Destinations are physical, but for send_cluster(). Not here: the IO-APIC (quiet.hpp), who is to be stopped (send_stop.hpp).

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/x86_64/instructions.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

/// How the registers of a local APIC are reached.
enum class apic_mode : uint8_t {
  off,     ///< not at all
  xapic,   ///< in memory
  x2apic,  ///< as model-specific registers
};

/// What became of a message.
enum class ipi_outcome : uint8_t {
  sent,         ///< on its way
  busy,         ///< the message before it had not left within the bound; it was sent all the same
  unreachable,  ///< this mode has no such APIC id, or the APIC is off: nothing was sent
};

/// IA32_APIC_BASE.
inline constexpr uint32_t msr_apic_base = 0x1b;

/// Registers by their xAPIC offsets.
namespace apic_register {
///@{
/// The register of this name, as the processors' manuals have it.
inline constexpr uint32_t id = 0x20, version = 0x30, task_priority = 0x80, eoi = 0xb0, spurious = 0xf0,
                          in_service_7 = 0x170, icr_low = 0x300, icr_high = 0x310, extended_features = 0x400,
                          extended_lvt_0 = 0x500;
inline constexpr uint32_t lvt_cmci = 0x2f0, lvt_timer = 0x320, lvt_thermal = 0x330, lvt_performance = 0x340,
                          lvt_lint0 = 0x350, lvt_lint1 = 0x360, lvt_error = 0x370;
///@}
}  // namespace apic_register

/// The x2APIC register with this xAPIC offset.
[[nodiscard]] constexpr uint32_t x2apic_msr(uint32_t offset) noexcept {
  return 0x800 + offset / 16;
}

/// The mode that IA32_APIC_BASE says.
[[nodiscard]] constexpr apic_mode mode_of(uint64_t apic_base) noexcept {
  constexpr uint64_t enabled = 1u << 11;
  constexpr uint64_t extended = 1u << 10;
  if ((apic_base & enabled) == 0) return apic_mode::off;
  return (apic_base & extended) != 0 ? apic_mode::x2apic : apic_mode::xapic;
}

/// The low half of an interrupt command, without a destination.
struct ipi_message {
  uint32_t bits;  ///< vector, delivery mode, level

  /// Every message has it, but the end of an INIT.
  static constexpr uint32_t assert_level = 1u << 14;
  ///@{
  /// An interrupt of this vector; an NMI; an INIT.
  [[nodiscard]] static constexpr ipi_message fixed(uint8_t vector) noexcept { return {assert_level | vector}; }
  [[nodiscard]] static constexpr ipi_message nmi() noexcept { return {assert_level | 4u << 8}; }
  [[nodiscard]] static constexpr ipi_message init() noexcept { return {assert_level | 5u << 8}; }
  ///@}
  /// The CPU begins in real mode at physical address page * 4096.
  [[nodiscard]] static constexpr ipi_message startup(uint8_t page) noexcept { return {assert_level | 6u << 8 | page}; }
};

/// The APIC id that means everybody; a CPU has a lower one.
[[nodiscard]] constexpr uint32_t id_of_everybody(apic_mode mode) noexcept {
  return mode == apic_mode::x2apic ? 0xffff'ffffu : 0xffu;
}
/// Highest APIC id that one CPU can have; 0 while the APIC is off.
[[nodiscard]] constexpr uint32_t highest_apic_id(apic_mode mode) noexcept {
  return mode == apic_mode::off ? 0 : id_of_everybody(mode) - 1;
}

/// The whole interrupt command for one CPU: destination in bits 56-63 (xAPIC) or 32-63 (x2APIC).
[[nodiscard]] constexpr uint64_t icr_value(apic_mode mode, uint32_t apic_id, ipi_message message) noexcept {
  return uint64_t{apic_id} << (mode == apic_mode::x2apic ? 32 : 56) | message.bits;
}
/// The same for every CPU but the sender, in both modes.
[[nodiscard]] constexpr uint64_t icr_value_for_others(ipi_message message) noexcept {
  constexpr uint32_t all_excluding_self = 3u << 18;
  return all_excluding_self | message.bits;
}

/// In x2APIC mode sixteen neighbouring ids are a cluster, which one message may reach: each has a bit of its own in the
/// logical destination, and nothing needs to be set up. Ids above highest_clustered_id have none.
inline constexpr uint32_t highest_clustered_id = 0xf'ffef;  // the cluster above it would read "everybody"
/// The logical id of this APIC id: cluster in the upper half, a bit in the lower one.
[[nodiscard]] constexpr uint32_t logical_id(uint32_t apic_id) noexcept {
  return apic_id >> 4 << 16 | 1u << (apic_id & 15);
}
/// The interrupt command for the CPUs of one cluster: their logical ids, or'ed.
[[nodiscard]] constexpr uint64_t icr_value_for_cluster(uint32_t logical_ids, ipi_message message) noexcept {
  constexpr uint32_t logical_mode = 1u << 11;
  return uint64_t{logical_ids} << 32 | logical_mode | message.bits;
}

namespace detail {

// A source of its own, and the number of the last source that an APIC with this one has at least.
struct local_source {
  uint16_t offset;
  uint16_t number;
};
constexpr local_source local_sources[] = {{apic_register::lvt_error, 3},  // first: masking another one may raise it
                                          {apic_register::lvt_timer, 0},   {apic_register::lvt_lint0, 0},
                                          {apic_register::lvt_lint1, 0},   {apic_register::lvt_performance, 4},
                                          {apic_register::lvt_thermal, 5}, {apic_register::lvt_cmci, 6}};

}  // namespace detail

/// `Bus` is how the registers are reached: lapic_bus below, or a test's. Static members, all noexcept:
///   uint32_t read(uint32_t offset); void write(uint32_t offset, uint32_t);   the xAPIC page
///   uint64_t rdmsr(uint32_t); void wrmsr(uint32_t, uint64_t);
///   void fence();                   stores before it are visible before a wrmsr after it
///   uint64_t now(), bound();        ticks, and how many of them a message may take to leave
///   void pause();
template <class Bus>
struct lapic {
  /// The mode of the CPU that asks.
  // Out of line, as read(): each copy would be code.
  [[nodiscard, gnu::noinline]] static apic_mode mode() noexcept { return mode_of(Bus::rdmsr(msr_apic_base)); }

  /// This CPU's APIC id; 0 while the APIC is off.
  [[nodiscard]] static uint32_t id() noexcept {
    const apic_mode m = mode();
    if (m == apic_mode::off) return 0;
    const uint32_t v = read(m, apic_register::id);
    return m == apic_mode::x2apic ? v : v >> 24;
  }

  /// One message to one CPU. All that was stored before is visible to the handler that it causes.
  [[gnu::always_inline]] static ipi_outcome send(uint32_t apic_id, ipi_message message) noexcept {
    const apic_mode m = mode();
    if (apic_id >= id_of_everybody(m)) return ipi_outcome::unreachable;
    return command(m, icr_value(m, apic_id, message));
  }

  /// One message to the CPUs of a cluster: their logical ids, or'ed; 0 is nobody. In x2APIC mode only.
  [[gnu::noinline]] static void send_cluster(uint32_t logical_ids, ipi_message message) noexcept {
    if (logical_ids != 0) (void)command(apic_mode::x2apic, icr_value_for_cluster(logical_ids, message));
  }

  /// One message to every CPU but this one, those included that the kernel does not know: see send_stop.hpp.
  static ipi_outcome send_others(ipi_message message) noexcept {
    return command(mode(), icr_value_for_others(message));
  }

  /// An interrupt of the highest class (vectors 0xf0-0xff) can reach this CPU once interrupts are on: the APIC is on, by
  /// software too, and none of them is being handled here.
  [[nodiscard]] static bool highest_class_is_free() noexcept {
    const apic_mode m = mode();
    return m != apic_mode::off && (read(m, apic_register::spurious) & software_enable) != 0 &&
           (read(m, apic_register::in_service_7) >> 16) == 0;
  }

  /// Ends the interrupt that is being handled.
  static void eoi() noexcept {
    const apic_mode m = mode();
    if (m != apic_mode::off) write(m, apic_register::eoi, 0);
  }

  /// Lets interrupts in: software-enabled, no task priority. False when the APIC is off in IA32_APIC_BASE; nothing
  /// is changed then. `spurious_vector` needs a handler that returns without eoi().
  [[nodiscard]] static bool enable(uint8_t spurious_vector) noexcept {
    const apic_mode m = mode();
    if (m == apic_mode::off) return false;
    write(m, apic_register::task_priority, 0);
    write(m, apic_register::spurious, (read(m, apic_register::spurious) & ~0xffu) | software_enable | spurious_vector);
    return true;
  }

  /// Masks every local source that this APIC has (timer, performance counters, LINT pins, ...). It still receives and
  /// sends messages. Idempotent.
  static void mask_local_sources() noexcept {
    const apic_mode m = mode();
    if (m == apic_mode::off) return;
    const uint32_t version = read(m, apic_register::version);
    const uint32_t last = version >> 16 & 0xff;
    for (const detail::local_source& source : detail::local_sources)
      if (source.number <= last) mask(m, source.offset);
    if ((version >> 31) != 0) mask_extended(m);
  }

  /// Starts an application processor at physical address page * 4096: INIT, 10 ms, start-up, 200 us, start-up. The
  /// worst outcome of the three; the caller sees by other means whether the CPU has come.
  static ipi_outcome start_cpu(uint32_t apic_id, uint8_t page, uint64_t ticks_per_second) noexcept {
    constexpr uint32_t waits[] = {100, 5000};  // parts of a second
    ipi_outcome worst = ipi_outcome::sent;
    for (uint32_t i = 0;; ++i) {
      const ipi_outcome out = send(apic_id, i == 0 ? ipi_message::init() : ipi_message::startup(page));
      if (i == 0 && out == ipi_outcome::unreachable) return out;
      if (out != ipi_outcome::sent) worst = ipi_outcome::busy;
      if (i == 2) return worst;
      delay(ticks_per_second / waits[i]);
    }
  }

 private:
  static constexpr uint32_t software_enable = 1u << 8;

  // For both, the APIC is not off. read() is called from many places, and each copy of it would be code.
  [[nodiscard, gnu::noinline]] static uint32_t read(apic_mode m, uint32_t offset) noexcept {
    return m == apic_mode::x2apic ? static_cast<uint32_t>(Bus::rdmsr(x2apic_msr(offset))) : Bus::read(offset);
  }
  static void write(apic_mode m, uint32_t offset, uint32_t v) noexcept {
    if (m == apic_mode::x2apic)
      Bus::wrmsr(x2apic_msr(offset), v);
    else
      Bus::write(offset, v);
  }

  [[gnu::noinline]] static ipi_outcome command(apic_mode m, uint64_t icr) noexcept {
    if (m == apic_mode::off) return ipi_outcome::unreachable;
    if (m == apic_mode::x2apic) {
      Bus::fence();  // this wrmsr alone would let earlier stores stay behind
      Bus::wrmsr(x2apic_msr(apic_register::icr_low), icr);
      return ipi_outcome::sent;
    }
    const bool idle = wait_until_idle();
    if (!is_shorthand(icr)) Bus::write(apic_register::icr_high, static_cast<uint32_t>(icr >> 32));
    Bus::write(apic_register::icr_low, static_cast<uint32_t>(icr));  // sends
    return idle ? ipi_outcome::sent : ipi_outcome::busy;
  }

  [[nodiscard]] static constexpr bool is_shorthand(uint64_t icr) noexcept { return (icr >> 18 & 3) != 0; }

  // False when the delivery status is still set after the bound.
  [[nodiscard]] static bool wait_until_idle() noexcept {
    constexpr uint32_t pending = 1u << 12;
    const uint64_t begun = Bus::now();
    while ((Bus::read(apic_register::icr_low) & pending) != 0) {
      if (Bus::now() - begun >= Bus::bound()) return false;
      Bus::pause();
    }
    return true;
  }

  [[gnu::noinline]] static void mask(apic_mode m, uint32_t offset) noexcept {
    constexpr uint32_t masked = 1u << 16;
    const uint32_t before = read(m, offset);
    if ((before & masked) == 0) write(m, offset, before | masked);  // an access is dear in a virtual machine
  }

  // AMD's further sources.
  [[gnu::always_inline]] static void mask_extended(apic_mode m) noexcept {
    const uint32_t count = read(m, apic_register::extended_features) >> 16 & 0xff;
    for (uint32_t i = 0; i < count && i < 4; ++i) mask(m, apic_register::extended_lvt_0 + 16 * i);
  }

  static void delay(uint64_t ticks) noexcept {
    const uint64_t begun = Bus::now();
    while (Bus::now() - begun < ticks) Bus::pause();
  }
};

/// The real one. `Kernel` has lapic_page(), where physical address 0xfee00000 is mapped uncached (used in xAPIC mode
/// only), and ticks_per_second().
template <class Kernel>
struct lapic_bus {
  ///@{
  /// As `Bus` above asks for it.
  [[nodiscard]] static uint32_t read(uint32_t offset) noexcept { return *at(offset); }
  static void write(uint32_t offset, uint32_t v) noexcept { *at(offset) = v; }
  [[nodiscard]] static uint64_t rdmsr(uint32_t number) noexcept { return x86::rdmsr(number); }
  static void wrmsr(uint32_t number, uint64_t v) noexcept { x86::wrmsr(number, v); }
  static void fence() noexcept {
    mfence();
    lfence();
  }
  [[nodiscard]] static uint64_t now() noexcept { return rdtsc(); }
  ///@}
  /// A message leaves within microseconds; nearly a millisecond (1/1024 s) without that is a stuck APIC. Where the rate is
  /// not known, or can be none, that of 4 GHz: too long on most machines, and never 0, with which each message would be
  /// sent over the one before it.
  [[nodiscard]] static uint64_t bound() noexcept {
    const uint64_t ticks = Kernel::ticks_per_second();
    return ticks >= 1024 ? ticks >> 10 : 4'000'000;
  }
  /// As `Bus` above asks for it.
  static void pause() noexcept { x86::pause(); }

 private:
  [[nodiscard]] static volatile uint32_t* at(uint32_t offset) noexcept {
    return reinterpret_cast<volatile uint32_t*>(static_cast<volatile unsigned char*>(Kernel::lapic_page()) + offset);
  }
};

}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
