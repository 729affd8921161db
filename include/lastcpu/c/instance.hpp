// SPDX-License-Identifier: BSL-1.0
#pragma once
// The functions of lastcpu.h, and the one object behind them. Included in exactly one .cpp file of a kernel, which needs
// nothing else.
//
// Each is one line over the C++ domain: what C calls is what C++ calls.

#include <lastcpu/c/report.hpp>

#ifndef LASTCPU_CONFIGURED
#error "lastcpu: this C++ file sees no lastcpu_config.h: its folder must be on the include path here; it may be empty"
#endif

#include <lastcpu/detail/begin.hpp>

#if LASTCPU_BAREBONES
#include <lastcpu/barebones.hpp>
#else
#include <lastcpu/panic.hpp>
#endif
#if LASTCPU_SHIPS_CAPTURE || LASTCPU_CRASH_LOADER
#include <lastcpu/c/capture.hpp>
#endif

namespace lastcpu::c {
namespace {

#if LASTCPU_BAREBONES
constinit bare_domain<port, policy> machine;
#else
constinit crash_domain<port, policy> machine;
#endif

#if LASTCPU_CRASH_LOADER
static_assert(panic_messages<port, LASTCPU_MESSAGE_BYTES>::spares == spare_texts,
              "lastcpu: the handover has room for each note");
#endif

template <class T>
[[nodiscard]] constexpr bool is(T value, uint32_t constant) noexcept {
  return static_cast<uint32_t>(value) == constant;
}
static_assert(is(stop_how::irq, LASTCPU_STOP_IRQ) && is(stop_how::nmi, LASTCPU_STOP_NMI));
static_assert(is(stop_state::absent, LASTCPU_ABSENT) && is(stop_state::running, LASTCPU_RUNNING) &&
              is(stop_state::parked, LASTCPU_PARKED) && is(stop_state::by_irq, LASTCPU_BY_IRQ) &&
              is(stop_state::by_nmi, LASTCPU_BY_NMI) && is(stop_state::forced, LASTCPU_FORCED) &&
              is(stop_state::silent, LASTCPU_SILENT) && is(stop_state::gone, LASTCPU_GONE));
static_assert(is(kexec_outcome::no_image, LASTCPU_NO_IMAGE) && is(kexec_outcome::image_busy, LASTCPU_IMAGE_BUSY) &&
              is(kexec_outcome::image_corrupt, LASTCPU_IMAGE_CORRUPT) &&
              is(kexec_outcome::left_to_panic, LASTCPU_LEFT_TO_PANIC) &&
              is(kexec_outcome::left_to_policy, LASTCPU_LEFT_TO_POLICY) &&
              is(kexec_outcome::held_by_other, LASTCPU_HELD_BY_OTHER) &&
              is(kexec_outcome::not_the_owner, LASTCPU_NOT_THE_OWNER) &&
              is(kexec_outcome::unknown_cpu, LASTCPU_UNKNOWN_CPU));

[[nodiscard]] char* message_begin(size_t* room, panic_context in) noexcept {
  uint32_t bytes = 0;
  char* text = machine.message_begin(bytes, in);
  *room = bytes;
  return text;
}

}  // namespace
}  // namespace lastcpu::c

extern "C" {

void lastcpu_panic(const char* message, const LASTCPU_REGISTERS* regs) {
  lastcpu::c::machine.panic(message, lastcpu::c::from_kernel(regs));
}
void lastcpu_panic_begin(const char* message, const LASTCPU_REGISTERS* regs) {
  lastcpu::c::machine.panic_begin(message, lastcpu::c::from_kernel(regs));
}
void lastcpu_panic_end() {
  lastcpu::c::machine.panic_end();
}
void lastcpu_nmi_panic(const char* message, const LASTCPU_REGISTERS* regs) {
  lastcpu::c::machine.nmi_panic(message, *lastcpu::c::from_kernel(regs));
}
int lastcpu_nmi_panic_begin(const char* message, const LASTCPU_REGISTERS* regs) {
  return lastcpu::c::machine.nmi_panic_begin(message, *lastcpu::c::from_kernel(regs)) ? 1 : 0;
}

char* lastcpu_message_begin(size_t* room) {
  return lastcpu::c::message_begin(room, lastcpu::panic_context::normal);
}
void lastcpu_message_end() {
  lastcpu::c::machine.message_end(lastcpu::panic_context::normal);
}
char* lastcpu_nmi_message_begin(size_t* room) {
  return lastcpu::c::message_begin(room, lastcpu::panic_context::nmi);
}
void lastcpu_nmi_message_end() {
  lastcpu::c::machine.message_end(lastcpu::panic_context::nmi);
}

void lastcpu_handle_nmi(const LASTCPU_REGISTERS* regs) {
  lastcpu::c::machine.handle_nmi(*lastcpu::c::from_kernel(regs));
}
void lastcpu_handle_stop_irq(const LASTCPU_REGISTERS* regs) {
  lastcpu::c::machine.handle_stop_irq(*lastcpu::c::from_kernel(regs));
}
lastcpu_outcome lastcpu_oops(const char* why, const LASTCPU_REGISTERS* regs) {
  return static_cast<lastcpu_outcome>(lastcpu::c::machine.oops(*lastcpu::c::from_kernel(regs), why));
}

// The look at the gate comes second: whoever commits between the two has been told of this CPU, and asks it to stop.
void lastcpu_online() {
#if LASTCPU_CRASH_LOADER
  lastcpu::c::x86_kernel::note_apic_id(lastcpu_kernel_this_cpu());
#endif
  lastcpu::c::online.add(lastcpu_kernel_this_cpu());
  lastcpu::c::machine.come_online();
}
void lastcpu_offline() {
  lastcpu::c::online.remove(lastcpu_kernel_this_cpu());
}

int lastcpu_in_progress() {
  return lastcpu::c::machine.gate().in_progress() ? 1 : 0;
}
int lastcpu_on_this_cpu() {
  return lastcpu::c::machine.on_this_cpu() ? 1 : 0;
}
int lastcpu_on_other_cpu() {
  return lastcpu::c::machine.on_other_cpu() ? 1 : 0;
}
int lastcpu_is_stopped(uint32_t cpu) {
  return lastcpu::c::machine.is_stopped(cpu) ? 1 : 0;
}
lastcpu_state lastcpu_state_of(uint32_t cpu) {
  return static_cast<lastcpu_state>(lastcpu::c::machine.state_of(cpu));
}
const char* lastcpu_state_name(lastcpu_state state) {
  return to_string(static_cast<lastcpu::stop_state>(state));
}
const LASTCPU_REGISTERS* lastcpu_registers_of(uint32_t cpu) {
  return lastcpu::c::to_kernel(lastcpu::c::machine.registers_of(cpu));
}

#if LASTCPU_IMAGE_BYTES
int lastcpu_load_image(const void* image) {
  lastcpu::c::port::image copy;  // aligned, whatever the kernel's is
  lastcpu::detail::copy_plain(copy.bytes, *static_cast<const unsigned char(*)[LASTCPU_IMAGE_BYTES]>(image));
  return lastcpu::c::machine.image().load(copy) == lastcpu::load_outcome::loaded ? 1 : 0;
}
int lastcpu_unload_image() {
  const lastcpu::unload_outcome out = lastcpu::c::machine.image().unload();
  return out == lastcpu::unload_outcome::unloaded || out == lastcpu::unload_outcome::empty ? 1 : 0;
}
#endif

#if LASTCPU_CRASH_LOADER
const char* lastcpu_load_error_text(lastcpu_load_error error) {
  return lastcpu::c::text_of(error);
}
lastcpu_load_error lastcpu_crash_load(const lastcpu_crash_kernel* kernel) {
  return lastcpu::c::load_into(lastcpu::c::machine.image(), *kernel);
}
int lastcpu_crash_unload() {
  return lastcpu::c::unload_from(lastcpu::c::machine.image()) ? 1 : 0;
}
#endif

#if LASTCPU_IMAGE_BYTES || LASTCPU_CRASH_LOADER
int lastcpu_crash_loaded() {
  return lastcpu::c::machine.image().ready() ? 1 : 0;
}
lastcpu_outcome lastcpu_crash_kexec(const char* why, const LASTCPU_REGISTERS* regs) {
  return static_cast<lastcpu_outcome>(lastcpu::c::machine.crash_kexec(lastcpu::c::from_kernel(regs), why));
}
#endif

}  // extern "C"

#include <lastcpu/detail/end.hpp>
