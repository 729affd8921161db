// SPDX-License-Identifier: BSL-1.0
// All of lastcpu/kexec, as a loader of any 64-bit machine uses it.
#include <lastcpu/kexec/core_reader.hpp>
#include <lastcpu/kexec/crash_loader.hpp>
#include <lastcpu/kexec/handover_reader.hpp>
#include <lastcpu/kexec/old_memory.hpp>
#include <lastcpu/kexec/sha256.hpp>
#include <lastcpu/kexec/small_core.hpp>
#include <lastcpu/kexec/srecord.hpp>

namespace kexec = lastcpu::kexec;

struct some_machine {
  struct registers {
    uint64_t general[32];
  };
  struct control {
    uint64_t root;
  };
  static constexpr kexec::elf64_machine machine = kexec::elf64_machine::aarch64;
  static constexpr uint32_t prstatus_words = 34;
  static uint64_t stack_pointer(const registers& regs) noexcept { return regs.general[31]; }
  static bool is_boot_cpu(const control&) noexcept { return false; }
  static uint64_t page_tables(const control& state) noexcept { return state.root; }
  static void fill_prstatus(unsigned char* to, const registers& regs, const control*) noexcept {
    kexec::copy_bytes(to, reinterpret_cast<const unsigned char*>(&regs), sizeof regs);
  }
};
struct some_walk {
  template <class ReadEntry>
  static bool translate(uint64_t root, uint32_t, uint64_t address, uint64_t& physical, ReadEntry read_entry) noexcept {
    return read_entry(root + address, physical);
  }
  static bool is_kernel_address(uint64_t address) noexcept { return address != 0; }
};
constinit kexec::crash_image_record machine{};
constinit kexec::kernel_facts facts{};
constinit kexec::small_core<some_machine, some_walk> small{};

extern "C" {

const char* load(const kexec::crash_region& region, const unsigned char* data, uint64_t bytes) {
  kexec::region_layout layout;
  const kexec::crash_file file{data, bytes, false};
  const kexec::ram_range kept_out{region.physical, region.bytes};
  kexec::load_error wrong = kexec::check_region(region, 4);
  if (wrong == kexec::load_error::none) wrong = kexec::check_contents(facts, kept_out, 1 << 30);
  kexec::core_layout core;
  core.place<some_machine>(facts, kept_out, 4);
  if (wrong != kexec::load_error::none ||
      !layout.place(region.bytes, 4096 + kexec::core_template_bytes(core), core.header_bytes))
    return kexec::to_string(wrong);
  kexec::begin_record(region, layout, machine);
  kexec::record_core(core, layout.control + 4096, machine);
  wrong = kexec::check_file(file, kexec::elf64_machine::aarch64, layout, machine);
  if (wrong == kexec::load_error::none) {
    kexec::write_payload(file, machine);
    kexec::build_core<some_machine>(machine, core, facts);
    kexec::seal_image<kexec::sha256>(machine);
    kexec::seal_image<kexec::xxh64>(machine);
  }
  return kexec::to_string(wrong);
}
bool intact() {
  return kexec::image_intact(machine) && kexec::image_intact<kexec::sha256>(machine);
}
void tell(const unsigned char* from, const unsigned char* to) {
  facts.ram.add(0, 4096);
  facts.add_image(from, to, 4096, 5);
  (void)facts.find_build_id(from, to);
}
bool save(const lastcpu::cpu_note<some_machine::registers>& note) {
  return kexec::save_note<some_machine>(machine, note, {nullptr, kexec::no_hardware_id});
}
void seal() {
  kexec::seal_handover(machine, kexec::handover_bytes<kexec::cpu_entry_of<some_machine>>(4));
}
const char* open(const void* at, uint64_t bytes, uint64_t* counters) {
  const auto opened = kexec::open_handover<some_machine>(at, bytes);
  if (opened.handover != nullptr) {
    const kexec::old_memory<some_walk> memory(*opened.handover);
    const kexec::core_reader core(static_cast<const unsigned char*>(at), bytes);
    if (core.check(*opened.handover) == kexec::core_error::none) counters[0] = core.file_bytes();
    if (kexec::boot_cpu_of<kexec::cpu_entry_of<some_machine>>(*opened.handover) != nullptr) ++counters[1];
    if (memory.copy(4096, counters, 32)) (void)memory.backtrace(1, 4096, counters, 4);
  }
  return kexec::to_string(opened.error);
}
bool send(const kexec::handover& from, void (*put)(const char*)) {
  kexec::srecord_writer out(put);
  out.begin("core");
  const auto add = [&](uint64_t place, const unsigned char* data, uint64_t n) {
    return out.add(place, data, n) == kexec::srecord_problem::none;
  };
  return small.plan(from) == kexec::core_error::none && small.for_each_piece(add) &&
         out.end(small.file_bytes()) == kexec::srecord_problem::none;
}
}
