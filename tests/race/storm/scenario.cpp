// SPDX-License-Identifier: BSL-1.0
#include "scenario.hpp"

namespace storm {
namespace {

constexpr const char* scenario_names[scenario_count] = {
    "panic_vs_panic", "oops_vs_panic", "nmi_on_dumper", "nmi_loser",       "released_under_waiter", "nmi_panic_pending",
    "double_stop",    "stray_ack",     "late_ack",      "concurrent_stop", "reload_vs_crash",       "nested_in_step"};

struct writer {
  script s{};
  dice d;

  void play(cpu_id cpu, role r, uint32_t latest_us) noexcept {
    s.roles[cpu] = r;
    s.delays_us[cpu] = latest_us == 0 || d.chance(30) ? 0 : d.below(latest_us);
  }
  void play_some(role r, cpu_id from, cpu_id most, uint32_t latest_us) noexcept {
    const cpu_id n = 1 + d.below(most);
    for (cpu_id cpu = from; cpu < from + n && cpu < cpu_count; ++cpu) play(cpu, r, latest_us);
  }
  void shoot(shot::kind what, cpu_id target, uint32_t latest_us, bool once_it_oopses = false) noexcept {
    if (s.shot_count < most_shots) s.shots[s.shot_count++] = {what, target, d.below(latest_us + 1), once_it_oopses};
  }
  void shoot_strays(uint32_t most) noexcept {
    for (uint32_t n = 1 + d.below(most); n > 0; --n)
      shoot(d.chance(50) ? shot::kind::stray_nmi : shot::kind::stray_irq, d.below(cpu_count), 60);
  }
  [[nodiscard]] role a_crash() noexcept { return d.chance(60) ? role::oopses : role::faults; }
};

// Those who have nothing to do with it are in all the states a CPU can be in.
void write_bystanders(writer& w) noexcept {
  static constexpr role usual[] = {role::sleeps, role::sleeps, role::works, role::irqs_off};
  for (cpu_id cpu = 0; cpu < cpu_count; ++cpu) w.play(cpu, usual[w.d.below(4)], 0);
  if (w.d.chance(15)) w.play(cpu_count - 1, role::wedged, 0);
}

// Holds CPU 0 up just behind its claim, and CPU 1 between two looks at the gate, where the windows are a few
// instructions wide otherwise.
void widen_the_windows(writer& w) noexcept {
  if (w.d.chance(70)) w.s.chaos.pins[0] = {0, 1 + w.d.below(5), 50 + w.d.below(300)};
  if (w.d.chance(50)) w.s.chaos.pins[1] = {1, 1 + w.d.below(5), 50 + w.d.below(600)};
}

void write_nmis_on_owner(writer& w, uint32_t latest_us) noexcept {
  w.shoot(shot::kind::nmi_panic, 0, latest_us, true);
  if (w.d.chance(40)) w.shoot(shot::kind::nmi_panic, 0, latest_us);
}

void write_nested(writer& w) noexcept {
  w.play(0, w.d.chance(50) ? role::panics : w.a_crash(), 0);
  if (w.d.chance(50)) w.play_some(role::panics, 1, 3, 150);
  w.s.image = w.d.chance(70);
  for (uint32_t n = 1 + w.d.below(3); n > 0; --n) w.s.chaos.faults |= 1u << w.d.below(fault_point_count);
  w.s.chaos.faults_after = static_cast<uint32_t>(w.d.next());
}

void write_released(writer& w) noexcept {
  w.s.image = false;
  w.play(0, role::oopses, 0);
  widen_the_windows(w);
  if (w.d.chance(25)) w.play(4, role::oopses, 100);
  if (w.d.chance(90)) w.play_some(role::panics, 1, 3, 60);
  if (w.d.chance(30)) w.shoot(shot::kind::nmi_panic, 5, 80);
}

void write_races_of_two(scenario which, writer& w) noexcept {
  switch (which) {
    case scenario::panic_vs_panic:
      return w.play_some(role::panics, 0, 8, 100);
    case scenario::oops_vs_panic:
      w.play(0, w.a_crash(), 0);
      if (w.d.chance(30)) w.play(4, w.a_crash(), 100);
      return w.play_some(role::panics, 1, 3, 100);
    case scenario::nmi_on_dumper:
      w.play(0, w.a_crash(), 0);
      return write_nmis_on_owner(w, 250);
    case scenario::nmi_panic_pending:
      w.s.image = false;
      w.play(0, role::oopses, 0);
      widen_the_windows(w);
      return write_nmis_on_owner(w, 60);
    default:
      for (uint32_t n = 2 + w.d.below(4); n > 0; --n) w.shoot(shot::kind::nmi_panic, w.d.below(cpu_count), 20);
      if (w.d.chance(50)) w.play(0, role::panics, 60);
  }
}

void write_stops(scenario which, writer& w) noexcept {
  w.play(0, w.d.chance(60) ? role::panics : role::oopses, 60);
  if (w.d.chance(50)) w.play_some(role::panics, 1, 2, 100);
  switch (which) {
    case scenario::double_stop:
      w.s.stops_again = true;
      w.s.image = w.d.chance(70) || w.s.roles[0] == role::oopses;
      return w.shoot_strays(4);
    case scenario::stray_ack:
      return w.shoot_strays(8);
    case scenario::late_ack:
      for (cpu_id cpu = 4; cpu < cpu_count; ++cpu)
        if (w.d.chance(60)) w.play(cpu, role::irqs_off, 0);
      return;
    default:
      return w.play_some(role::asks_to_stop, 4, 3, 150);
  }
}

}  // namespace

const char* to_string(scenario s) noexcept {
  return scenario_names[static_cast<uint32_t>(s)];
}

std::optional<scenario> scenario_from(std::string_view name) noexcept {
  for (uint32_t i = 0; i < scenario_count; ++i)
    if (name == scenario_names[i]) return static_cast<scenario>(i);
  return {};
}

script write_script(scenario which, uint64_t seed) noexcept {
  writer w{{}, dice(seed)};
  w.s.image = true;
  w.s.chaos = make_chaos(w.d);
  write_bystanders(w);
  if (which == scenario::nested_in_step) {
    write_nested(w);
  } else if (which == scenario::released_under_waiter) {
    write_released(w);
  } else if (which == scenario::reload_vs_crash) {
    w.play(0, w.d.chance(50) ? role::panics : w.a_crash(), 150);
    w.play(1 + w.d.below(3), role::loads, 0);
  } else if (which >= scenario::double_stop && which <= scenario::concurrent_stop) {
    write_stops(which, w);
  } else {
    write_races_of_two(which, w);
  }
  return w.s;
}

}  // namespace storm
