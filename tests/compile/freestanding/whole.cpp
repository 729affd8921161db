// SPDX-License-Identifier: BSL-1.0
// The smallest port, all of it in use, with the path instantiated by itself as well, as a kernel may do once in one file.
// What it leaves undefined is the hook, weakly.
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

using lastcpu::archetype;

constinit lastcpu::crash_domain<archetype> machine;

template class lastcpu::crash_domain<archetype>;
template class lastcpu::crash_path<archetype>;
template class lastcpu::crash_image<archetype>;
template class lastcpu::panic_cpu<archetype>;
template class lastcpu::panic_messages<archetype, lastcpu::panic_policy::message_bytes>;
template class lastcpu::stop_cpus<archetype>;

extern "C" {
[[noreturn]] void kernel_panic(const char* message, const archetype::registers* regs) {
  machine.panic(message, regs);
}
void kernel_nmi_panic(const char* message, const archetype::registers& regs) {
  machine.nmi_panic(message, regs);
}
void kernel_nmi(const archetype::registers& regs) {
  machine.handle_nmi(regs);
}
void kernel_stop_irq(const archetype::registers& regs) {
  machine.handle_stop_irq(regs);
}
lastcpu::kexec_outcome kernel_oops(const archetype::registers* regs) {
  return machine.crash_kexec(regs);
}
lastcpu::kexec_outcome kernel_kexec(const archetype::registers* regs) {
  return machine.__crash_kexec(regs);
}
uint32_t kernel_stop_others() {
  return machine.stop_others().count(lastcpu::stop_state::silent);
}
lastcpu::load_outcome kernel_load(const archetype::image& img, archetype::image* old) {
  return machine.image().load(img, old);
}
lastcpu::unload_outcome kernel_unload(archetype::image* old) {
  return machine.image().unload(old);
}
lastcpu::message_state kernel_message(lastcpu::cpu_id cpu) {
  return machine.messages().state(cpu, lastcpu::panic_context::normal);
}
}
