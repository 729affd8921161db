// SPDX-License-Identifier: BSL-1.0
// A kernel of one CPU that loads what the boot loader handed it and jumps. Its command line says from where: "nmi" from
// a real NMI's handler, "x4" from a region that the tables of level 4 make no-execute, "probe" after faults
// of others in the probe of the region, "fault" into a crash kernel that faults, anything else plainly. Ends QEMU with a number when the jump
// can't be tried.
#include <lastcpu/platform/x86_64/crash_loader.hpp>
#include <lastcpu/platform/x86_64/jump.hpp>

#include "boot/jump/common.hpp"

using namespace lastcpu::kexec;
using namespace lastcpu::x86;

namespace {

#if LASTCPU_FIVE_LEVELS
constexpr uint64_t direct_map = 0xff00'0000'0000'0000;
#else
constexpr uint64_t direct_map = 0xffff'8000'0000'0000;
#endif

template <class T>
T* mapped(uint64_t physical) {
  return reinterpret_cast<T*>(direct_map + physical);
}

// The boot loader's words: struct hvm_start_info and its list of modules.
struct start_info {
  uint32_t magic, version, flags, modules;
  uint64_t module_list, command_line;
};
struct module {
  uint64_t address, bytes;
};

crash_image_record record;
interrupt_gate gates[256];
registers regs;

void print(const char* text) {
  for (; *text != '\0'; ++text) out8(0xe9, static_cast<uint8_t>(*text));
}
void print_hex(uint64_t v) {
  for (int shift = 60; shift >= 0; shift -= 4) out8(0xe9, static_cast<uint8_t>("0123456789abcdef"[v >> shift & 15]));
  print("\n");
}

void jump() {
  jump_to(record);
}
asm("nmi_iret: iretq");
extern "C" const char nmi_iret[];
asm("any_fault: mov $0x7f, %al; out %al, $0xf4; hlt");
extern "C" const char any_fault[];

// At high addresses, which the crash kernel's page tables don't have: an NMI that looks for them there finds nothing.
void install_tables() {
  for (interrupt_gate& gate : gates)
    gate = interrupt_gate::to(direct_map + reinterpret_cast<uint64_t>(any_fault), 0x38);
  gates[2] = interrupt_gate::to(direct_map + reinterpret_cast<uint64_t>(nmi_iret), 0x38);
  pseudo_descriptor gdt = sgdt();
  gdt.base += direct_map;
  lgdt(gdt);
  lidt({sizeof gates - 1, direct_map + reinterpret_cast<uint64_t>(gates)});
}

// QEMU's monitor command `nmi` comes through LINT1.
void take_external_nmis() {
  *mapped<volatile uint32_t>(0xfee0'00f0) = 0x1ff;
  *mapped<volatile uint32_t>(0xfee0'0360) = 0x400;
}

// Everything this processor has that a jump could trip over.
void turn_on_all_of_cr4() {
  const cpuid_result basic = cpuid(1);
  const cpuid_result more = cpuid(7);
  uint64_t cr4 = read_cr4() | 0x6c8;               // DE MCE PGE OSFXSR OSXMMEXCPT
  if ((basic.ecx >> 17 & 1) != 0) cr4 |= 1 << 17;  // PCIDE
  if ((basic.ecx >> 26 & 1) != 0) cr4 |= 1 << 18;  // OSXSAVE
  if ((more.ebx >> 0 & 1) != 0) cr4 |= 1 << 16;    // FSGSBASE
  if ((more.ebx >> 7 & 1) != 0) cr4 |= 1 << 20;    // SMEP
  if ((more.ebx >> 20 & 1) != 0) cr4 |= 1 << 21;   // SMAP
  if ((more.ecx >> 3 & 1) != 0) cr4 |= 1 << 22;    // PKE
  write_cr4(cr4);
}

// As somebody does who wants to know what writes into the region: the entry is watched, and two words that the jump writes.
void watch_the_region() {
  constexpr uint64_t selector = offsetof(trampoline_page, early_gates) + 2 * sizeof(interrupt_gate) + 2;
  constexpr uint64_t execution_0 = 0x402, write_of_two_bytes_1 = 0x8 | 1 << 20 | 1 << 22,
                     write_of_eight_bytes_2 = 0x20 | 1 << 24 | 2 << 26;
  const uint64_t at = direct_map + region_physical;
  asm volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr7"
               :
               : "r"(record.entry), "r"(at + record.trampoline + selector),
                 "r"(at + record.handover + offsetof(handover, jump_ticks)),
                 "r"(execution_0 | write_of_two_bytes_1 | write_of_eight_bytes_2));
}

extern "C" uint64_t level5[], level4[], level4_high[], high_table[], high_pages[];

// At one level, as `how` says: '2' is the region's own 2 MiB pages, and more are whole tables of the direct map.
void forbid_execution(char how) {
  constexpr uint64_t no_execute = uint64_t{1} << 63;
  constexpr uint64_t large_page = 2 << 20;
  uint64_t* const fourth = LASTCPU_FIVE_LEVELS ? level4_high : level4 + 256;
  uint64_t* const entries[] = {high_pages + region_physical / large_page, high_table, fourth, level5 + 256};
  for (uint64_t i = 0; i < (how == '2' ? region_bytes / large_page : 1); ++i) entries[how - '2'][i] |= no_execute;
  write_cr4(read_cr4() ^ 0x80);  // PGE: forgets global translations, too
  write_cr4(read_cr4() ^ 0x80);
}

// The kernel's handler of page faults, for two that are not the probe's: goes on behind a load of three bytes, or behind the
// call of what could not be fetched.
asm(R"(
  foreign_fault:
      incl foreign_faults(%rip)
      testb $0x10, (%rsp)
      jnz 1f
      addq $3, 8(%rsp)
      jmp 2f
  1:  mov 32(%rsp), %rcx
      mov (%rcx), %rcx
      mov %rcx, 8(%rsp)
      addq $8, 32(%rsp)
  2:  addq $8, %rsp
      iretq)");
extern "C" const char foreign_fault[];
extern "C" volatile uint32_t foreign_faults;
volatile uint32_t foreign_faults = 0;

// As an NMI may, that comes while the region is probed.
struct faults_meanwhile : probe_machine {
  static void use_idt(const pseudo_descriptor& d) noexcept {
    lidt(d);
    constexpr uint64_t nowhere = 32 << 20;
    asm volatile("mov (%0), %%rax\n\tmov $1, %%eax\n\tcall *%0" : : "b"(nowhere) : "rax", "rcx", "memory");
  }
};

void probe_among_faults(const crash_region& region) {
  gates[14] = interrupt_gate::to(reinterpret_cast<uint64_t>(foreign_fault), 0x38);
  const bool ran = can_execute<faults_meanwhile>(region.mapped);
  // Two with the probe's IDT, and two with the kernel's own, which is back then.
  if (!ran || foreign_faults != 4) end(verdict::foreign_fault_lost);
}

}  // namespace

extern "C" void dying_kernel(const start_info* info) {
  install_tables();
  take_external_nmis();
  turn_on_all_of_cr4();
  const char* const words = mapped<const char>(info->command_line);
  const char how = words[0];
  const module& image = *mapped<const module>(info->module_list);
  load_options options;
  options.cpu_capacity = 4;
  options.kernel_data = how == 'f' ? fault_please : 0;
  const crash_region region{region_physical, mapped<unsigned char>(region_physical), region_bytes};
  if (how == 'p' && words[1] == 'r') probe_among_faults(region);
  if (how == 'x') forbid_execution(words[1]);
  const load_error wrong =
      load_crash_kernel(region, mapped<const unsigned char>(image.address), image.bytes, options, record);
  if (wrong != load_error::none)
    end(wrong == load_error::region_not_executable ? verdict::not_executable : verdict::not_loaded);
  if (!image_intact(record)) end(verdict::not_intact);
  print_hex(direct_map + region_physical + record.trampoline);
  print_hex(record.entry);
  regs.rip = saved_rip;
  (void)save_note<core_registers>(record, {3, lastcpu::stop_state::running, true, &regs, "boom", "", "", false},
                                  {nullptr, no_hardware_id});
  watch_the_region();
  if (how == 'n') {
    gates[2] = interrupt_gate::to(reinterpret_cast<uint64_t>(jump), 0x38);
    send_nmi_to_self(direct_map);
    for (;;) halt();
  }
  jump();
  end(verdict::jump_returned);
}
