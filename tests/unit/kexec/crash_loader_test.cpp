// SPDX-License-Identifier: BSL-1.0
// What a machine's loader is made of, for a machine that there is not: control area of one page, no jump.
#include <lastcpu/kexec/crash_loader.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "unit/kexec/elf_file.hpp"

namespace crash_loader_test {
namespace {

using namespace lastcpu::kexec;
using namespace lastcpu::test;

constexpr uint64_t base = 64 << 20;
constexpr uint64_t size = 16 * page_bytes;

struct crash_loader : testing::Test {
  bytes memory = bytes(size + page_bytes, 0x5a);
  unsigned char* first = memory.data() + (page_bytes - reinterpret_cast<uintptr_t>(memory.data()) % page_bytes);
  region_layout layout{};
  crash_image_record record{};

  std::string load(const bytes& data, elf64_machine machine, bool flat = false) {
    const crash_file file{data.data(), data.size(), flat};
    EXPECT_TRUE(layout.place(size, page_bytes, page_bytes));
    begin_record({base, first, size}, layout, record);
    const load_error wrong = check_file(file, machine, layout, record);
    if (wrong != load_error::none) return to_string(wrong);
    std::fill_n(first + layout.control, page_bytes, static_cast<unsigned char>(0xcc));
    write_payload(file, record);
    seal_image<xxh64>(record);
    return "loaded";
  }
};

bytes file_for(elf64_machine machine) {
  bytes file = make_elf(base + 4, {{base, bytes(16, 7), 32}});
  put(file, elf_machine, machine);
  return file;
}
std::string text(load_error e) {
  return to_string(e);
}

TEST_F(crash_loader, takes_files_for_its_machine_and_for_no_other) {
  constexpr elf64_machine all[] = {elf64_machine::x86_64, elf64_machine::aarch64, elf64_machine::riscv};
  for (const elf64_machine machine : all)
    for (const elf64_machine other : all)
      EXPECT_EQ(load(file_for(other), machine), text(other == machine ? load_error::none : load_error::wrong_machine));
}

TEST_F(crash_loader, machines_have_the_numbers_of_the_elf_standard) {
  EXPECT_EQ(static_cast<int>(elf64_machine::x86_64), 62);
  EXPECT_EQ(static_cast<int>(elf64_machine::aarch64), 183);
  EXPECT_EQ(static_cast<int>(elf64_machine::riscv), 243);
}

TEST_F(crash_loader, refused_file_leaves_the_region_as_it_was) {
  const bytes before = memory;
  EXPECT_EQ(load(file_for(elf64_machine::riscv), elf64_machine::aarch64), text(load_error::wrong_machine));
  EXPECT_EQ(memory, before);
}

TEST_F(crash_loader, region_is_divided_without_a_gap) {
  ASSERT_TRUE(layout.place(size, 3 * page_bytes, 2 * page_bytes));
  EXPECT_EQ(layout.control - layout.stack, crash_stack_bytes);
  EXPECT_EQ(layout.core - layout.control, 3 * page_bytes);
  EXPECT_EQ(layout.end - layout.core, 2 * page_bytes);
  EXPECT_EQ(layout.end, size);
}

TEST_F(crash_loader, region_needs_one_page_of_payload) {
  const uint64_t needed = crash_stack_bytes + 2 * page_bytes + page_bytes;
  EXPECT_TRUE(layout.place(needed, page_bytes, page_bytes));
  EXPECT_EQ(layout.stack, page_bytes);
  EXPECT_FALSE(layout.place(needed - page_bytes, page_bytes, page_bytes));
}

TEST_F(crash_loader, seal_covers_payload_and_control_area_but_not_the_core) {
  ASSERT_EQ(load(file_for(elf64_machine::riscv), elf64_machine::riscv), text(load_error::none));
  EXPECT_EQ(record.payload_bytes, 32u);
  EXPECT_TRUE(image_intact(record));
  first[layout.core] ^= 1;
  EXPECT_TRUE(image_intact(record));
  for (const uint64_t at : {uint64_t{0}, uint64_t{31}, layout.control, layout.core - 1}) {
    first[at] ^= 1;
    EXPECT_FALSE(image_intact(record)) << at;
    first[at] ^= 1;
  }
  EXPECT_TRUE(image_intact(record));
}

TEST_F(crash_loader, flat_image_is_of_any_machine_and_leaves_the_rest_of_its_room_free) {
  ASSERT_EQ(load(bytes(5000, 9), elf64_machine::riscv, true), text(load_error::none));
  EXPECT_EQ(record.entry, base);
  EXPECT_EQ(first[4999], 9);
  EXPECT_EQ(first[5000], 0x5a);
  EXPECT_EQ(record.free, 2 * page_bytes);
  EXPECT_EQ(record.free + record.free_bytes, layout.stack);
}

TEST_F(crash_loader, region_that_is_misaligned_or_for_no_cpu_is_refused) {
  EXPECT_EQ(text(check_region({base, first, size}, 1)), text(load_error::none));
  EXPECT_EQ(text(check_region({base, first, size}, 0)), text(load_error::no_cpus));
  EXPECT_EQ(text(check_region({base + 8, first, size}, 1)), text(load_error::region_misaligned));
  EXPECT_EQ(text(check_region({base, first + 8, size}, 1)), text(load_error::region_misaligned));
  EXPECT_EQ(text(check_region({base, first, size + 8}, 1)), text(load_error::region_misaligned));
}

}  // namespace
}  // namespace crash_loader_test
