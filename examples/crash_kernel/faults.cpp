// SPDX-License-Identifier: BSL-1.0
#include "faults.hpp"

#include <lastcpu/platform/x86_64/entry.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>

#include "../kernel/console.hpp"
#include "../kernel/descriptors.hpp"
#include "disk_dump.hpp"
#include "leave.hpp"

namespace {

namespace x86 = lastcpu::x86;

constexpr uint64_t stack_bytes = 16384;
alignas(16) constinit unsigned char fault_stack[stack_bytes] = {};
alignas(16) constinit unsigned char nmi_stack[4096] = {};
constinit descriptors::cpu_tables tables = {};
constinit uint32_t nmi_count = 0;
constinit uint32_t fault_count = 0;

const char* name_of(uint32_t vector) noexcept {
  switch (vector) {
    case 0:
      return "division error";
    case 6:
      return "invalid opcode";
    case 8:
      return "double fault";
    case 13:
      return "general protection fault";
    case 14:
      return "page fault";
    case 18:
      return "machine check";
    default:
      return "exception";
  }
}

// A fault in here comes in at the top of the same stack, and is the last one.
[[noreturn]] void on_fault(uint32_t vector, const x86::registers& r) noexcept {
  if (__atomic_fetch_add(&fault_count, 1, __ATOMIC_RELAXED) != 0) leave(verdict::fault);
  {
    console::line out;
    out << "crash: the crash kernel has faulted: " << name_of(vector) << " (vector " << vector << ") at " << hex{r.rip};
    if (vector == 14) out << ", address " << hex{x86::read_cr2()};
  }
  disk_dump::abandon();
  leave(verdict::fault);
}

}  // namespace

uint32_t faults::nmis() noexcept {
  return __atomic_load_n(&nmi_count, __ATOMIC_RELAXED);
}

LASTCPU_X86_NMI_ENTRY(crash_nmi, on_crash_nmi);
extern "C" void on_crash_nmi(x86::registers*) noexcept {
  __atomic_fetch_add(&nmi_count, 1, __ATOMIC_RELAXED);
}

#define LASTCPU_CRASH_FAULT(vector)                               \
  LASTCPU_X86_ENTRY(fault_##vector, on_fault_##vector);           \
  extern "C" void on_fault_##vector(x86::registers* r) noexcept { \
    on_fault(vector, *r);                                         \
  }
#define LASTCPU_CRASH_FAULT_WITH_ERROR_CODE(vector)                     \
  LASTCPU_X86_ENTRY_WITH_ERROR_CODE(fault_##vector, on_fault_##vector); \
  extern "C" void on_fault_##vector(x86::registers* r) noexcept {       \
    on_fault(vector, *r);                                               \
  }

LASTCPU_CRASH_FAULT(0)
LASTCPU_CRASH_FAULT(1)
LASTCPU_CRASH_FAULT(3)
LASTCPU_CRASH_FAULT(4)
LASTCPU_CRASH_FAULT(5)
LASTCPU_CRASH_FAULT(6)
LASTCPU_CRASH_FAULT(7)
LASTCPU_CRASH_FAULT_WITH_ERROR_CODE(8)
LASTCPU_CRASH_FAULT_WITH_ERROR_CODE(10)
LASTCPU_CRASH_FAULT_WITH_ERROR_CODE(11)
LASTCPU_CRASH_FAULT_WITH_ERROR_CODE(12)
LASTCPU_CRASH_FAULT_WITH_ERROR_CODE(13)
LASTCPU_CRASH_FAULT_WITH_ERROR_CODE(14)
LASTCPU_CRASH_FAULT(16)
LASTCPU_CRASH_FAULT_WITH_ERROR_CODE(17)
LASTCPU_CRASH_FAULT(18)
LASTCPU_CRASH_FAULT(19)

#undef LASTCPU_CRASH_FAULT
#undef LASTCPU_CRASH_FAULT_WITH_ERROR_CODE

void faults::set_up() noexcept {
  using descriptors::own_stack;
  const struct {
    uint8_t vector;
    void (*entry)();
  } gates[] = {{0, fault_0},   {1, fault_1},   {3, fault_3},   {4, fault_4},   {5, fault_5},   {6, fault_6},
               {7, fault_7},   {8, fault_8},   {10, fault_10}, {11, fault_11}, {12, fault_12}, {13, fault_13},
               {14, fault_14}, {16, fault_16}, {17, fault_17}, {18, fault_18}, {19, fault_19}};
  for (const auto& g : gates) descriptors::set_gate(g.vector, g.entry, own_stack::double_fault);
  descriptors::set_gate(2, crash_nmi, own_stack::nmi);
  const auto nmi_end = reinterpret_cast<uint64_t>(nmi_stack) + sizeof nmi_stack;
  const auto fault_end = reinterpret_cast<uint64_t>(fault_stack) + sizeof fault_stack;
  descriptors::load(tables, {nmi_end, fault_end, fault_end, nmi_end, fault_end});
}
