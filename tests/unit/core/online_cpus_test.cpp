// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/online_cpus.hpp>

#include <gtest/gtest.h>

namespace online_cpus_test {
namespace {

using namespace lastcpu;

struct online_cpus_of_70 : testing::Test {
  online_cpus<atomic, 70> table;
};

TEST_F(online_cpus_of_70, are_none_at_the_start) {
  EXPECT_EQ(table.count(), 0u);
  for (cpu_id cpu = 0; cpu < 72; ++cpu) EXPECT_FALSE(table.contains(cpu));
}

TEST_F(online_cpus_of_70, come_and_go_one_by_one) {
  for (const cpu_id cpu : {0u, 31u, 32u, 69u}) table.add(cpu);
  table.add(32);
  EXPECT_EQ(table.count(), 4u);
  table.remove(32);
  table.remove(1);
  EXPECT_EQ(table.count(), 3u);
  EXPECT_TRUE(table.contains(0) && table.contains(31) && !table.contains(32) && table.contains(69));
}

TEST_F(online_cpus_of_70, refuse_numbers_that_no_cpu_has) {
  table.add(70);
  table.add(no_cpu);
  table.remove(no_cpu);
  EXPECT_EQ(table.count(), 0u);
  EXPECT_FALSE(table.contains(70) || table.contains(no_cpu));
}

TEST_F(online_cpus_of_70, stay_as_they_are_when_the_table_is_closed) {
  table.add(40);
  table.close();
  EXPECT_EQ(table.count(), 1u);
  EXPECT_TRUE(table.contains(40));
}

}  // namespace
}  // namespace online_cpus_test
