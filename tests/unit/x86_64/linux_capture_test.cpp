// SPDX-License-Identifier: BSL-1.0
// What Linux is told when it is started as a crash kernel: the core's header and the page of parameters.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "linux_capture/boot_params.hpp"
#include "linux_capture/elf_core_header.hpp"

namespace linux_capture_test {
namespace {

using bytes = std::vector<unsigned char>;
using lastcpu::kexec::read_word;
using lastcpu::kexec::write_word;

constexpr uint64_t core_at = 0x900'0000, low = 0x9'f000, copy = 0x800'0000;
constexpr uint64_t kernel_virtual = 0xffff'ffff'8000'0000, map_virtual = 0xffff'8000'0000'0000;

struct segment {
  uint32_t type;
  uint64_t offset, virtual_address, physical, bytes;
};

segment segment_of(const bytes& header, unsigned i) {
  const unsigned char* at = header.data() + 64 + 56 * i;
  EXPECT_EQ(read_word<uint64_t>(at + 40), read_word<uint64_t>(at + 32)) << "as much in memory as in the file";
  return {read_word<uint32_t>(at), read_word<uint64_t>(at + 8), read_word<uint64_t>(at + 16),
          read_word<uint64_t>(at + 24), read_word<uint64_t>(at + 32)};
}

/// A page, which is the beginning of a core.
bytes core_with(const std::vector<segment>& loads) {
  bytes out(4096);
  write_word(&out[0], uint32_t{0x464c'457f});
  write_word(&out[16], uint16_t{4});
  write_word(&out[32], uint64_t{64});
  write_word(&out[54], uint16_t{56});
  std::vector<segment> all{{4, 0x404, 0, 0, 1300}};
  all.insert(all.end(), loads.begin(), loads.end());
  write_word(&out[56], static_cast<uint16_t>(all.size()));
  unsigned char* at = &out[64];
  for (const segment& s : all) {
    write_word(at, s.type), write_word(at + 4, uint32_t{6}), write_word(at + 8, s.offset);
    write_word(at + 16, s.virtual_address), write_word(at + 24, s.physical), write_word(at + 32, s.bytes);
    at += 56;
  }
  return out;
}

elf_core_header header_of(const bytes& core) {
  return {core.data(), core.size(), core_at};
}

bytes written(const bytes& core, uint64_t low_bytes = low) {
  const elf_core_header header = header_of(core);
  bytes out(header.room(), 0xee);
  out.resize(header.write(out.data(), {low_bytes, copy}));
  return out;
}

TEST(linux_capture, header_has_physical_addresses_in_place_of_offsets) {
  const bytes out = written(core_with({{1, 0x1000, map_virtual + 0x10'0000, 0x10'0000, 0x5000},
                                       {1, 0x2000, kernel_virtual + 0x20'0000, 0x20'0000, 0x3000}}));
  EXPECT_EQ(read_word<uint16_t>(&out[56]), 3);
  EXPECT_EQ(out.size(), 64u + 3 * 56);
  EXPECT_EQ(std::memcmp(&out[12], "anew", 4), 0) << "its beginning is not the one that has a sum";
  EXPECT_EQ(segment_of(out, 0).offset, core_at + 0x404) << "the notes are in the core area";
  EXPECT_EQ(segment_of(out, 0).bytes, 1300u + 12);
  EXPECT_EQ(segment_of(out, 1).offset, 0x10'0000u);
  EXPECT_EQ(segment_of(out, 1).virtual_address, map_virtual + 0x10'0000);
  EXPECT_EQ(segment_of(out, 2).offset, 0x20'0000u);
  EXPECT_EQ(segment_of(out, 2).physical, 0x20'0000u);
  EXPECT_EQ(segment_of(out, 2).bytes, 0x3000u);
}

TEST(linux_capture, memory_that_linux_writes_to_is_read_from_its_copy) {
  const bytes out =
      written(core_with({{1, 0x1000, map_virtual, 0, 0x9'f000}, {1, 0, map_virtual + 0x2000, 0x2000, 1}}));
  EXPECT_EQ(read_word<uint16_t>(&out[56]), 3);
  EXPECT_EQ(segment_of(out, 1).offset, copy);
  EXPECT_EQ(segment_of(out, 1).physical, 0u);
  EXPECT_EQ(segment_of(out, 1).bytes, 0x9'f000u);
  EXPECT_EQ(segment_of(out, 2).offset, copy + 0x2000);
}

TEST(linux_capture, segment_that_is_partly_low_becomes_two) {
  const bytes out = written(core_with({{1, 0x1000, map_virtual + 0x1000, 0x1000, 0x100'0000}}));
  EXPECT_EQ(read_word<uint16_t>(&out[56]), 3);
  const segment first = segment_of(out, 1), second = segment_of(out, 2);
  EXPECT_EQ(first.offset, copy + 0x1000);
  EXPECT_EQ(first.bytes, low - 0x1000);
  EXPECT_EQ(second.offset, low);
  EXPECT_EQ(second.physical, low);
  EXPECT_EQ(second.virtual_address, map_virtual + low);
  EXPECT_EQ(first.bytes + second.bytes, 0x100'0000u);
}

TEST(linux_capture, notes_end_with_an_empty_one_where_there_is_room) {
  bytes core = core_with({});
  EXPECT_EQ(segment_of(written(core), 0).bytes, 1300u + 12);
  core[0x404 + 1300 + 11] = 1;
  EXPECT_EQ(segment_of(written(core), 0).bytes, 1300u);
  core = core_with({});
  write_word(&core[64 + 32], uint64_t{4096 - 0x404 - 11});
  EXPECT_EQ(segment_of(written(core), 0).bytes, 4096u - 0x404 - 11);
}

TEST(linux_capture, header_fits_its_room_when_every_segment_is_parted) {
  const bytes core = core_with(std::vector<segment>(40, {1, 0x1000, map_virtual, 0, 0x100'0000}));
  EXPECT_LE(written(core).size(), header_of(core).room());
}

bytes bzimage_file() {
  bytes out(0x4000);
  out[0x1f1] = 3;
  out[0x201] = 0x6a;
  std::memcpy(&out[0x202], "HdrS", 4);
  write_word(&out[0x206], uint16_t{0x20f});
  out[0x234] = 1;
  out[0x236] = 0x7f;
  write_word(&out[0x230], uint32_t{0x20'0000});
  write_word(&out[0x258], uint64_t{0x100'0000});
  write_word(&out[0x260], uint32_t{0x337'8000});
  return out;
}

TEST(linux_capture, kernel_that_is_not_relocatable_or_not_one_is_refused) {
  const auto check = [](unsigned at, unsigned char value) {
    bytes file = bzimage_file();
    file[at] = value;
    const char* wrong = linux_boot::bzimage(file.data(), file.size()).check();
    return std::string(wrong != nullptr ? wrong : "");
  };
  EXPECT_EQ(check(0, 0), "");
  EXPECT_EQ(check(0x202, 'h'), "the file is no bzImage");
  EXPECT_EQ(check(0x1f1, 40), "the file is no bzImage") << "its code is behind its end";
  for (unsigned at : {0x206u, 0x234u, 0x236u}) EXPECT_NE(check(at, 0).find("relocatable"), std::string::npos) << at;
  EXPECT_STREQ(linux_boot::bzimage(bzimage_file().data(), 100).check(), "the file is no bzImage");
}

TEST(linux_capture, kernel_that_asks_for_no_possible_place_is_refused) {
  const auto is_refused = [](unsigned at, auto value) {
    bytes file = bzimage_file();
    write_word(&file[at], value);
    const char* wrong = linux_boot::bzimage(file.data(), file.size()).check();
    return wrong != nullptr && std::string(wrong).find("damaged") != std::string::npos;
  };
  EXPECT_FALSE(is_refused(0, uint8_t{0}));
  EXPECT_TRUE(is_refused(0x230, uint32_t{0})) << "alignment: it would go to address 0";
  EXPECT_TRUE(is_refused(0x230, uint32_t{0x30'0000}));
  EXPECT_TRUE(is_refused(0x258, ~uint64_t{0})) << "lowest place: behind the end of all";
  EXPECT_TRUE(is_refused(0x260, uint32_t{0x3000})) << "memory: less than the file has";
}

TEST(linux_capture, parameters_say_where_everything_is) {
  const bytes file = bzimage_file();
  const linux_boot::bzimage kernel(file.data(), file.size());
  EXPECT_EQ(kernel.code(), 0x800u);
  EXPECT_EQ(kernel.memory_bytes(), 0x337'8000u);
  bytes page(4096);
  linux_boot::boot_params out(page.data(), kernel);
  EXPECT_EQ(std::memcmp(&page[0x202], "HdrS", 4), 0) << "the kernel's own header is in it";
  EXPECT_EQ(read_word<uint32_t>(&page[0x260]), 0x337'8000u);
  EXPECT_EQ(page[0x26c], 0) << "and nothing that is behind it";
  out.set_initrd(0x1'2345'6000, 0x2'0000'3000);
  out.set_command_line(0x3'7654'3000);
  out.set_rsdp(0xf'59e0);
  EXPECT_EQ(read_word<uint32_t>(&page[0x218]), 0x2345'6000u);
  EXPECT_EQ(read_word<uint32_t>(&page[0x0c0]), 1u);
  EXPECT_EQ(read_word<uint32_t>(&page[0x21c]), 0x3000u);
  EXPECT_EQ(read_word<uint32_t>(&page[0x0c4]), 2u);
  EXPECT_EQ(read_word<uint32_t>(&page[0x228]), 0x7654'3000u);
  EXPECT_EQ(read_word<uint32_t>(&page[0x0c8]), 3u);
  EXPECT_EQ(read_word<uint64_t>(&page[0x070]), 0xf'59e0u);
}

TEST(linux_capture, memory_map_ends_where_the_page_has_no_room) {
  const bytes file = bzimage_file();
  bytes page(4096);
  linux_boot::boot_params out(page.data(), {file.data(), file.size()});
  for (uint64_t i = 0; i < 128; ++i) EXPECT_TRUE(out.add_memory(i << 32, 4096, linux_boot::memory::reserved));
  const bytes before = page;
  EXPECT_FALSE(out.add_memory(0, 4096, linux_boot::memory::ram));
  EXPECT_EQ(page, before);
  EXPECT_EQ(page[0x1e8], 128);
  EXPECT_EQ(read_word<uint64_t>(&page[0x2d0 + 127 * 20]), uint64_t{127} << 32);
  EXPECT_EQ(read_word<uint64_t>(&page[0x2d0 + 127 * 20 + 8]), 4096u);
  EXPECT_EQ(read_word<uint32_t>(&page[0x2d0 + 127 * 20 + 16]), 2u);
}

}  // namespace
}  // namespace linux_capture_test
