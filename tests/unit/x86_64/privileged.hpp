// SPDX-License-Identifier: BSL-1.0
#pragma once
// Privileged instructions in a user program: each faults, and a signal handler notes it, gives the answer that the test
// has prepared, and goes on behind it. So the real inline assembly runs, not a stand-in for it.

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <ucontext.h>

#include "access_log.hpp"

namespace privileged {

// No allocation in the handler.
struct event {
  const char* what;
  uint64_t number, value;
  int numbers;  // how many of the two count
};

inline event events[256];
inline int event_count = 0;
inline uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0;
inline uint64_t msr_0x1b = 0;       // IA32_APIC_BASE
inline uint64_t other_msrs = 0;     // what any other one reads as
inline uint32_t port_answer = 0;    // what any port reads as
inline bool vmxoff_faults = false;  // then back to where `out` was set
inline int halts_to_go = 0;         // that many more, then back to where `out` was set
inline sigjmp_buf out;

inline void note(const char* what, int numbers = 0, uint64_t number = 0, uint64_t value = 0) {
  if (event_count < 256) events[event_count++] = {what, number, value, numbers};
}

inline lines take() {
  access_log log;
  for (int i = 0; i < event_count; ++i) {
    const event& e = events[i];
    if (e.numbers == 0) log.add(e.what);
    if (e.numbers == 1) log.add(e.what, e.number);
    if (e.numbers == 2) log.add(e.what, e.number, e.value);
  }
  event_count = 0;
  return log.take();
}

class machine_state {
 public:
  explicit machine_state(ucontext_t* context) : g_(context->uc_mcontext.gregs) {}

  [[nodiscard]] bool step() {
    const auto* at = reinterpret_cast<const uint8_t*>(g_[REG_RIP]);
    length_ = 0;
    wide_ = rex_b_ = rex_r_ = false;
    if (at[0] == 0x66) wide_ = true, ++length_;
    if ((at[length_] & 0xf0) == 0x40) {
      rex_b_ = (at[length_] & 1) != 0;
      rex_r_ = (at[length_] & 4) != 0;
      ++length_;
    }
    at += length_;
    const bool known = at[0] == 0x0f ? two_bytes(at + 1) : one_byte(at);
    g_[REG_RIP] += length_;
    return known;
  }

 private:
  bool one_byte(const uint8_t* at) {
    ++length_;
    switch (at[0]) {
      case 0xfa:
        return note("cli"), true;
      case 0xfb:
        return note("sti"), true;
      case 0xf4:
        note("hlt");
        if (--halts_to_go < 0) siglongjmp(out, 1);
        return true;
      default:
        return port(at);
    }
  }

  bool port(const uint8_t* at) {
    const uint8_t code = at[0];
    const bool immediate = (code & 0xfc) == 0xe4;
    if (!immediate && (code & 0xfc) != 0xec) return false;
    if (immediate) ++length_;
    const uint64_t number = immediate ? at[1] : g_[REG_RDX] & 0xffff;
    const int bytes = (code & 1) == 0 ? 1 : wide_ ? 2 : 4;
    const uint64_t mask = bytes == 1 ? 0xff : bytes == 2 ? 0xffff : 0xffff'ffff;
    if ((code & 2) == 0) {
      note(bytes == 1 ? "in8" : bytes == 2 ? "in16" : "in32", 1, number);
      g_[REG_RAX] = static_cast<greg_t>((static_cast<uint64_t>(g_[REG_RAX]) & ~mask) | (port_answer & mask));
    } else {
      note(bytes == 1 ? "out8" : bytes == 2 ? "out16" : "out32", 2, number, static_cast<uint64_t>(g_[REG_RAX]) & mask);
    }
    return true;
  }

  bool two_bytes(const uint8_t* at) {
    length_ += 2;
    if (at[0] == 0x30 || at[0] == 0x32) return model_specific(at[0] == 0x30);
    if (at[0] == 0x20 || at[0] == 0x22) return control(at[1], at[0] == 0x22);
    if (at[0] == 0x23) return debug(at[1]);
    if (at[0] == 0x00) return task(at[1]);
    if (at[0] != 0x01) return false;
    if ((at[1] & 0xc0) != 0xc0) return of_memory(at + 1);
    ++length_;
    switch (at[1]) {
      case 0xc4:
        note("vmxoff");
        if (vmxoff_faults) siglongjmp(out, 1);
        return true;
      case 0xc8:
        must_be_zero(REG_RCX), must_be_zero(REG_RDX);
        return note("monitor", 1, static_cast<uint64_t>(g_[REG_RAX])), true;
      case 0xc9:
        must_be_zero(REG_RCX), must_be_zero(REG_RAX);
        return note("mwait"), true;
      case 0xdc:
        return note("stgi"), true;
      default:
        return false;
    }
  }

  bool model_specific(bool write) {
    const uint64_t number = g_[REG_RCX] & 0xffff'ffff;
    if (write) {
      const auto high = static_cast<uint64_t>(g_[REG_RDX]) << 32;
      return note("wrmsr", 2, number, high | (g_[REG_RAX] & 0xffff'ffff)), true;
    }
    note("rdmsr", 1, number);
    const uint64_t v = number == 0x1b ? msr_0x1b : other_msrs;
    g_[REG_RAX] = static_cast<greg_t>(v & 0xffff'ffff);
    g_[REG_RDX] = static_cast<greg_t>(v >> 32);
    return true;
  }

  greg_t& general_register(uint8_t number) {
    static constexpr int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return g_[order[(number & 7) + (rex_b_ ? 8 : 0)]];
  }

  void must_be_zero(int general) {
    if (g_[general] != 0) note("an operand is not zero", 1, static_cast<uint64_t>(g_[general]));
  }

  bool debug(uint8_t operands) {
    ++length_;
    const auto value = static_cast<uint64_t>(general_register(operands));
    return note("write_dr", 2, static_cast<uint64_t>(operands >> 3 & 7), value), true;
  }

  bool task(uint8_t operands) {
    ++length_;
    if ((operands & 0xf8) != 0xd8) return false;
    return note("ltr", 1, static_cast<uint64_t>(general_register(operands)) & 0xffff), true;
  }

  // Base register and displacement; counts their bytes. Null for what no test needs: an index, or an address near rip.
  const uint8_t* address(const uint8_t* at) {
    const uint8_t mode = *at++;
    const uint8_t base = mode & 7;
    ++length_;
    if (base == 4 && *at != 0x24) return nullptr;
    if (base == 5 && mode < 0x40) return nullptr;
    if (base == 4) ++at, ++length_;
    int32_t displacement = 0;
    if ((mode & 0xc0) == 0x40) displacement = static_cast<int8_t>(*at), ++length_;
    if ((mode & 0xc0) == 0x80) std::memcpy(&displacement, at, 4), length_ += 4;
    return reinterpret_cast<const uint8_t*>(general_register(base) + displacement);
  }

  bool of_memory(const uint8_t* at) {
    const int operation = *at >> 3 & 7;
    const uint8_t* const where = address(at);
    if (where == nullptr) return false;
    if (operation == 7) return note("invlpg", 1, reinterpret_cast<uintptr_t>(where)), true;
    if (operation != 2 && operation != 3) return false;
    uint16_t limit = 0;
    uint64_t table = 0;
    std::memcpy(&limit, where, 2), std::memcpy(&table, where + 2, 8);
    return note(operation == 2 ? "lgdt" : "lidt", 2, limit, table), true;
  }

  bool control(uint8_t operands, bool write) {
    ++length_;
    greg_t& general = general_register(operands);
    const int number = (operands >> 3 & 7) + (rex_r_ ? 8 : 0);
    uint64_t* const all[] = {&cr0, nullptr, &cr2, &cr3, &cr4, nullptr, nullptr, nullptr, &cr8};
    if (number > 8 || all[number] == nullptr) return false;
    if (write)
      note("write_cr", 2, static_cast<uint64_t>(number), *all[number] = static_cast<uint64_t>(general));
    else
      general = static_cast<greg_t>(*all[number]);
    return true;
  }

  greg_t* g_;
  int length_ = 0;
  bool wide_ = false, rex_b_ = false, rex_r_ = false;
};

inline void on_fault(int number, siginfo_t*, void* context) {
  if (number == SIGTRAP) return note("int3");
  if (machine_state(static_cast<ucontext_t*>(context)).step()) return;
  signal(number, SIG_DFL);  // an ordinary crash: it happens once more
}

/// From here on this program has ring 0.
inline void begin() {
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGILL, &action, nullptr);
  sigaction(SIGTRAP, &action, nullptr);
  event_count = 0;
  vmxoff_faults = false;
  cr0 = cr2 = cr3 = cr4 = cr8 = msr_0x1b = other_msrs = port_answer = 0;
}

}  // namespace privileged
