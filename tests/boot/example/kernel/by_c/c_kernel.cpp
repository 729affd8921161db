// SPDX-License-Identifier: BSL-1.0
// The instance of the C interface in the example kernel, and what that kernel supplies to it: its machine is the one
// that it has in C++. Its words and its waits are those of a kernel in C; the trace alone, of which C knows nothing,
// is the machine's.

#include <lastcpu/lastcpu.hpp>

#include "console.hpp"
#include "panic.hpp"

namespace lastcpu {

template <class Port>
struct traced_defaults : platform_defaults<Port> {
  static void trace(const trace_event& event) noexcept { ::port::trace(event); }
};

}  // namespace lastcpu

#define platform_defaults traced_defaults  // what c/port.hpp derives from
#include <lastcpu/c/port.hpp>
#undef platform_defaults
#include <lastcpu/c/instance.hpp>

#include "support/c_note.hpp"

static_assert(LASTCPU_MAX_CPUS == port::max_cpus && LASTCPU_IMAGE_BYTES == sizeof(port::image));

namespace {

using lastcpu::order;
using lastcpu::step;

constinit lastcpu::atomic<uint32_t> step_now{};

[[nodiscard]] const port::image& image_from_c(const void* image) noexcept {
  return *static_cast<const port::image*>(image);
}
[[nodiscard]] const port::registers* from_c(const LASTCPU_REGISTERS* regs) noexcept {
  return reinterpret_cast<const port::registers*>(regs);
}

void say(uint32_t cpu, const char* how, const char* text, bool cut) noexcept {
  if (*text != '\0')
    console::line() << "kernel: cpu " << cpu << " " << how << ": " << text << (cut ? " (cut short)" : "");
}

}  // namespace

lastcpu::step last_step() noexcept {
  return static_cast<step>(step_now.load(order::acquire));
}

extern "C" {

uint32_t lastcpu_kernel_this_cpu() {
  return port::this_cpu();
}
uint32_t lastcpu_kernel_hardware_id() {
  return port::hardware_id();
}
void lastcpu_kernel_send_stop(uint32_t cpu, lastcpu_stop_how how) {
  lastcpu::cpu_set<port::max_cpus> one;
  one.add(cpu);
  port::send_stop(one, static_cast<lastcpu::stop_how>(how));
}
void lastcpu_kernel_park() {
  port::park();
}
uint64_t lastcpu_kernel_now() {
  return port::now();
}
uint64_t lastcpu_kernel_ticks_per_second() {
  return port::ticks_per_second();
}
void lastcpu_kernel_make_resettable() {
  port::make_resettable();
}
void lastcpu_kernel_restart() {
  port::emergency_restart();
}
void lastcpu_kernel_flush() {
  kernel_policy::flush();
}

void lastcpu_kernel_before_step(uint32_t s) {
  step_now.store(s, order::release);
}

// The last line may fault: it reads what the CPU has left behind.
void lastcpu_kernel_report(const lastcpu_note* n) {
  if (n->cpu >= port::max_cpus) return;
  if (n->crashing != 0)
    console::line() << "panic: cpu " << n->cpu << ": " << (*n->message != '\0' ? n->message : n->nmi_message);
  console::line() << "kernel: cpu " << n->cpu << " stopped " << lastcpu_state_name(n->state) << " registers "
                  << (n->registers != nullptr ? "valid" : "missing");
  say(n->cpu, "said", n->message, n->cut_short != 0);
  say(n->cpu, "said in NMI", n->nmi_message, false);
  say(n->cpu, "said nested", n->nested_message, false);
  if (n->crashing != 0) console::line() << "kernel: cpu " << n->cpu << " was running " << cpus::all[n->cpu].running;
}
void lastcpu_kernel_no_crash_kernel(lastcpu_outcome why) {
  kernel_policy::no_crash_kernel(static_cast<lastcpu::kexec_outcome>(why));
}

int lastcpu_kernel_image_intact(const void* image) {
  return port::image_intact(image_from_c(image)) ? 1 : 0;
}
void lastcpu_kernel_save_note(const void* image, const lastcpu_note* n) {
  port::save_note(image_from_c(image), lastcpu::test::note_from_c<port::registers>(*n));
}
void lastcpu_kernel_crash_shutdown(const LASTCPU_REGISTERS* regs) {
  port::crash_shutdown(*from_c(regs));
}
void lastcpu_kernel_jump(const void* image) {
  port::jump(image_from_c(image));
}

}  // extern "C"
