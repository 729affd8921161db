// SPDX-License-Identifier: BSL-1.0
#include "serial_dump.hpp"

#include <lastcpu/kexec/small_core.hpp>
#include <lastcpu/kexec/srecord.hpp>
#include <lastcpu/platform/x86_64/core_registers.hpp>
#include <lastcpu/platform/x86_64/instructions.hpp>
#include <lastcpu/platform/x86_64/page_walk.hpp>

#include "../kernel/console.hpp"
#include "serial_line.hpp"

namespace {

namespace kexec = lastcpu::kexec;
namespace x86 = lastcpu::x86;
using console::line;
using kexec::srecord_problem;

struct port_and_clock {
  uint64_t hertz;

  [[nodiscard]] static uint8_t in8(uint16_t port) noexcept { return x86::in8(port); }
  static void out8(uint16_t port, uint8_t byte) noexcept { x86::out8(port, byte); }
  static void pause() noexcept { x86::pause(); }
  [[nodiscard]] static uint64_t now() noexcept { return x86::rdtsc(); }
  [[nodiscard]] uint64_t ticks_per_second() const noexcept { return hertz; }
};
using serial = serial_line<port_and_clock>;

constinit kexec::small_core<x86::core_registers, x86::page_walk> core = {};

/// The core as rows to put(const char*); in `rows` and `characters` how many. False: it stopped at `problem`, which may be
/// none: memory that could be read can't be read any more.
struct records {
  srecord_problem problem = srecord_problem::none;
  uint64_t rows = 0;
  uint64_t characters = 0;

  template <class Put>
  bool write(Put put) noexcept {
    kexec::srecord_writer<Put> out(put);
    out.begin("lastcpu core");
    const bool whole = core.for_each_piece([&](uint64_t place, const unsigned char* bytes, uint64_t n) {
      problem = out.add(place, bytes, n);
      return problem == srecord_problem::none;
    });
    if (whole) problem = out.end(core.file_bytes());
    constexpr uint64_t lines_of_no_data = 3;
    rows = out.rows();
    characters = out.characters() + rows + lines_of_no_data;  // each line end is two characters there
    return whole && problem == srecord_problem::none;
  }
};

bool fail(const char* why) noexcept {
  line() << "crash: dump failed: " << why;
  return false;
}

void tell_size(const records& r) noexcept {
  const uint64_t tenths = r.characters * 10 / serial::characters_per_second;
  line() << "crash: dump over the serial line: a core of " << core.file_bytes() << " bytes, most of them zero, "
         << r.rows << " rows, " << r.characters << " characters, " << tenths / 10 << "." << tenths % 10
         << " s at 115200";
  if (core.pages_left_out() != 0) line() << "crash: dump: no room for " << core.pages_left_out() << " pages of stacks";
}

// A line of its own now and then, which no reader takes for a row. Where one is missing, it says between which of them.
class progress {
 public:
  explicit progress(uint64_t all) noexcept : all_(all) {}

  void tell(serial& to, uint64_t sent, uint64_t rows) noexcept {
    const uint64_t percent = sent * 100 / (all_ + 1);
    if (percent < next_ || sent > all_) return;
    next_ = percent / 10 * 10 + 10;
    text out;
    out << "# " << percent << " %, " << rows << " rows, " << (all_ - sent) / serial::characters_per_second
        << " s left at 115200\n";
    to.put(out.c_str());
  }

 private:
  uint64_t all_;
  uint64_t next_ = 10;
};

uint64_t length_on_the_line(const char* row) noexcept {
  uint64_t n = 1;
  while (*row != '\0') ++row, ++n;
  return n;
}

}  // namespace

bool serial_dump::run(const kexec::handover& from) noexcept {
  const kexec::core_error wrong = core.plan(from);
  if (wrong != kexec::core_error::none && wrong != kexec::core_error::damaged) return fail(to_string(wrong));
  if (wrong != kexec::core_error::none) line() << "crash: dump: " << to_string(wrong);
  const_cast<kexec::handover&>(from).core = kexec::core_state::complete;  // who has all rows has all of it
  records planned;
  if (!planned.write([](const char*) {})) return fail(to_string(planned.problem));
  tell_size(planned);
  port_and_clock machine{from.ticks_per_second};
  serial to(machine);
  progress done(planned.characters);
  uint64_t sent = 0;
  uint64_t rows = 0;
  to.begin(planned.characters);
  records written;
  const bool whole = written.write([&](const char* row) {
    to.put(row);
    sent += length_on_the_line(row);
    rows += row[1] == '3' ? 1 : 0;
    done.tell(to, sent, rows);
  });
  if (to.problem() != serial_problem::none) return fail(to_string(to.problem()));
  if (!whole || written.rows != planned.rows) return fail("the dead kernel's memory has changed while it was sent");
  line() << "crash: dump complete, " << written.rows << " rows; next: tools/serial-vmcore LOG CORE";
  return true;
}
