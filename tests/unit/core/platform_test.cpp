// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform.hpp>

#include <lastcpu/archetype.hpp>
#include <lastcpu/detail/deadline.hpp>

#include <gtest/gtest.h>

#include "support/fake_platform.hpp"

namespace platform_test {
namespace {

using namespace lastcpu;
using lastcpu::test::fake_platform;

// A member that is hidden by a deleted or a private one is as good as missing.
struct bad_max_cpus_zero : archetype {
  static constexpr cpu_id max_cpus = 0;
};
struct bad_max_cpus_variable : archetype {
  static inline cpu_id max_cpus = 4;
};
struct bad_this_cpu_missing : archetype {
  static cpu_id this_cpu() = delete;
};
struct bad_this_cpu_throws : archetype {
  static cpu_id this_cpu() { return 0; }
};
struct bad_this_cpu_type : archetype {
  static uint64_t this_cpu() noexcept { return 0; }
};
struct bad_is_online_missing : archetype {
  static bool is_online(cpu_id) = delete;
};
struct bad_is_online_type : archetype {
  static int is_online(cpu_id) noexcept { return 1; }
};
class bad_atomic_missing : public archetype {
  template <class T>
  class atomic;
};
template <class T>
struct atomic_without_exchange {
  T load(order) const noexcept { return T{}; }
  void store(T, order) noexcept {}
  T value;
};
struct bad_atomic_without_exchange : archetype {
  template <class T>
  using atomic = atomic_without_exchange<T>;
};
template <class T>
struct fat_atomic : lastcpu::atomic<T> {
  T more{};
};
struct bad_atomic_fat : archetype {
  template <class T>
  using atomic = fat_atomic<T>;
};
class bad_registers_missing : public archetype {
  struct registers;
};
struct bad_registers_not_plain : archetype {
  struct registers {
    registers() {}
    registers(const registers&) {}
  };
  static void capture_registers(registers&) noexcept {}
  static void crash_shutdown(const registers&) noexcept {}
};
struct bad_capture_registers_missing : archetype {
  static void capture_registers(registers&) = delete;
};
struct bad_capture_registers_by_value : archetype {
  struct other {};
  static void capture_registers(other&) noexcept {}
};
struct bad_irq_save_missing : archetype {
  static irq_state irq_save() = delete;
};
struct bad_irq_save_type : archetype {
  static void irq_save() noexcept {}
};
struct bad_irq_restore_missing : archetype {
  static void irq_restore(irq_state) = delete;
};
struct bad_irq_restore_throws : archetype {
  static void irq_restore(irq_state) {}
};
struct bad_send_stop_missing : archetype {
  static void send_stop(const cpu_set<max_cpus>&, stop_how) = delete;
};
struct bad_send_stop_of_one_cpu : archetype {
  static void send_stop(cpu_id, stop_how) noexcept {}
};
struct bad_wait_while_missing : archetype {
  template <class T>
  static bool wait_while(const atomic<T>&, T, uint64_t) = delete;
};
struct bad_wait_while_type : archetype {
  template <class T>
  static void wait_while(const atomic<T>&, T, uint64_t) noexcept {}
};
struct bad_wait_while_narrow : archetype {
  static bool wait_while(const atomic<uint32_t>&, uint32_t, uint64_t) noexcept { return true; }
};
struct bad_wait_while_writes : archetype {
  template <class T>
  static bool wait_while(atomic<T>&, T, uint64_t) noexcept {
    return true;
  }
};
struct bad_wake_missing : archetype {
  template <class T>
  static void wake(const atomic<T>&, wake_reason) = delete;
};
struct bad_now_missing : archetype {
  static uint64_t now() = delete;
};
struct bad_now_narrow : archetype {
  static uint32_t now() noexcept { return 0; }
};
struct bad_ticks_missing : archetype {
  static uint64_t ticks_per_second() = delete;
};
struct bad_make_resettable_missing : archetype {
  static void make_resettable() = delete;
};
struct bad_park_missing : archetype {
  static void park() = delete;
};
struct bad_park_throws : archetype {
  static void park() {}
};
class bad_image_missing : public archetype {
  struct image;
};
struct bad_image_not_plain : archetype {
  struct image {
    image() {}
    image(const image&) {}
  };
  static bool image_intact(const image&) noexcept { return true; }
  static void jump(const image&) noexcept {}
};
struct bad_image_intact_missing : archetype {
  static bool image_intact(const image&) = delete;
};
struct bad_image_intact_type : archetype {
  static int image_intact(const image&) noexcept { return 1; }
};
struct bad_crash_shutdown_missing : archetype {
  static void crash_shutdown(const registers&) = delete;
};
struct bad_crash_shutdown_changes_registers : archetype {
  static void crash_shutdown(registers&) noexcept {}
};
struct bad_jump_missing : archetype {
  static void jump(const image&) = delete;
};
struct bad_jump_changes_image : archetype {
  static void jump(image&) noexcept {}
};
struct bad_emergency_restart_missing : archetype {
  static void emergency_restart() = delete;
};
struct bad_halt_missing : archetype {
  static void halt() = delete;
};
struct bad_save_note : archetype {
  static void save_note(const image&) noexcept {}
};
struct bad_trace : archetype {
  static void trace(trace_event&) noexcept {}
};
struct bad_trace_throws : archetype {
  static void trace(const trace_event&) {}
};
struct bad_adopt_this_cpu : archetype {
  static bool adopt_this_cpu() noexcept { return true; }
};
struct bad_cpu_limit : archetype {
  static uint64_t cpu_limit() noexcept { return 4; }
};
struct bad_self_stop : archetype {
  static void self_stop(cpu_id) noexcept {}
};

struct bad_force_stop : archetype {
  static void force_stop(cpu_id) noexcept {}
};
struct bad_has_nmi : archetype {
  static inline bool has_nmi = false;
};

static_assert(!platform<int>);
static_assert(!platform<bad_max_cpus_zero>);
static_assert(!platform<bad_max_cpus_variable>);
static_assert(!platform<bad_this_cpu_missing>);
static_assert(!platform<bad_this_cpu_throws>);
static_assert(!platform<bad_this_cpu_type>);
static_assert(!platform<bad_is_online_missing>);
static_assert(!platform<bad_is_online_type>);
static_assert(!platform<bad_atomic_missing>);
static_assert(!platform<bad_atomic_without_exchange>);
static_assert(!platform<bad_atomic_fat>);
static_assert(!platform<bad_registers_missing>);
static_assert(!platform<bad_registers_not_plain>);
static_assert(!platform<bad_capture_registers_missing>);
static_assert(!platform<bad_capture_registers_by_value>);
static_assert(!platform<bad_irq_save_missing>);
static_assert(!platform<bad_irq_save_type>);
static_assert(!platform<bad_irq_restore_missing>);
static_assert(!platform<bad_irq_restore_throws>);
static_assert(!platform<bad_send_stop_missing>);
static_assert(!platform<bad_send_stop_of_one_cpu>);
static_assert(!platform<bad_wait_while_missing>);
static_assert(!platform<bad_wait_while_type>);
static_assert(!platform<bad_wait_while_narrow>);
static_assert(!platform<bad_wait_while_writes>);
static_assert(!platform<bad_wake_missing>);
static_assert(!platform<bad_now_missing>);
static_assert(!platform<bad_now_narrow>);
static_assert(!platform<bad_ticks_missing>);
static_assert(!platform<bad_make_resettable_missing>);
static_assert(!platform<bad_park_missing>);
static_assert(!platform<bad_park_throws>);
static_assert(!platform<bad_image_missing>);
static_assert(!platform<bad_image_not_plain>);
static_assert(!platform<bad_image_intact_missing>);
static_assert(!platform<bad_image_intact_type>);
static_assert(!platform<bad_crash_shutdown_missing>);
static_assert(!platform<bad_crash_shutdown_changes_registers>);
static_assert(!platform<bad_jump_missing>);
static_assert(!platform<bad_jump_changes_image>);
static_assert(!platform<bad_emergency_restart_missing>);
static_assert(!platform<bad_halt_missing>);
static_assert(!platform<bad_save_note>);
static_assert(!platform<bad_trace>);
static_assert(!platform<bad_trace_throws>);
static_assert(!platform<bad_adopt_this_cpu>);
static_assert(!platform<bad_cpu_limit>);
static_assert(!platform<bad_self_stop>);
static_assert(!platform<bad_force_stop>);
static_assert(!platform<bad_has_nmi>);

// Each optional member may be there in its right shape.
struct with_everything : fake_platform {
  static void save_note(const image&, const cpu_note<registers>&) noexcept {}
  static cpu_id adopt_this_cpu() noexcept { return max_cpus; }
  static uint32_t hardware_id() noexcept { return 7; }
  static cpu_id cpu_limit() noexcept { return max_cpus; }
  static void self_stop() noexcept {}
  static constexpr bool has_nmi = false;
  static bool force_stop(cpu_id) noexcept { return true; }
};
static_assert(platform<with_everything>);
static_assert(platform<fake_platform>);
static_assert(platform<archetype>);
static_assert(platform_checked<archetype>);

TEST(platform, archetype_is_a_machine_with_one_cpu_that_can_be_played) {
  EXPECT_LT(archetype::this_cpu(), archetype::max_cpus);
  EXPECT_TRUE(archetype::is_online(archetype::this_cpu()));
  EXPECT_FALSE(archetype::image_intact(archetype::image{}));
  lastcpu::atomic<uint32_t> word;
  EXPECT_FALSE(archetype::wait_while(word, 0u, archetype::now()));
  EXPECT_EQ(detail::deadline_in<archetype>(5), archetype::now() + 5 + 1) << "its clock counts microseconds";
}

}  // namespace
}  // namespace platform_test
