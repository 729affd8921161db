// SPDX-License-Identifier: BSL-1.0
// Any bytes as what a dying kernel has left of a small machine: the beginning of a core with its handover. What is made of
// it is a file whose pieces come in order and fit, and no byte is read that is not the machine's memory.
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/kexec/small_core.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>
#include <lastcpu/platform/x86_64/page_walk.hpp>

#include "unit/fuzz/target.hpp"

namespace {

using namespace lastcpu::kexec;
using lastcpu::x86::core_registers;

constexpr uint64_t page = page_bytes;
constexpr uint64_t table = 2 * page;       // for each level, of itself and of the pages around it
constexpr uint64_t beginning = 12 * page;  // of the core
constexpr uint64_t beginning_bytes = 4 * page;
constexpr uint64_t size = beginning + beginning_bytes;

// Physical memory, with nothing before and behind it.
struct machine {
  machine() {
    void* got = mmap(nullptr, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    LASTCPU_FUZZ_EXPECT(got != MAP_FAILED);
    memory = static_cast<unsigned char*>(got) + page;
    LASTCPU_FUZZ_EXPECT(mprotect(memory, size, PROT_READ | PROT_WRITE) == 0);
    for (uint64_t i = 0; i < beginning; ++i) memory[i] = static_cast<unsigned char>(i % 251 + 1);
    for (uint64_t i = 0; i < 512; ++i) write_word<uint64_t>(memory + table + i * 8, i % 16 * page | 3);
  }
  unsigned char* memory;
};

// Where the crash kernel is told that it is; what it has checked itself is right.
handover& place_handover(unsigned char* core) {
  uint64_t at = read_word<uint64_t>(core + 64 + 8) + note_header_bytes;
  if (at % 8 != 0 || at > beginning_bytes - sizeof(handover)) at = 64 + 56 + 24;
  handover& h = *reinterpret_cast<handover*>(core + at);
  h.seal = 0;  // else no damage would come further
  h.map_bytes = size;
  h.region_physical = beginning;
  h.region_bytes = beginning_bytes;
  h.free_bytes = 0;
  h.core_physical = beginning;
  h.core_header_bytes = beginning_bytes;
  h.page_tables = table;
  return h;
}

using small = small_core<core_registers, lastcpu::x86::page_walk, 8>;

void expect_file(const small& core) {
  uint64_t end = 0;
  const bool whole = core.for_each_piece([&](uint64_t place, const unsigned char* from, uint64_t n) {
    LASTCPU_FUZZ_EXPECT(place >= end && place + n >= place && n != 0);
    end = place + n;
    LASTCPU_FUZZ_EXPECT(end <= core.file_bytes());
    unsigned char sum = 0;
    for (uint64_t i = 0; i < n; ++i) sum = static_cast<unsigned char>(sum ^ from[i]);
    asm volatile("" : : "r"(sum));
    return true;
  });
  LASTCPU_FUZZ_EXPECT(whole && end == core.file_bytes() && core.parts() <= small::most_parts);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const machine m;
  static small core;
  if (bytes > beginning_bytes) return -1;
  unsigned char* const at = m.memory + beginning;
  std::memset(at, 0, beginning_bytes);
  if (bytes != 0) std::memcpy(at, data, bytes);
  const handover& h = place_handover(at);
  const auto room = static_cast<uint64_t>(m.memory + size - reinterpret_cast<const unsigned char*>(&h));
  const auto opened = open_handover<core_registers>(&h, room);
  if (opened.handover == nullptr) return 0;
  const core_error wrong = core.plan(h, reinterpret_cast<uintptr_t>(m.memory));
  if (wrong == core_error::none || wrong == core_error::damaged) expect_file(core);
  return 0;
}
