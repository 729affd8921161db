// SPDX-License-Identifier: BSL-1.0
// Everything that bare x86-64 has, with both digests and the loader: no copy may become a call of memcpy or memset.
#include <lastcpu/kexec/sha256.hpp>
#include <lastcpu/lastcpu.hpp>
#include <lastcpu/platform/x86_64.hpp>
#include <lastcpu/platform/x86_64/crash_loader.hpp>

namespace kexec = lastcpu::kexec;
namespace x86 = lastcpu::x86;

lastcpu::cpu_id asks = 0;
unsigned char page[4096];

struct large_port : lastcpu::x86_64<large_port, kexec::sha256> {
  static constexpr lastcpu::cpu_id max_cpus = 4096;
  static constexpr uint8_t stop_vector = 0xf0;
  static constexpr uint8_t wake_vector = 0xf1;
  static bool may_take_interrupts() noexcept { return true; }
  static x86::stack_choice next_stack(x86::handler_stack, x86::stack_choice choice) noexcept { return choice; }
  static lastcpu::cpu_id this_cpu() noexcept { return asks; }
  static bool is_online(lastcpu::cpu_id) noexcept { return true; }
  static uint32_t apic_id(lastcpu::cpu_id cpu) noexcept { return cpu; }
  static volatile void* lapic_page() noexcept { return page; }
  static volatile void* io_apic(uint32_t) noexcept { return nullptr; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000'000; }
};

// Its digest is the one that is used where none is named.
struct numbered_port : lastcpu::x86_64<numbered_port>, x86::numbered_cpus<numbered_port, 64> {
  static constexpr uint8_t stop_vector = 0xf0;
  static volatile void* lapic_page() noexcept { return page; }
  static uint64_t ticks_per_second() noexcept { return 1'000'000'000; }
};
static_assert(lastcpu::platform_checked<numbered_port>);

void put(const char* piece) {
  page[0] = static_cast<unsigned char>(*piece);
}

struct trap_frame {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, error, ip, cs, flags, sp, ss;
};
LASTCPU_X86_FRAME(trap_frame, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, error, ip, cs,
                  flags, sp, ss);

constinit lastcpu::crash_domain<large_port> machine;
constinit lastcpu::crash_domain<numbered_port, lastcpu::reporting_policy<put>> numbered_machine;

template class lastcpu::crash_domain<large_port>;
template struct x86::lapic<x86::lapic_bus<large_port>>;

void handle(const x86::registers& regs) {
  large_port::handlers::stop(machine, regs);
  large_port::handlers::nmi(machine, regs);
  large_port::handlers::panic_in_nmi(machine, "unknown NMI", regs);
  large_port::handlers::machine_check(machine, regs);
}

void handle(const trap_frame& frame) {
  numbered_machine.handle_nmi(to_registers(frame));
}
bool come_online(lastcpu::cpu_id cpu) {
  return numbered_port::online(numbered_machine, cpu);
}
[[noreturn]] void give_up() {
  lastcpu::panic_here(numbered_machine, "the end");
}

kexec::load_error load(const kexec::crash_region& region, const unsigned char* file, uint64_t bytes,
                       kexec::crash_image_record& out) {
  const x86::load_options options{};
  const kexec::load_error wrong = x86::load_crash_kernel<kexec::sha256>(region, file, bytes, options, out);
  return wrong == kexec::load_error::none ? x86::load_crash_kernel<>(region, file, bytes, options, out) : wrong;
}
