// SPDX-License-Identifier: BSL-1.0
#include "disk_dump.hpp"

#include <lastcpu/kexec/core_reader.hpp>

#include "../kernel/console.hpp"
#include "core_writer.hpp"
#include "faults.hpp"
#include "machine.hpp"
#include "virtio_blk.hpp"

namespace {

namespace kexec = lastcpu::kexec;
using console::line;
using disk_dump::task;
using disk = virtio_blk<machine>;

constexpr uint64_t megabyte = 1'000'000;
constexpr uint64_t usual_request_us = 30'000'000;

constinit virtio_blk_memory disk_memory = {};
constinit core_plan plan = {};
constinit core_sums sums = {};

class world : public machine {
 public:
  explicit world(const task& t) noexcept : machine(t.handover->map_bytes, t.handover->ticks_per_second), task_(t) {}

  void progress(uint64_t done, uint64_t all, uint64_t us) noexcept {
    const uint64_t per_second = done * 1000 / (us / 1000 + 1);
    {
      line out;
      out << "crash: dump " << done * 100 / all << " %, " << done / megabyte << " of " << all / megabyte << " MB, "
          << per_second / megabyte << " MB/s";
      if (per_second != 0) out << ", " << (all - done + per_second - 1) / per_second << " s left";
    }
    tell_nmis();
    if (task_.faults_half_way != 0 && done >= all / 2) (void)read<uint64_t>(uint64_t{1} << 46);
  }

  [[nodiscard]] static const unsigned char* memory(uint64_t physical) noexcept {
    return reinterpret_cast<const unsigned char*>(physical);
  }

  void tell_nmis() noexcept {
    const uint32_t n = faults::nmis();
    if (n != nmis_told_)
      line() << "crash: dump: " << n << " NMI" << (n > 1 ? "s" : "") << " came in, and the dump goes on";
    nmis_told_ = n;
  }

 private:
  const task& task_;
  uint32_t nmis_told_ = faults::nmis();
};

using writer = core_writer<disk, world>;
constinit writer* at_work = nullptr;

bool wait_for_id(machine& m, disk& d) noexcept {
  d.get_id(0);
  const uint64_t begin = m.now_us();
  while (m.now_us() - begin < 2 * megabyte) {
    const block_completion c = d.poll();
    if (c.answer != block_answer::none) return c.answer == block_answer::ok;
  }
  return false;
}

struct found {
  bool any = false;
  pci::function at = {};
  uint32_t others = 0;
  dump_problem trouble = dump_problem::none;  // of one that can't even be asked
};

found find(machine& m, const char* serial) noexcept {
  found out;
  pci::for_each_function(m, [&](pci::function at, uint32_t id) {
    if (!disk::is_one(id)) return false;
    disk d(m, disk_memory);
    const dump_problem wrong = d.start(at);
    if (wrong != dump_problem::none) out.trouble = wrong;
    out.any = wrong == dump_problem::none && wait_for_id(m, d) && d.is_named(serial);
    out.at = at;
    d.stop();
    if (!out.any) ++out.others;
    return out.any;
  });
  return out;
}

void tell_failure(dump_problem p) noexcept {
  line() << "crash: dump failed: " << to_string(p) << "; " << remedy(p);
}

bool tell_missing(const found& f, const char* serial) noexcept {
  if (*serial == '\0') line() << "crash: dump was told no serial number: dump_disk= is empty, or it was written over";
  line() << "crash: dump wants a disk with the serial number " << serial << "; virtio disks with another: " << f.others;
  tell_failure(f.trouble != dump_problem::none ? f.trouble : dump_problem::no_disk);
  line() << "crash: dump: nothing has been written";
  return false;
}

void tell_rest(const writer& w, uint64_t all) noexcept {
  const uint64_t valid = w.valid_bytes();
  if (valid == 0) return (void)(line() << "crash: dump: nothing has been written");
  line() << "crash: dump: the core is incomplete, valid up to " << valid << " of " << all << " bytes"
         << (w.header_tells() ? "; its header says so"
                              : "; its header could not be written any more, and may say less");
}

void tell_success(const task& t, const writer& w) noexcept {
  const uint64_t us = w.elapsed_us();
  const uint64_t bytes = plan.file_bytes();
  line out;
  out << "crash: dump complete, " << bytes << " bytes in " << us / 1000 << " ms, " << bytes / (us + 1) << " MB/s";
  const uint64_t per_ms = t.handover->ticks_per_second / 1000;
  if (t.handover->panic_ticks != 0 && per_ms != 0)
    out << ", panic to the last byte " << (lastcpu::x86::rdtsc() - t.handover->panic_ticks) / per_ms << " ms";
}

core_limits limits_of(const task& t) noexcept {
  const uint64_t usual_all_us = 60 * megabyte + plan.file_bytes() / 10;  // a minute, and 10 MB/s
  return {t.request_us != 0 ? t.request_us : usual_request_us, t.all_us != 0 ? t.all_us : usual_all_us};
}

bool write(const task& t, world& m, pci::function at) noexcept {
  disk d(m, disk_memory);
  const dump_problem wrong = d.start(at);
  if (wrong != dump_problem::none) {
    tell_failure(wrong);
    return false;
  }
  line() << "crash: dump to the virtio disk at " << uint32_t{at.bus} << ":" << uint32_t{at.device} << "."
         << uint32_t{at.number} << " (" << (d.is_legacy() ? "legacy" : "modern") << "), "
         << d.capacity_bytes() / megabyte << " MB; the core has " << plan.file_bytes() / megabyte << " MB";
  kexec::handover& h = *t.handover;
  writer w(d, m, plan, sums, {&h.core_valid_bytes, &h.core, &h.core_problem}, limits_of(t));
  at_work = &w;
  const dump_problem p = w.run();
  at_work = nullptr;
  d.stop();
  m.tell_nmis();
  if (p == dump_problem::none && !w.has_room_for_sums())
    line() << "crash: dump: the disk has no room for the sums behind the core";
  if (p == dump_problem::none) {
    tell_success(t, w);
    return true;
  }
  tell_failure(p);
  tell_rest(w, plan.file_bytes());
  return false;
}

}  // namespace

bool disk_dump::run(const task& t) noexcept {
  const kexec::handover& h = *t.handover;
  auto* const header = reinterpret_cast<unsigned char*>(h.core_physical);
  const kexec::core_error wrong = kexec::core_reader(header, h.core_header_bytes).check(h);
  const bool usable = wrong == kexec::core_error::none || wrong == kexec::core_error::damaged;
  if (wrong != kexec::core_error::none) line() << "crash: dump: " << to_string(wrong);
  if (!usable || !plan.read(header, h.core_header_bytes)) {
    tell_failure(dump_problem::bad_core);
    return false;
  }
  world m(t);
  const found f = find(m, t.serial);
  return f.any ? write(t, m, f.at) : tell_missing(f, t.serial);
}

void disk_dump::abandon() noexcept {
  writer* const w = at_work;
  if (w == nullptr) return;
  at_work = nullptr;
  w->abandon(dump_problem::fault);
  tell_failure(dump_problem::fault);
  tell_rest(*w, plan.file_bytes());
}
