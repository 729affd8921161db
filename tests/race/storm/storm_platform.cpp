// SPDX-License-Identifier: BSL-1.0
#include "storm_platform.hpp"

#include <lastcpu/panic_policy.hpp>

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace storm {
namespace {

constexpr uint64_t register_mark = 0xc0de'0000'0000'0000u;

// CPUs that were parked or waiting, acknowledged, when this rung of the owner began.
lastcpu::atomic<uint32_t> at_rest_before_rung{};

[[nodiscard]] uint32_t cpus_at_rest() noexcept {
  uint32_t set = 0;
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) {
    const auto s = static_cast<cpu_state>(area->cpu[cpu].state.load(order::acquire));
    if (s == cpu_state::parked || s == cpu_state::waiting) set |= 1u << cpu;
  }
  return set;
}

[[nodiscard]] bool said_by(const char* text, cpu_id cpu) noexcept {
  char own[16];
  snprintf(own, sizeof own, "CPU %u ", cpu);
  return strncmp(text, own, strlen(own)) == 0 || strncmp(text, "SIGSEGV", 7) == 0;
}

void dump(const storm_image& i) noexcept {
  const cpu_id me = storm_platform::this_cpu();
  uint32_t life[cpu_count];
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) life[cpu] = area->cpu[cpu].life.load(order::relaxed);
  log_event(me, event::dump_begins);
  if (!is_whole(i)) note_wrong(wrong::torn_image);
  static lastcpu::atomic<uint32_t> page{};
  for (uint32_t n = 0; n < 6; ++n) {  // a dump takes its time
    page.store(n, order::relaxed);
    if (n % 2 == 0) sleep_us(5);
    disturb();
  }
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu)
    if (cpu != me && area->notes[cpu].present != 0 && area->notes[cpu].state != lastcpu::stop_state::silent &&
        area->cpu[cpu].life.load(order::relaxed) != life[cpu])
      note_wrong(wrong::still_running);
  area->dumps_complete.fetch_add(1, order::relaxed);
  log_event(me, event::dump_complete);
}

}  // namespace

storm_image make_image(uint64_t generation) noexcept {
  storm_image i{generation, {}};
  dice d(generation);
  for (uint64_t& w : i.words) w = d.next();
  return i;
}

bool is_whole(const storm_image& i) noexcept {
  const storm_image made = make_image(i.generation);
  return i.generation != 0 && memcmp(&made, &i, sizeof i) == 0;
}

lastcpu::posix_registers marked_registers(cpu_id cpu) noexcept {
  lastcpu::posix_registers r{};
  const uint64_t mark = register_mark + cpu;
  r.pc = r.sp = r.fp = r.flags = mark;
  for (uint64_t& g : r.general) g = mark;
  return r;
}

bool look_whole(const lastcpu::posix_registers& r, cpu_id cpu) noexcept {
  if (r.pc == 0 || r.sp == 0) return false;
  if (r.pc >> 32 != register_mark >> 32) return true;
  const lastcpu::posix_registers made = marked_registers(cpu);
  return memcmp(&made, &r, sizeof r) == 0;
}

void end_trial(trial_end how) noexcept {
  for (;;) syscall(SYS_exit_group, static_cast<int>(how));
}

void keep_note(const lastcpu::cpu_note<lastcpu::posix_registers>& n) noexcept {
  if (n.cpu >= cpu_count) return;
  note& kept = area->notes[n.cpu];
  kept.present = 1;
  kept.state = n.state;
  kept.crashing = n.crashing ? 1 : 0;
  kept.registers = n.registers == nullptr ? 0 : look_whole(*n.registers, n.cpu) ? 1 : 2;
  const char* said[] = {n.message, n.nmi_message, n.nested_message};
  kept.texts = 0;
  for (uint32_t i = 0; i < 3; ++i)
    if (said_by(said[i], n.cpu)) kept.texts |= 1u << i;
}

void storm_platform::send_stop(const lastcpu::cpu_set<max_cpus>& cpus, lastcpu::stop_how how) noexcept {
  const fault_point here = how == lastcpu::stop_how::irq ? fault_point::send_irq : fault_point::send_nmi;
  may_fault(here, false);
  const uint32_t asleep = at_rest_before_rung.load(order::relaxed);
  lastcpu::cpu_set<posix::max_cpus> wide;
  cpus.for_each([&](cpu_id cpu) {
    if ((asleep >> cpu & 1) != 0) note_wrong(wrong::stop_to_parked);
    disturb();
    wide.add(cpu);
  });
  posix::send_stop(wide, how);
  may_fault(here, true);
}

bool storm_platform::image_intact(const image& i) noexcept {
  disturb();
  may_fault(fault_point::image_check, false);
  return is_whole(i);
}

void storm_platform::save_note(const image&, const lastcpu::cpu_note<registers>& n) noexcept {
  disturb();
  if (!n.crashing) may_fault(fault_point::save_note, false);
  keep_note(n);
  may_fault(fault_point::save_note, true);
}

void storm_platform::crash_shutdown(const registers&) noexcept {
  may_fault(fault_point::crash_shutdown, false);
  if (hooks.stop_again != nullptr) hooks.stop_again();
  disturb();
  may_fault(fault_point::crash_shutdown, true);
}

void storm_platform::jump(const image& i) noexcept {
  may_fault(fault_point::jump, false);
  if (area->jumps.fetch_add(1, order::acq_rel) != 0) note_wrong(wrong::two_dumps);
  if (hooks.holds_gate != nullptr && !hooks.holds_gate(this_cpu())) note_wrong(wrong::not_the_owner);
  dump(i);
  end_trial(trial_end::dump);
}

void storm_platform::emergency_restart() noexcept {
  if (hooks.holds_gate != nullptr && !hooks.holds_gate(this_cpu())) note_wrong(wrong::not_the_owner);
  log_event(this_cpu(), event::restarts);
  end_trial(trial_end::restart);
}

void storm_platform::halt() noexcept {
  log_event(this_cpu(), event::halts);
  end_trial(trial_end::halt);
}

void storm_platform::trace(const lastcpu::trace_event& e) noexcept {
  log_event(e.cpu, static_cast<event>(e.kind), e.value);
  if (e.kind != lastcpu::trace_kind::step_begun) return;
  at_rest_before_rung.store(cpus_at_rest(), order::relaxed);
  const auto step = static_cast<lastcpu::step>(e.value);
  if ((step == lastcpu::step::notes || step == hooks.notes_step) && hooks.notes_begin != nullptr) hooks.notes_begin();
}

}  // namespace storm
