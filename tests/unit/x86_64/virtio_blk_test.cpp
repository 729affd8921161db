// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <sys/mman.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "crash_kernel/virtio_blk.hpp"
#include "fake_virtio.hpp"

namespace virtio_blk_test {
namespace {

using dump_test::fake_machine;
using disk = virtio_blk<fake_machine>;

constexpr pci::function there{2, 5, 0};

struct virtio_blk_test : testing::Test {
  fake_machine machine;
  virtio_blk_memory* memory = nullptr;  // below 4 GiB: a legacy device is told the number of a page in 32 bits
  std::vector<unsigned char> data = std::vector<unsigned char>(1 << 20);

  void SetUp() override {
    void* low = mmap(nullptr, sizeof *memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    ASSERT_NE(low, MAP_FAILED);
    memory = static_cast<virtio_blk_memory*>(low);
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<unsigned char>(i * 7 + i / 512);
  }
  void TearDown() override { munmap(memory, sizeof *memory); }
  disk make() { return disk(machine, *memory); }
  [[nodiscard]] uint64_t at(uint64_t offset) const { return reinterpret_cast<uint64_t>(data.data()) + offset; }
};

dump_problem start(disk& d) {
  return d.start(there);
}

TEST_F(virtio_blk_test, the_function_is_found_among_all_buses) {
  std::vector<pci::function> seen;
  pci::for_each_function(machine, [&](pci::function f, uint32_t id) {
    if (disk::is_one(id)) seen.push_back(f);
    return false;
  });
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].bus * 1000 + seen[0].device, 2005);
  EXPECT_FALSE(disk::is_one(0x1000'1af4));
}

TEST_F(virtio_blk_test, a_device_that_is_both_is_used_as_a_modern_one) {
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  EXPECT_FALSE(d.is_legacy());
  EXPECT_EQ(machine.status, 15);
  EXPECT_EQ(machine.accepted, 1u << 9 | 1u << 2 | uint64_t{1} << 32);
  EXPECT_EQ(d.capacity_bytes(), 2048u * 512);
}

TEST_F(virtio_blk_test, a_legacy_device_works_too) {
  machine.has_modern = false;
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  EXPECT_TRUE(d.is_legacy());
  EXPECT_EQ(machine.status, 7);
  d.write(0, 4096, at(0), 8192);
  EXPECT_EQ(d.poll().answer, block_answer::ok);
  EXPECT_EQ(0, std::memcmp(machine.disk.data() + 4096, data.data(), 8192));
}

TEST_F(virtio_blk_test, registers_that_cannot_be_mapped_are_replaced_by_ports) {
  machine.can_map = false;
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  EXPECT_TRUE(d.is_legacy());
}

TEST_F(virtio_blk_test, registers_that_cannot_be_reached_are_said_to_be) {
  machine.can_map = machine.has_legacy = false;
  disk d = make();
  EXPECT_EQ(start(d), dump_problem::not_mapped);
  machine.has_modern = false;
  disk none = make();
  EXPECT_EQ(start(none), dump_problem::no_address);
}

TEST_F(virtio_blk_test, what_the_dead_kernel_had_set_up_is_undone) {
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  EXPECT_EQ(machine.resets, 1u);
  EXPECT_EQ(machine.command & 0x0407, 0x0407);
  EXPECT_EQ(machine.msi_x_control, 0);
}

TEST_F(virtio_blk_test, a_list_of_capabilities_that_goes_in_a_circle_ends) {
  machine.capabilities_in_a_circle = true;
  disk d = make();
  EXPECT_EQ(start(d), dump_problem::none);
}

TEST_F(virtio_blk_test, a_device_that_does_not_reset_is_given_up_within_a_bound) {
  machine.never_resets = true;
  machine.status = 7;
  disk d = make();
  EXPECT_EQ(start(d), dump_problem::request_too_slow);
  EXPECT_LT(machine.us, 2'000'000u);
}

TEST_F(virtio_blk_test, features_that_are_refused_are_said_to_be) {
  machine.refuses_features = true;
  disk refused = make();
  EXPECT_EQ(start(refused), dump_problem::device_refuses);
  machine.refuses_features = false;
  machine.features &= 0xffff'ffff;
  disk old = make();
  EXPECT_EQ(start(old), dump_problem::device_refuses);
}

TEST_F(virtio_blk_test, a_queue_of_a_size_that_does_not_do_is_refused) {
  machine.has_modern = false;
  for (const uint16_t entries : std::initializer_list<uint16_t>{0, 2, 100, 2048}) {
    machine.entries = entries;
    disk d = make();
    EXPECT_EQ(start(d), dump_problem::queue_size) << entries;
  }
}

TEST_F(virtio_blk_test, each_size_of_queue_carries_as_many_requests_as_fit) {
  for (const bool modern : {true, false})
    for (const auto& [entries, slots] : {std::pair{4, 1}, {8, 2}, {16, 5}, {256, 5}, {1024, 5}}) {
      machine.has_modern = modern;
      machine.entries = static_cast<uint16_t>(entries);
      disk d = make();
      ASSERT_EQ(start(d), dump_problem::none) << entries;
      EXPECT_EQ(d.slots(), static_cast<uint32_t>(slots)) << entries;
      for (uint32_t i = 0; i < 3000; ++i) {  // around the ring more than once
        d.write(i % d.slots(), 512 * (i % 2000), at(512 * (i % 1999)), 512);
        ASSERT_EQ(d.poll().answer, block_answer::ok);
        ASSERT_EQ(0, std::memcmp(machine.disk.data() + 512 * (i % 2000), data.data() + 512 * (i % 1999), 512));
      }
    }
}

TEST_F(virtio_blk_test, requests_in_flight_are_answered_one_by_one) {
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  machine.holds_back = true;
  for (uint32_t slot = 0; slot < d.slots(); ++slot) d.write(slot, slot * 4096, at(slot * 8192), 4096);
  EXPECT_EQ(d.poll().answer, block_answer::none);
  machine.holds_back = false;
  machine.process();
  for (uint32_t slot = 0; slot < d.slots(); ++slot) {
    const block_completion c = d.poll();
    EXPECT_EQ(c.slot, slot);
    EXPECT_EQ(c.answer, block_answer::ok);
    EXPECT_EQ(0, std::memcmp(machine.disk.data() + slot * 4096, data.data() + slot * 8192, 4096));
  }
  EXPECT_EQ(d.poll().answer, block_answer::none);
}

TEST_F(virtio_blk_test, a_request_is_one_piece_of_up_to_4_mib) {
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  EXPECT_EQ(d.most_bytes(), 4u << 20);
  d.write(0, 0, at(0), 1 << 20);
  EXPECT_EQ(machine.pieces.back(), (std::vector<uint32_t>{16, 1 << 20, 1}));
}

TEST_F(virtio_blk_test, limits_on_pieces_are_kept) {
  machine.features |= 1 << 1;
  machine.size_max = 65536 + 100;
  machine.seg_max = 3;
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  EXPECT_EQ(d.most_bytes(), 3u * 65536);
  d.write(0, 512, at(0), 2 * 65536 + 512);
  EXPECT_EQ(machine.pieces.back(), (std::vector<uint32_t>{16, 65536, 65536, 512, 1}));
  EXPECT_EQ(d.poll().answer, block_answer::ok);
  EXPECT_EQ(0, std::memcmp(machine.disk.data() + 512, data.data(), 2 * 65536 + 512));
}

TEST_F(virtio_blk_test, no_request_is_larger_than_the_queue_allows) {
  machine.features |= 1 << 1;
  machine.size_max = 4096;
  machine.seg_max = 1000;
  machine.entries = 16;
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  EXPECT_EQ(d.most_bytes(), 14u * 4096);
  EXPECT_EQ(d.slots(), 1u);
}

TEST_F(virtio_blk_test, the_serial_number_and_a_flush_are_asked_for) {
  machine.serial = "twenty-characters--!";
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  d.get_id(0);
  ASSERT_EQ(d.poll().answer, block_answer::ok);
  EXPECT_TRUE(d.is_named("twenty-characters--!"));
  EXPECT_TRUE(d.can_flush());
  d.flush(1);
  ASSERT_EQ(d.poll().slot, 1u);
  EXPECT_EQ(machine.flushes, 1u);
  EXPECT_EQ(machine.pieces.back(), (std::vector<uint32_t>{16, 1}));
}

TEST_F(virtio_blk_test, a_disk_is_known_by_all_of_its_serial_number) {
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  d.get_id(0);
  ASSERT_EQ(d.poll().answer, block_answer::ok);
  EXPECT_TRUE(d.is_named("lastcpu-dump"));
  EXPECT_FALSE(d.is_named("lastcpu"));
  EXPECT_FALSE(d.is_named("lastcpu-dump-2"));
  EXPECT_FALSE(d.is_named(""));
}

TEST_F(virtio_blk_test, a_disk_without_a_serial_number_is_nobodys) {
  machine.serial = "";
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  d.get_id(0);
  ASSERT_EQ(d.poll().answer, block_answer::ok);
  EXPECT_FALSE(d.is_named("")) << "who asks for none would get any disk";
}

TEST_F(virtio_blk_test, a_disk_that_is_read_only_says_so) {
  machine.features |= 1 << 5;
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  EXPECT_TRUE(d.read_only());
}

TEST_F(virtio_blk_test, an_error_is_the_answer_to_its_request) {
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  for (const uint8_t said : std::initializer_list<uint8_t>{1, 2, 3, 0xff}) {
    machine.answer = said;
    d.write(3, 0, at(0), 512);
    const block_completion c = d.poll();
    EXPECT_EQ(c.slot, 3u);
    EXPECT_EQ(c.answer, said <= 2 ? static_cast<block_answer>(said) : block_answer::nonsense);
  }
}

TEST_F(virtio_blk_test, answers_to_nothing_are_nonsense) {
  disk d = make();
  ASSERT_EQ(start(d), dump_problem::none);
  for (const uint32_t id : {0u, 1u, 255u, 256u, 0xffff'ffffu}) {
    ASSERT_EQ(start(d), dump_problem::none);
    machine.put_used(id, 1);
    EXPECT_EQ(d.poll().answer, block_answer::nonsense) << id;
  }
  machine.put_used(0, 300);
  EXPECT_EQ(d.poll().answer, block_answer::nonsense);
}

}  // namespace
}  // namespace virtio_blk_test
