// SPDX-License-Identifier: BSL-1.0
// All that Linux runs: copies /proc/vmcore to a disk, says what it does on the console, and restarts the machine.

#include <lastcpu/kexec/handover.hpp>

#include <stddef.h>

#include "disk.hpp"
#include "ending.hpp"
#include "line.hpp"
#include "words.hpp"

extern "C" [[noreturn]] void init_main(const uint64_t* stack) noexcept;

namespace {

using calls::make;
using calls::number;
using ending::fail;
namespace kexec = lastcpu::kexec;

constexpr uint64_t block = disk::block, piece = uint64_t{4} << 20, mib = uint64_t{1} << 20;

/// handover::core_problem, by the numbers of ../crash_kernel/dump_problem.hpp.
enum class problem : uint32_t { none = 0, too_small = 7, io_error = 9 };

alignas(block) unsigned char buffer[piece];
alignas(block) unsigned char marked[block];  // of the core: where the handover says how much of the core there is

/// The core as Linux has put it together, and its copy on the disk.
class copy {
 public:
  copy(int64_t core, const disk& to) noexcept : core_(core), to_(to) {
    bytes_ = static_cast<uint64_t>(make(number::lseek, core, 0, 2));
    (void)make(number::lseek, core, 0, 0);
    fits_ = bytes_ <= to.bytes ? bytes_ : to.bytes;
  }

  void run() noexcept {
    line() << "capture: " << bytes_ / mib << " MiB to " << to_.name.c_str();
    begin_ = said_ = calls::now();
    while (done_ < fits_) copy_piece();
    if (fits_ < bytes_) {
      mark(kexec::core_state::incomplete, fits_, problem::too_small);
      fail("disk too small: only the beginning has been written; it can be opened");
    }
    sync();
    mark(kexec::core_state::complete, bytes_, problem::none);
    line() << "capture: complete, " << bytes_ << " bytes in " << calls::now() - begin_ << " ms";
  }

 private:
  void copy_piece() noexcept {
    const uint64_t n = read_piece(fits_ - done_ < piece ? fits_ - done_ : piece);
    if (done_ == 0) find_mark(n);
    write(buffer, kexec::round_up(n, block), done_);
    done_ += n;
    ending::step(done_);
    if (calls::now() - said_ < 1000) return;
    said_ = calls::now();
    mark(kexec::core_state::incomplete, done_, problem::none);
    line() << "capture: " << done_ / mib << " of " << bytes_ / mib << " MiB";
  }

  uint64_t read_piece(uint64_t wanted) noexcept {
    kexec::zero_bytes(buffer + wanted, kexec::round_up(wanted, block) - wanted);
    uint64_t n = 0;
    while (n < wanted) {
      const int64_t got = make(number::read, core_, buffer + n, wanted - n);
      if (got <= 0) {
        mark(kexec::core_state::incomplete, done_, problem::io_error);
        fail("read error in /proc/vmcore");
      }
      n += static_cast<uint64_t>(got);
    }
    return n;
  }

  void write(const unsigned char* from, uint64_t n, uint64_t at) noexcept {
    if (make(number::pwrite, to_.file, from, n, at) == static_cast<int64_t>(n)) return;
    if (!failed_) {
      failed_ = true;
      mark(kexec::core_state::incomplete, done_, problem::io_error);
    }
    fail("write error on ", to_.name.c_str());
  }

  void sync() noexcept {
    if (make(number::fsync, to_.file) < 0) fail("write error on ", to_.name.c_str());
  }

  // The handover is the first note, and that is at a page.
  void find_mark(uint64_t n) noexcept {
    constexpr uint64_t note = 64, header = 12 + 8;
    const uint64_t at = kexec::read_word<uint64_t>(buffer + note + 8);
    if (at % block != 0 || n < at + block ||
        kexec::read_word<uint64_t>(buffer + at + header) != kexec::handover_magic) {
      line() << "capture: the core has no handover: it will not say whether it is complete";
      return;
    }
    mark_at_ = at;
    kexec::copy_bytes(marked, buffer + at, block);
    set_mark(buffer + at, kexec::core_state::incomplete, 0, problem::none);
  }

  static void set_mark(unsigned char* note, kexec::core_state state, uint64_t bytes, problem p) noexcept {
    constexpr uint64_t header = 12 + 8;
    kexec::write_word(note + header + offsetof(kexec::handover, core_valid_bytes), bytes);
    kexec::write_word(note + header + offsetof(kexec::handover, core), static_cast<uint32_t>(state));
    kexec::write_word(note + header + offsetof(kexec::handover, core_problem), static_cast<uint32_t>(p));
  }

  /// Says on the disk how far it has come.
  void mark(kexec::core_state state, uint64_t bytes, problem p) noexcept {
    if (mark_at_ == 0) return;
    sync();
    set_mark(marked, state, bytes, p);
    write(marked, block, mark_at_);
    sync();
  }

  int64_t core_;
  const disk& to_;
  uint64_t bytes_ = 0;
  uint64_t fits_ = 0;  // of them on the disk
  uint64_t done_ = 0;
  uint64_t begin_ = 0, said_ = 0;  // when
  uint64_t mark_at_ = 0;
  bool failed_ = false;
};

void mount_what_is_needed() noexcept {
  (void)make(number::mkdir, "/proc", 0755);
  (void)make(number::mkdir, "/dev", 0755);
  (void)make(number::mount, "proc", "/proc", "proc", 0, nullptr);
  (void)make(number::mount, "dev", "/dev", "devtmpfs", 0, nullptr);
}

}  // namespace

// argc, argv, null, environment, null
void init_main(const uint64_t* stack) noexcept {
  words::set(const_cast<char**>(reinterpret_cast<const char* const*>(stack + stack[0] + 2)));
  mount_what_is_needed();
  ending::set_up();
  const int64_t core = make(number::open, "/proc/vmcore", 0);
  if (core < 0) fail("no core: there is no /proc/vmcore; did Linux refuse the header? see its messages");
  disk to{};
  find_disk(to);
  copy(core, to).run();
  ending::restart();
}

asm(R"(
      .globl _start
  _start:
      xor %ebp, %ebp
      mov %rsp, %rdi
      and $-16, %rsp
      call init_main)");
