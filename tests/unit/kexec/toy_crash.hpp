// SPDX-License-Identifier: BSL-1.0
#pragma once
// An image of the machine that there is not, in a region of noise: what a crash leaves there is the same on every machine.

#include <lastcpu/kexec/crash_loader.hpp>
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/kexec/handover_writer.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/kexec/toy_machine.hpp"

namespace lastcpu::test {

struct toy_crash : testing::Test {
  using registers = toy_machine::registers;
  using control = toy_machine::control;
  using cpu_left = kexec::cpu_entry_of<toy_machine>;

  static constexpr uint64_t physical = 64 << 20;
  static constexpr uint64_t size = 32 << 10;

  std::vector<uint64_t> words = std::vector<uint64_t>(size / 8, 0x5a5a'5a5a'5a5a'5a5a);
  unsigned char* const memory = reinterpret_cast<unsigned char*>(words.data());
  kexec::kernel_facts facts{};
  kexec::crash_image_record record{};
  kexec::core_layout layout{};
  registers regs{0x1234, 0x18};
  control state{0x7000};

  void SetUp() override { load(); }
  void load() {
    layout = {};
    layout.place<toy_machine>(facts, {physical, size}, 4);
    kexec::begin_record({physical, memory, size}, {0x2000, 0x4000, size - layout.header_bytes, size}, record);
    kexec::record_core(layout, 0x4000, record);
    record.payload_bytes = 100;
    record.free = 0x1000;
    record.free_bytes = 0x1000;
    record.kernel_data = 77;
    record.ticks_per_second = 88;
    record.map_bytes = 128 << 20;
    record.cpu_capacity = 4;
    record.table_levels = 4;
    kexec::build_core<toy_machine>(record, layout, facts);
    kexec::seal_image<kexec::xxh64>(record);
  }

  bool save(cpu_id cpu, bool crashing, const char* text = "", const char* nmi = "", const char* nested = "") {
    const auto how = crashing ? stop_state::running : stop_state::by_nmi;
    return save({cpu, how, crashing, &regs, text, nmi, nested, false, 99});
  }
  bool save(const cpu_note<registers>& note) { return kexec::save_note<toy_machine>(record, note, {&state, 7}); }
  void seal() { kexec::seal_handover(record, left().bytes); }

  kexec::handover& room() { return *kexec::handover_of(record); }
  [[nodiscard]] const kexec::handover& left() const {
    return *reinterpret_cast<const kexec::handover*>(memory + record.handover);
  }
  [[nodiscard]] const cpu_left* cpu(uint32_t i) const { return kexec::cpu_of<cpu_left>(left(), i); }
  [[nodiscard]] std::string opened() const {
    return to_string(kexec::open_handover<toy_machine>(&left(), left().bytes).error);
  }
  [[nodiscard]] bool valid() const {
    return kexec::open_handover<toy_machine>(&left(), ~uint64_t{0}).handover != nullptr;
  }
};

}  // namespace lastcpu::test
