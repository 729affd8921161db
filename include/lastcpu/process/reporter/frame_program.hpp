// SPDX-License-Identifier: BSL-1.0
#pragma once
// Runs the programs of call frame information (DWARF 5, 6.4): from the registers of a frame to those of its caller.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/frame_reader.hpp>
#include <lastcpu/process/reporter/machine_registers.hpp>

namespace lastcpu::reporter_detail {

#if defined(__x86_64__)
inline constexpr uint32_t frame_registers = 17;  // DWARF's numbers: 7 is rsp, 16 the return address
inline constexpr uint32_t frame_sp = 7, frame_pc = 16, frame_fp = 6;
#elif defined(__aarch64__)
inline constexpr uint32_t frame_registers = 33;  // 30 is the link register, 31 sp; the pc has no number: 32 here
inline constexpr uint32_t frame_sp = 31, frame_pc = 32, frame_fp = 29;
#endif

struct frame_state {
  uint64_t value[frame_registers];
};

[[nodiscard]] inline frame_state frame_of(const general_registers& r) noexcept {
#if defined(__x86_64__)
  return {{r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15,
           r.rip}};
#elif defined(__aarch64__)
  frame_state f{};
  for (uint32_t i = 0; i < 31; ++i) f.value[i] = r.regs[i];
  f.value[frame_sp] = r.sp;
  f.value[frame_pc] = r.pc;
  return f;
#endif
}

class frame_program {
 public:
  frame_program(const frame_description& d, const frame_state& from) noexcept : d_(d), from_(from) {}

  /// The caller's registers; false where the information ends, or the stack can't be read.
  [[nodiscard]] bool step(frame_state& to) noexcept {
    if (!run(d_.first_program, d_.first_end, ~uintptr_t{0})) return false;
    at_entry_ = row_;
    if (!run(d_.program, d_.program_end, from_.value[frame_pc])) return false;
    uint64_t cfa = row_.cfa_register < frame_registers ? from_.value[row_.cfa_register] + row_.cfa_offset : 0;
    if (row_.cfa_expression != 0 && !evaluate(row_.cfa_expression, false, 0, cfa)) return false;
    to = from_;
    to.value[frame_sp] = cfa;
    for (uint32_t i = 0; i < frame_registers; ++i)
      if (!restore(i, cfa, to.value[i])) return false;
    const auto back = static_cast<uint32_t>(d_.return_register);
    if (back >= frame_registers || row_.rule[back].kind == rule::undefined) return false;
    to.value[frame_pc] = to.value[back];
#if defined(__aarch64__)
    to.value[frame_pc] &= (uint64_t{1} << 48) - 1;  // without the signature of pointer authentication
#endif
    return to.value[frame_pc] != 0;
  }

 private:
  enum class rule : uint8_t { same, undefined, at_offset, is_offset, in_register, at_expression, is_expression };
  struct column {
    rule kind = rule::same;
    uint64_t operand = 0;
  };
  struct row {
    uint64_t cfa_register = ~uint64_t{0}, cfa_offset = 0;
    uintptr_t cfa_expression = 0;
    column rule[frame_registers] = {};
  };

  [[nodiscard]] bool restore(uint32_t i, uint64_t cfa, uint64_t& value) noexcept {
    const column& c = row_.rule[i];
    uint64_t place = cfa + c.operand;
    switch (c.kind) {
      case rule::at_expression:
        if (!evaluate(c.operand, true, cfa, place)) return false;
        [[fallthrough]];
      case rule::at_offset:
        stack_.go_to(place);
        value = stack_.get<uint64_t>();
        return !stack_.failed();
      case rule::is_offset:
        return value = place, true;
      case rule::is_expression:
        return evaluate(c.operand, true, cfa, value);
      case rule::in_register:
        return c.operand < frame_registers && (value = from_.value[c.operand], true);
      default:
        return true;
    }
  }

  void set(uint64_t number, rule kind, uint64_t operand) noexcept {
    if (number < frame_registers) row_.rule[number] = {kind, operand};  // vector registers and the like: not needed
  }
  [[nodiscard]] uint64_t scaled(int64_t offset) const noexcept {
    return static_cast<uint64_t>(offset) * static_cast<uint64_t>(d_.data_unit);
  }

  /// Runs instructions up to the row of `pc`.
  [[nodiscard]] bool run(uintptr_t from, uintptr_t end, uintptr_t pc) noexcept {
    frame_reader r(from);
    uintptr_t place = d_.begin;
    while (r.at() < end && place <= pc && !r.failed()) {
      const auto op = r.get<uint8_t>();
      const uint64_t low = op & 0x3f;
      if (op >> 6 == 1)
        place += low * d_.code_unit;
      else if (op >> 6 == 2)
        set(low, rule::at_offset, scaled(static_cast<int64_t>(r.uleb())));
      else if (op >> 6 == 3)
        set_back(low);
      else if (!run_other(r, op, place))
        return false;
    }
    return !r.failed();
  }

  void set_back(uint64_t number) noexcept {
    if (number < frame_registers) row_.rule[number] = at_entry_.rule[number];
  }

  [[nodiscard]] bool run_other(frame_reader& r, uint8_t op, uintptr_t& place) noexcept {
    const auto number = [&r]() noexcept { return r.uleb(); };
    uint64_t n = 0;
    switch (op) {
      case 0x00:  // nop
      case 0x2d:  // the state of pointer authentication
        return true;
      case 0x01:  // set_loc
        return place = r.get<uint64_t>(), true;
      case 0x02:  // advance_loc1, 2, 4
        return place += r.get<uint8_t>() * d_.code_unit, true;
      case 0x03:
        return place += r.get<uint16_t>() * d_.code_unit, true;
      case 0x04:
        return place += r.get<uint32_t>() * d_.code_unit, true;
      case 0x05:  // offset_extended
        n = number();
        return set(n, rule::at_offset, scaled(static_cast<int64_t>(r.uleb()))), true;
      case 0x06:  // restore_extended
        return set_back(number()), true;
      case 0x07:  // undefined
        return set(number(), rule::undefined, 0), true;
      case 0x08:  // same_value
        return set(number(), rule::same, 0), true;
      case 0x09:  // register
        n = number();
        return set(n, rule::in_register, number()), true;
      case 0x0a:  // remember_state
        return remembered_ < 4 && (memory_[remembered_++] = row_, true);
      case 0x0b:  // restore_state
        return remembered_ > 0 && (row_ = memory_[--remembered_], true);
      case 0x0c:  // def_cfa
        n = number();
        return set_cfa(n, number()), true;
      case 0x0d:  // def_cfa_register
        return set_cfa(number(), row_.cfa_offset), true;
      case 0x0e:  // def_cfa_offset
        return set_cfa(row_.cfa_register, number()), true;
      case 0x0f:  // def_cfa_expression
        row_.cfa_expression = r.at();
        return r.skip(r.uleb()), true;
      case 0x10:  // expression
      case 0x16:  // val_expression
        n = number();
        set(n, op == 0x10 ? rule::at_expression : rule::is_expression, r.at());
        return r.skip(r.uleb()), true;
      case 0x11:  // offset_extended_sf
        n = number();
        return set(n, rule::at_offset, scaled(r.sleb())), true;
      case 0x12:  // def_cfa_sf
        n = number();
        return set_cfa(n, scaled(r.sleb())), true;
      case 0x13:  // def_cfa_offset_sf
        return set_cfa(row_.cfa_register, scaled(r.sleb())), true;
      case 0x14:  // val_offset
        n = number();
        return set(n, rule::is_offset, scaled(static_cast<int64_t>(number()))), true;
      case 0x15:  // val_offset_sf
        n = number();
        return set(n, rule::is_offset, scaled(r.sleb())), true;
      case 0x2e:  // GNU_args_size
        return (void)number(), true;
      default:
        return false;
    }
  }
  void set_cfa(uint64_t number, uint64_t offset) noexcept {
    row_.cfa_register = number, row_.cfa_offset = offset, row_.cfa_expression = 0;
  }

  [[nodiscard]] bool evaluate(uintptr_t at, bool with_cfa, uint64_t cfa, uint64_t& result) noexcept;

  const frame_description& d_;
  const frame_state& from_;
  row row_, at_entry_, memory_[4];
  uint32_t remembered_ = 0;
  frame_reader stack_{0};
};

/// The few operations that compilers and the C library use here: those of a signal frame and of the linker's stubs.
[[nodiscard]] inline bool frame_program::evaluate(uintptr_t at, bool with_cfa, uint64_t cfa,
                                                  uint64_t& result) noexcept {
  frame_reader r(at);
  const uint64_t bytes = r.uleb();
  if (bytes > 4096) return false;
  uint64_t stack[16];
  uint32_t n = 0;
  if (with_cfa) stack[n++] = cfa;
  for (const uintptr_t end = r.at() + bytes; r.at() < end && !r.failed();) {
    const auto op = r.get<uint8_t>();
    uint64_t& top = stack[n > 0 ? n - 1 : 0];
    const bool binary = op == 0x1a || op == 0x1c || op == 0x21 || op == 0x22 || op == 0x24 || op == 0x2a;
    if (binary) {
      if (n < 2) return false;
      const uint64_t b = stack[--n];
      uint64_t& a = stack[n - 1];
      a = op == 0x1a   ? a & b
          : op == 0x1c ? a - b
          : op == 0x21 ? a | b
          : op == 0x22 ? a + b
          : op == 0x24 ? a << (b & 63)
                       : static_cast<uint64_t>(static_cast<int64_t>(a) >= static_cast<int64_t>(b));
    } else if (op == 0x06) {  // deref
      uint64_t value = 0;
      if (n == 0 || !read_memory(top, &value, sizeof value)) return false;
      top = value;
    } else if (op == 0x23) {  // plus_uconst
      if (n == 0) return false;
      top += r.uleb();
    } else {
      if (n == sizeof stack / sizeof *stack) return false;
      if (op >= 0x30 && op <= 0x4f)  // lit
        stack[n++] = op - 0x30u;
      else if (op >= 0x70 && op < 0x70 + frame_registers)  // breg
        stack[n++] = from_.value[op - 0x70] + static_cast<uint64_t>(r.sleb());
      else if (op == 0x08)  // const1u
        stack[n++] = r.get<uint8_t>();
      else if (op == 0x0a)  // const2u
        stack[n++] = r.get<uint16_t>();
      else
        return false;
    }
  }
  if (n == 0 || r.failed()) return false;
  result = stack[n - 1];
  return true;
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
