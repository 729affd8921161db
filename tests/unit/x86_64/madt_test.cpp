// SPDX-License-Identifier: BSL-1.0
// The example kernel's reader of the firmware's list of CPUs.
#include "kernel/madt.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

namespace madt_test {
namespace {

using bytes = std::vector<unsigned char>;

void put(bytes& to, uint64_t value, unsigned n) {
  for (unsigned i = 0; i < n; ++i) to.push_back(static_cast<unsigned char>(value >> 8 * i));
}

struct madt {
  madt() : table(44) { std::memcpy(table.data() + 36, "\x00\x00\xe0\xfe", 4); }
  madt& cpu(uint8_t apic_id, uint32_t flags = 1) {
    put(table, 0x0800, 2), put(table, 0, 1), put(table, apic_id, 1), put(table, flags, 4);
    return *this;
  }
  madt& x2apic_cpu(uint32_t apic_id, uint32_t flags = 1) {
    put(table, 0x1009, 2), put(table, 0, 2), put(table, apic_id, 4), put(table, flags, 4), put(table, 0, 4);
    return *this;
  }
  madt& io_apic(uint32_t address) {
    put(table, 0x0c01, 2), put(table, 0, 2), put(table, address, 4), put(table, 0, 4);
    return *this;
  }
  // In memory of just its size, so that a sanitizer sees a read behind it.
  [[nodiscard]] std::unique_ptr<acpi::machine> read() const {
    auto out = std::make_unique<acpi::machine>();
    const bytes exact(table.begin(), table.end());
    acpi::read_madt({exact.data(), static_cast<uint32_t>(exact.size())}, *out);
    return out;
  }
  bytes table;
};

std::vector<uint32_t> ids(const acpi::machine& m) {
  return {m.apic_ids, m.apic_ids + m.cpu_count};
}
using numbers = std::vector<uint32_t>;

TEST(madt, cpus_and_controllers_are_in_its_order) {
  const auto m = madt().cpu(4).io_apic(0xfec0'0000).cpu(2).x2apic_cpu(0x1234).io_apic(0xfec1'0000).read();
  EXPECT_EQ(ids(*m), (numbers{4, 2, 0x1234}));
  EXPECT_EQ(m->io_apic_count, 2u);
  EXPECT_EQ(m->io_apics[1], 0xfec1'0000u);
  EXPECT_EQ(m->local_apic, 0xfee0'0000u);
}

TEST(madt, cpu_that_is_listed_as_apic_and_as_x2apic_is_one_cpu) {
  EXPECT_EQ(ids(*madt().cpu(0).cpu(1).x2apic_cpu(0).x2apic_cpu(1).x2apic_cpu(256).read()), (numbers{0, 1, 256}));
  EXPECT_EQ(ids(*madt().x2apic_cpu(3).cpu(3).read()), numbers{3});
}

TEST(madt, boot_cpu_that_is_listed_twice_is_one_cpu) {
  EXPECT_EQ(ids(*madt().cpu(0).cpu(1).cpu(0).read()), (numbers{0, 1}));
}

TEST(madt, cpu_that_is_disabled_in_one_entry_and_not_in_the_other_is_there) {
  EXPECT_EQ(ids(*madt().cpu(5, 0).x2apic_cpu(5).cpu(6).x2apic_cpu(6, 0).cpu(7, 0).read()), (numbers{5, 6}));
}

TEST(madt, id_that_would_address_every_cpu_is_none) {
  EXPECT_EQ(ids(*madt().cpu(255).x2apic_cpu(0xffff'ffff).x2apic_cpu(255).read()), numbers{255});
}

TEST(madt, cpus_beyond_the_room_are_counted_and_those_listed_twice_are_not_among_them) {
  madt table;
  for (uint32_t id = 0; id < acpi::max_cpus; ++id) table.x2apic_cpu(id);
  for (uint32_t id = 0; id < 100; ++id) table.cpu(static_cast<uint8_t>(id));
  EXPECT_EQ(table.read()->cpus_left_out, 0u);
  table.x2apic_cpu(1000).x2apic_cpu(1001);
  EXPECT_EQ(table.read()->cpus_left_out, 2u);
  EXPECT_EQ(table.read()->cpu_count, acpi::max_cpus);
}

TEST(madt, entry_that_does_not_fit_into_the_table_ends_it) {
  for (size_t missing = 1; missing <= 8; ++missing) {
    madt table;
    table.cpu(1).cpu(2);
    table.table.resize(table.table.size() - missing);
    EXPECT_EQ(ids(*table.read()), numbers{1}) << missing;
  }
  madt table;
  table.cpu(1);
  put(table.table, 0x0000, 2);  // of no length: it would be read for ever
  EXPECT_EQ(ids(*table.cpu(2).read()), numbers{1});
}

TEST(madt, entry_that_is_shorter_than_its_kind_is_not_read_beyond_its_end) {
  madt table;
  put(table.table, 0x0400, 2), put(table.table, 0x0100, 2);  // ends before its flags
  put(table.table, 0x0209, 2);
  EXPECT_EQ(ids(*table.read()), numbers{});
}

}  // namespace
}  // namespace madt_test
