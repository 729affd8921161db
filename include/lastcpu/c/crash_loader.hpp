// SPDX-License-Identifier: BSL-1.0
#pragma once
// crash_loader.h over the x86-64 port: what is loaded and started there is what is loaded and started here. Included by
// port.hpp, with LASTCPU_CRASH_LOADER.

#include <lastcpu/c/crash_loader.h>
#include <lastcpu/c/optional.hpp>

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/copy_plain.hpp>
#include <lastcpu/platform/x86_64.hpp>
#include <lastcpu/platform/x86_64/crash_loader.hpp>

namespace lastcpu::c {
namespace {

extern "C" {
static volatile void* io_apic_or_null(uint32_t i) LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_io_apic);
static int in_vmx_or_null() LASTCPU_DETAIL_OPTIONAL(lastcpu_kernel_in_vmx_operation);
}

/// What the x86-64 port wants of a kernel, as far as the crash kernel's sake goes. The APIC ids are noted as CPUs come online.
struct x86_kernel {
  static constexpr cpu_id max_cpus = LASTCPU_MAX_CPUS;
  static inline constinit atomic<uint32_t> ids[max_cpus]{};  // APIC ids plus one; 0: none

  static void note_apic_id(cpu_id cpu) noexcept {
    if (cpu < max_cpus) ids[cpu].store(x86::initial_apic_id() + 1, order::relaxed);  // read behind its stop
  }
  [[nodiscard]] static uint32_t apic_id(cpu_id cpu) noexcept { return ids[cpu].load(order::relaxed) - 1; }
  [[nodiscard]] static cpu_id this_cpu() noexcept { return lastcpu_kernel_this_cpu(); }
  [[nodiscard]] static volatile void* lapic_page() noexcept { return lastcpu_kernel_local_apic(); }
  [[nodiscard]] static uint64_t ticks_per_second() noexcept { return ticks_or_null != nullptr ? ticks_or_null() : 0; }
  [[nodiscard]] static volatile void* io_apic(uint32_t i) noexcept {
    return io_apic_or_null != nullptr ? io_apic_or_null(i) : nullptr;
  }
  [[nodiscard]] static bool in_vmx_operation() noexcept { return in_vmx_or_null == nullptr || in_vmx_or_null() != 0; }
};
using x86_machine = lastcpu::x86_64<x86_kernel>;
static_assert(kexec::no_hardware_id == ~uint32_t{0}, "lastcpu: a CPU without an id has none in the handover");
static_assert(static_cast<uint32_t>(kexec::load_error::none) == LASTCPU_LOADED &&
                  static_cast<uint32_t>(kexec::load_error::damaged) < LASTCPU_LOAD_NO_ARRAY,
              "lastcpu: each lastcpu_load_error means one thing");

// Texts of CPUs without a number, beside the one that has the place; instance.hpp checks it.
constexpr uint32_t spare_texts = 3;

constexpr x86::registers not_looked_at{};  // by x86_machine::crash_shutdown()

void to_machine(const LASTCPU_REGISTERS& from, x86::registers& to) noexcept {
#if LASTCPU_SHIPS_CAPTURE
  const void* const same = &from;
  detail::copy_plain(to, *static_cast<const x86::registers*>(same));
#else
  lastcpu_kernel_to_x86_64(&from, reinterpret_cast<lastcpu_x86_64_frame*>(&to));  // which may alias it
#endif
}

/// Into the handover. The owner is who asks: it may never have come online.
template <class Registers>
void hand_over(const kexec::crash_image_record& i, const cpu_note<Registers>& n) noexcept {
  x86::registers regs;
  if (n.registers != nullptr) to_machine(reinterpret_cast<const LASTCPU_REGISTERS&>(*n.registers), regs);
  if (n.crashing) x86_kernel::note_apic_id(n.cpu);
  cpu_note<x86::registers> note;
  note.cpu = n.cpu;
  note.state = n.state;
  note.crashing = n.crashing;
  note.registers = n.registers != nullptr ? &regs : nullptr;
  note.message = n.message;
  note.nmi_message = n.nmi_message;
  note.nested_message = n.nested_message;
  note.cut_short = n.cut_short;
  note.panic_ticks = n.panic_ticks;
  x86_machine::save_note(i, note);
}

// Of the load that has the slot, and nobody else's: too large for a stack.
constinit kexec::kernel_facts facts{};

void add_to(kexec::ram_map& map, const lastcpu_memory* ranges, uint32_t count) noexcept {
  for (uint32_t i = 0; i < count; ++i) map.add(ranges[i].physical, ranges[i].bytes);
}

void describe(const lastcpu_crash_kernel& k) noexcept {
  detail::wipe_plain(facts);
  add_to(facts.ram, k.ram, k.ram_count);
  add_to(facts.left_out, k.left_out, k.left_out_count);
  for (uint32_t i = 0; i < k.image_count; ++i)
    facts.add_image(k.image[i].begin, k.image[i].end, k.image[i].physical, k.image[i].flags);
  facts.rsdp = k.rsdp;
  facts.slide = k.slide;
  facts.direct_map_physical = k.direct_map_physical;
  facts.direct_map_virtual = k.direct_map_virtual;
  facts.direct_map_bytes = k.direct_map_bytes;
  if (k.build_id_begin != nullptr) (void)facts.find_build_id(k.build_id_begin, k.build_id_end);
}

[[nodiscard]] bool misses_an_array(const lastcpu_crash_kernel& k) noexcept {
  return (k.ram == nullptr && k.ram_count != 0) || (k.left_out == nullptr && k.left_out_count != 0) ||
         (k.image == nullptr && k.image_count != 0);
}

[[nodiscard]] x86::load_options options_of(const lastcpu_crash_kernel& k) noexcept {
  x86::load_options options;
  if (k.map_bytes != 0) options.map_bytes = k.map_bytes;
  options.cpu_capacity = LASTCPU_MAX_CPUS + 1 + spare_texts;
  options.kernel_data = k.kernel_data;
  options.ticks_per_second = x86_kernel::ticks_per_second();
  options.kernel = &facts;
  options.flat = k.is_flat != 0;
  if (k.execution_untried != 0) options.region_execution = x86::execution::taken_for_granted;
  return options;
}

template <class Slot>
[[nodiscard]] lastcpu_load_error load_into(Slot& slot, const lastcpu_crash_kernel& k) noexcept {
  if (misses_an_array(k)) return LASTCPU_LOAD_NO_ARRAY;
  const kexec::crash_region region{k.region_physical, static_cast<unsigned char*>(k.region_mapped), k.region_bytes};
  const auto wrong = kexec::load_into(slot, [&](kexec::crash_image_record& out) noexcept {
    describe(k);
    return x86::load_crash_kernel<>(region, static_cast<const unsigned char*>(k.file), k.file_bytes, options_of(k),
                                    out);
  });
  return static_cast<lastcpu_load_error>(wrong);
}

template <class Slot>
[[nodiscard]] bool unload_from(Slot& slot) noexcept {
  const auto was = slot.unload();
  return was <= decltype(was)::empty;
}

[[nodiscard]] const char* text_of(lastcpu_load_error error) noexcept {
  return error == LASTCPU_LOAD_NO_ARRAY
             ? "ram_count, left_out_count or image_count is not 0, and the array is null: name it, or clear the count"
             : kexec::to_string(static_cast<kexec::load_error>(error));
}

}  // namespace
}  // namespace lastcpu::c

#include <lastcpu/detail/end.hpp>
