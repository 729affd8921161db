// SPDX-License-Identifier: BSL-1.0
// All of lastcpu/kexec, as a loader of any 64-bit machine uses it.
#include <lastcpu/kexec/crash_loader.hpp>
#include <lastcpu/kexec/handover.hpp>
#include <lastcpu/kexec/sha256.hpp>

namespace kexec = lastcpu::kexec;

struct registers {
  uint64_t general[32];
};
constinit kexec::crash_image_record machine{};

extern "C" {

const char* load(const kexec::crash_region& region, const unsigned char* data, uint64_t bytes) {
  kexec::region_layout layout;
  const kexec::crash_file file{data, bytes, false};
  kexec::load_error wrong = kexec::check_region(region, 4);
  if (wrong != kexec::load_error::none || !layout.place(region.bytes, 8192, kexec::handover_bytes<registers>(4)))
    return kexec::to_string(wrong);
  kexec::begin_record(region, layout, machine);
  wrong = kexec::check_file(file, kexec::elf64_machine::aarch64, layout, machine);
  if (wrong == kexec::load_error::none) {
    kexec::write_payload(file, machine);
    kexec::begin_handover<registers>(machine);
    kexec::seal_image<kexec::sha256>(machine);
    kexec::seal_image<kexec::xxh64>(machine);
  }
  return kexec::to_string(wrong);
}
bool intact() {
  return kexec::image_intact(machine) && kexec::image_intact<kexec::sha256>(machine);
}
bool save(const lastcpu::cpu_note<registers>& note) {
  return kexec::save_note(machine, note);
}
uint32_t read(const kexec::handover<registers>& left) {
  return left.valid() ? left.cpu(0)->flags : 0;
}
}
