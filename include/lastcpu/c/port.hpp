// SPDX-License-Identifier: BSL-1.0
#pragma once
// The platform that the kernel's C functions make (lastcpu_kernel.h), with a default for each that is left out. It decides
// nothing.
//
// Included by instance.hpp, once in a kernel. All of it is private to that file: so a compiler leaves out of the templates
// what this port never asks for, and inlines what is called once, which halves the code.

#include <lastcpu/c/lastcpu_kernel.h>
#include <lastcpu/c/optional.hpp>

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/copy_plain.hpp>
#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/online_cpus.hpp>
#include <lastcpu/platform_defaults.hpp>
#if LASTCPU_CRASH_LOADER
#include <lastcpu/c/crash_loader.hpp>
#endif

namespace lastcpu::c {
namespace {

extern "C" {
static uint64_t now_or_null() LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_now);
static void send_to_all_or_null(lastcpu_stop_how how) LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_send_stop_to_all);
static void restart_or_null() LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_restart);
static void flush_or_null() LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_flush);
static void capture_or_null(LASTCPU_REGISTERS* regs) LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_capture);
static void resettable_or_null() LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_make_resettable);
static uint32_t hardware_id_or_null() LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_hardware_id);
#if LASTCPU_IMAGE_BYTES
static void save_note_or_null(const void* image, const lastcpu_note* note)
    LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_save_note);
#endif
#if !LASTCPU_DEFAULT_REPORT && (LASTCPU_IMAGE_BYTES || LASTCPU_CRASH_LOADER)
static void no_crash_kernel_or_null(lastcpu_outcome why) LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_no_crash_kernel);
#endif
}
#undef LASTCPU_DETAIL_OPTIONAL

/// The kernel's own structure, as bytes.
struct registers {
  alignas(uintptr_t) unsigned char bytes[LASTCPU_REGISTERS_BYTES];
};
static_assert(sizeof(registers) == LASTCPU_REGISTERS_BYTES,
              "lastcpu: LASTCPU_REGISTERS_BYTES is a multiple of the size of a pointer");

[[nodiscard, maybe_unused]] const registers* from_kernel(const LASTCPU_REGISTERS* regs) noexcept {
  return reinterpret_cast<const registers*>(regs);
}
[[nodiscard, maybe_unused]] const LASTCPU_REGISTERS* to_kernel(const registers* regs) noexcept {
  return reinterpret_cast<const LASTCPU_REGISTERS*>(regs);
}

constinit online_cpus<lastcpu::atomic, LASTCPU_MAX_CPUS> online;

/// What every configuration has.
template <class Port>
struct any_port : platform_defaults<Port> {
  static constexpr cpu_id max_cpus = LASTCPU_MAX_CPUS;
  static constexpr uint32_t cache_line = LASTCPU_CACHE_LINE;
  static constexpr bool has_nmi = !LASTCPU_NO_NMI;
  static constexpr uint32_t rounds_of_a_still_clock = LASTCPU_STOP_ROUNDS;
  using registers = c::registers;

  static cpu_id this_cpu() noexcept { return lastcpu_kernel_this_cpu(); }
  static bool is_online(cpu_id cpu) noexcept { return online.contains(cpu); }
  // Asked behind the commit. No less than all: a CPU that has never called lastcpu_online() may panic.
  static cpu_id cpu_limit() noexcept {
    online.close();
    return max_cpus;
  }

  // Where it can't be done they stay zero.
  static void capture_registers([[maybe_unused]] registers& r) noexcept {
#if LASTCPU_SHIPS_CAPTURE || LASTCPU_CRASH_LOADER
    lastcpu_capture(reinterpret_cast<LASTCPU_REGISTERS*>(&r));
#else
    if (capture_or_null != nullptr) capture_or_null(reinterpret_cast<LASTCPU_REGISTERS*>(&r));
#endif
  }

#if LASTCPU_KERNEL_IRQ
  using irq_state = uintptr_t;
  static irq_state irq_save() noexcept {
    return lastcpu_kernel_irq_save();
  }
  static void irq_restore(irq_state s) noexcept {
    lastcpu_kernel_irq_restore(s);
  }
#endif

#if LASTCPU_FORCE
  static bool force_stop(cpu_id cpu) noexcept {
    return lastcpu_kernel_force_stop(cpu) != 0;
  }
#endif
  static void send_stop_to(cpu_id cpu, stop_how how) noexcept {
    lastcpu_kernel_send_stop(cpu, static_cast<lastcpu_stop_how>(how));
  }
  static void park() noexcept {
    lastcpu_kernel_park();
  }
  static void emergency_restart() noexcept {
    if (restart_or_null != nullptr) restart_or_null();
  }
};

#if LASTCPU_BAREBONES
struct port : any_port<port> {};
#else
/// What the whole path has more.
struct port : any_port<port> {
  static uint32_t hardware_id() noexcept {
    if (hardware_id_or_null != nullptr) return hardware_id_or_null();
#if LASTCPU_CRASH_LOADER
    return x86_machine::hardware_id();
#else
    return 0;
#endif
  }

  static void send_stop(const cpu_set<max_cpus>& cpus, stop_how how) noexcept {
    if (send_to_all_or_null != nullptr) return send_to_all_or_null(static_cast<lastcpu_stop_how>(how));
    any_port::send_stop(cpus, how);
  }

  static void capture_registers(registers& r) noexcept {
    if (!LASTCPU_SHIPS_CAPTURE) detail::wipe_plain(r);
    any_port::capture_registers(r);
  }

  static uint64_t now() noexcept {
    return now_or_null != nullptr ? now_or_null() : 0;
  }
  static uint64_t ticks_per_second() noexcept {
    return ticks_or_null != nullptr ? ticks_or_null() : 0;
  }
  static void make_resettable() noexcept {
    if (resettable_or_null != nullptr) resettable_or_null();
#if LASTCPU_CRASH_LOADER
    x86_machine::make_resettable();
#endif
  }

#if LASTCPU_CRASH_LOADER
  using image = x86_machine::image;
  static bool image_intact(const image& i) noexcept {
    return x86_machine::image_intact(i);
  }
  static void crash_shutdown(const registers&) noexcept {
    x86_machine::crash_shutdown(not_looked_at);
  }
  static void jump(const image& i) noexcept {
    x86_machine::jump(i);
  }
  static void save_note(const image& i, const cpu_note<registers>& n) noexcept {
    hand_over(i, n);
  }
#endif

#if LASTCPU_IMAGE_BYTES
  struct image {
    alignas(uintptr_t) unsigned char bytes[LASTCPU_IMAGE_BYTES];
  };
  static bool image_intact(const image& i) noexcept {
    return lastcpu_kernel_image_intact(&i) != 0;
  }
  static void crash_shutdown(const registers& r) noexcept {
    lastcpu_kernel_crash_shutdown(to_kernel(&r));
  }
  static void jump(const image& i) noexcept {
    lastcpu_kernel_jump(&i);
  }
  static void save_note(const image& i, const cpu_note<registers>& n) noexcept;
#endif
};
#endif

}  // namespace
}  // namespace lastcpu::c

#include <lastcpu/detail/end.hpp>
