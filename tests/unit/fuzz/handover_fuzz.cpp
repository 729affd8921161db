// SPDX-License-Identifier: BSL-1.0
// Any bytes as a handover. What is accepted can be used: every entry and every text is inside the bytes, and every number
// that leads somewhere is inside its bounds. The same bytes with the right seal are whole.
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>

#include <cstring>
#include <initializer_list>

#include "unit/fuzz/target.hpp"

namespace {

using namespace lastcpu::kexec;
using entry = lastcpu::x86::handover_cpu;
__extension__ using wide = unsigned __int128;

void expect_inside(uint64_t at, uint64_t n, uint64_t from, uint64_t bytes) {
  LASTCPU_FUZZ_EXPECT(at >= from && wide{at} + n <= wide{from} + bytes);
}

void expect_usable(const handover& h, size_t size) {
  LASTCPU_FUZZ_EXPECT(h.magic == handover_magic && h.version == 2 && h.machine == 62);
  LASTCPU_FUZZ_EXPECT(h.bytes <= size && h.cpu_count <= h.cpu_capacity && h.ram_count <= 64 && h.build_id_bytes <= 32);
  expect_inside(h.region_physical, h.region_bytes, 0, h.map_bytes);
  expect_inside(h.core_physical, h.core_header_bytes, h.region_physical, h.region_bytes);
  LASTCPU_FUZZ_EXPECT(h.core_header_bytes >= h.bytes);
  if (h.free_bytes != 0) expect_inside(h.free_physical, h.free_bytes, h.region_physical, h.region_bytes);
  const auto* const begin = reinterpret_cast<const unsigned char*>(&h);
  for (uint32_t i = 0; i < h.cpu_count; ++i) {
    const entry& c = *cpu_of<entry>(h, i);
    LASTCPU_FUZZ_EXPECT(reinterpret_cast<const unsigned char*>(&c + 1) <= begin + h.bytes);
    for (const char* text : {c.message, c.nmi_message, c.nested_message})
      LASTCPU_FUZZ_EXPECT(strnlen(text, handover_text_bytes) < handover_text_bytes);
  }
  LASTCPU_FUZZ_EXPECT(cpu_of<entry>(h, h.cpu_count) == nullptr);
  (void)h.is_ram(h.kernel_data, 8);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using lastcpu::x86::core_registers;
  static const lastcpu::test::guarded_bytes guarded;
  if (size > guarded.room) return -1;
  size &= ~size_t{7};
  unsigned char* const at = guarded.put(data, size);
  const opened_handover got = open_handover<core_registers>(at, size);
  LASTCPU_FUZZ_EXPECT(std::strlen(to_string(got.error)) > 5);
  LASTCPU_FUZZ_EXPECT((got.handover != nullptr) == (got.error <= handover_error::damaged));
  if (got.handover == nullptr) return 0;
  expect_usable(*got.handover, size);
  handover& h = *reinterpret_cast<handover*>(at);
  h.seal = handover_seal(h, h.bytes);
  LASTCPU_FUZZ_EXPECT(open_handover<core_registers>(at, size).error == handover_error::none);
  h.seal = 0;
  LASTCPU_FUZZ_EXPECT(open_handover<core_registers>(at, size).error == handover_error::cut_off);
  return 0;
}
