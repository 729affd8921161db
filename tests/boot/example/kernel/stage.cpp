// SPDX-License-Identifier: BSL-1.0
#include "stage.hpp"

#include "after_boot.hpp"
#include "command_line.hpp"
#include "console.hpp"
#include "crash_image.hpp"
#include "panic.hpp"
#include "scenarios.hpp"
#include "work.hpp"

namespace x86 = lastcpu::x86;
using lastcpu::order;

extern "C" uint64_t direct_map_pages[];  // the example kernel's boot.S: an entry for each 2 MiB

namespace {

constinit const scenarios::scenario* played = nullptr;
constinit uint64_t the_seed = 0;
constinit uint32_t the_roles = 0;
constinit lastcpu::atomic<uint32_t> arrived{};
constinit lastcpu::atomic<uint64_t> curtain{};

uint64_t scramble(uint64_t n) noexcept {
  n = (n ^ n >> 30) * 0xbf58'476d'1ce4'e5b9;
  n = (n ^ n >> 27) * 0x94d0'49bb'1331'11eb;
  return n ^ n >> 31;
}

// The last one to come says when it begins.
uint64_t beginning() noexcept {
  constexpr uint64_t time_to_look_us = 100;
  if (arrived.fetch_add(1, order::acq_rel) + 1 == the_roles)
    curtain.store(x86::rdtsc() + clock::ticks_per_second() / 1'000'000 * time_to_look_us, order::release);
  stage::wait_until([] { return curtain.load(order::acquire) != 0; });
  return curtain.load(order::acquire);
}

const scenarios::scenario* find(const char* name) noexcept {
  const scenarios::scenario* lists[] = {scenarios::simple_ones, scenarios::races,  scenarios::nmis,
                                        scenarios::stops,       scenarios::faults, scenarios::image_troubles,
                                        scenarios::protection};
  for (const auto* list : lists)
    for (; list->name != nullptr; ++list)
      if (same(list->name, name)) return list;
  return nullptr;
}

void play() noexcept {
  const lastcpu::cpu_id me = port::this_cpu();
  const uint32_t n = cpus::count();
  const uint32_t role = static_cast<uint32_t>((me + n - the_seed % n) % n);
  if (role >= the_roles) return;
  cpus::all[me].running = played->name;
  played->play(role);
  cpus::all[me].running = "idle";
}

void flip_a_bit(volatile unsigned char& byte) noexcept {
  byte = byte ^ 1;
}

}  // namespace

uint64_t stage::seed() noexcept {
  return the_seed;
}
uint32_t stage::roles() noexcept {
  return the_roles;
}
lastcpu::cpu_id stage::cpu_of(uint32_t role) noexcept {
  return static_cast<lastcpu::cpu_id>((role + the_seed) % cpus::count());
}

void stage::meet() noexcept {
  const uint64_t at = beginning();
  wait_until([at] { return x86::rdtsc() >= at; });
}

// Seeds differ in who is late and in the scale of it, from one tick to some milliseconds; and in two of three nobody can
// be stopped by interrupt before he has had his turn.
void stage::meet_with_skew() noexcept {
  if (the_seed % 3 != 0) x86::cli();
  const uint64_t range = uint64_t{1} << the_seed % 24;
  const uint64_t at = beginning() + scramble(the_seed << 16 | port::this_cpu()) % range;
  wait_until([at] { return x86::rdtsc() >= at; });
}

void stage::wait_us(uint64_t microseconds) noexcept {
  clock::wait_us(microseconds);
}

void stage::wait_less(uint32_t times) noexcept {
  if (cpus::count() <= 8) clock::hurry(times);
}

void stage::send_nmi(lastcpu::cpu_id cpu) noexcept {
  (void)port::local_apic::send(port::apic_id(cpu), x86::ipi_message::nmi());
}

void stage::write_to_null() noexcept {
  volatile uint64_t* volatile null = nullptr;
  *null = 1;
}

void stage::damage_the_image() noexcept {
  flip_a_bit(memory::crash_region().mapped[the_seed % 4096]);
}

void stage::unmap(uint64_t physical) noexcept {
  static_cast<volatile uint64_t&>(direct_map_pages[physical / memory::large_page]) = 0;
  x86::invlpg(memory::at_physical(physical));
}

void stage::forbid_execution(const lastcpu::kexec::crash_region& region) noexcept {
  constexpr uint64_t no_execute = uint64_t{1} << 63;
  for (uint64_t at = region.physical; at < region.physical + region.bytes; at += memory::large_page) {
    direct_map_pages[at / memory::large_page] |= no_execute;
    x86::invlpg(memory::at_physical(at));
  }
}

[[noreturn]] void stage::leave(uint32_t code) noexcept {
  x86::out32(0xf4, code);
  for (;;) x86::halt();  // pvpanic only stops the machine, some instructions later
}

// Loads the crash kernel and lets every CPU play its role.
void after_boot() noexcept {
  machine.come_online();  // the boot CPU: the C interface keeps a table of its own
  text name;
  command_line::value("scenario", "nothing", name);
  the_seed = command_line::number("seed", 1);
  console::line() << "kernel: scenario " << name.c_str() << " seed " << the_seed;
  played = find(name.c_str());
  if (played == nullptr) {
    console::line() << "kernel: there is no such scenario";
    return stage::leave(2);
  }
  the_roles = played->roles == scenarios::everybody ? cpus::count() : played->roles;
  const uint32_t needed = played->roles == scenarios::everybody ? 2 : played->roles;
  if (cpus::count() < needed) {
    console::line() << "kernel: this scenario needs " << needed << " cpus";
    return stage::leave(3);
  }
  if (command_line::is("image", "damaged")) flip_a_bit(*memory::at_physical(crash_image::get_file().address));
  if (!command_line::is("image", "none")) crash_image::load();
  work::on_every_cpu(play);
}
