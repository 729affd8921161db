// SPDX-License-Identifier: BSL-1.0
// All that Linux runs: copies /proc/vmcore to the first NVMe disk that has nothing on it but an older core, says what it
// does on the console, and restarts the machine, which a second process does where this one is stuck.
//
// Words for the kernel's command line: capture_disk=/dev/nvme1n1 (another disk, if it is empty), capture_wait= (s, for the
// disk to appear, 10), capture_stall= (s, for any one step, 60), capture_limit= (s, for all, 1800).

#include <lastcpu/kexec/handover.hpp>

#include <stddef.h>

#include "../kernel/text.hpp"
#include "linux_calls.hpp"

extern "C" [[noreturn]] void init_main(const uint64_t* stack) noexcept;

namespace {

using calls::make;
using calls::number;
namespace kexec = lastcpu::kexec;

constexpr uint64_t block = 4096, piece = uint64_t{4} << 20, mib = uint64_t{1} << 20;
constexpr uint64_t looked_at = 128 * 1024;  // of a disk: every file system and partition table has something there

/// handover::core_problem, by the numbers of ../crash_kernel/dump_problem.hpp.
enum class problem : uint32_t { none = 0, too_small = 7, io_error = 9 };

alignas(block) unsigned char buffer[piece];
alignas(block) unsigned char marked[block];  // of the core: where the handover says how much of the core there is
char** environment;

class line : public text {  // written when it goes out of scope
 public:
  ~line() {
    *this << "\n";
    uint64_t n = 0;
    while (c_str()[n] != '\0') ++n;
    (void)make(number::write, 1, c_str(), n);
  }
};

/// Shared by both processes.
struct progress {
  uint64_t steps;
  uint64_t bytes;
};
progress* seen;

void step(uint64_t bytes) noexcept {
  __atomic_store_n(&seen->bytes, bytes, __ATOMIC_RELAXED);
  (void)__atomic_fetch_add(&seen->steps, 1, __ATOMIC_RELAXED);
}

/// What Linux was told on its command line, and did not know; null where it was not.
const char* word(const char* name) noexcept {
  for (char** e = environment; *e != nullptr; ++e) {
    const char* at = *e;
    const char* wanted = name;
    while (*wanted != '\0' && *at == *wanted) ++at, ++wanted;
    if (*wanted == '\0' && *at == '=') return at + 1;
  }
  return nullptr;
}

uint64_t milliseconds(const char* name, uint64_t otherwise) noexcept {
  uint64_t n = 0;
  const char* at = word(name);
  if (at == nullptr || *at == '\0') return otherwise * 1000;
  for (; *at >= '0' && *at <= '9' && n < 1'000'000; ++at) n = n * 10 + static_cast<uint64_t>(*at - '0');
  if (*at == '\0') return n * 1000;
  line() << "capture: " << name << "= is no number of seconds; taken as " << otherwise;
  return otherwise * 1000;
}

/// At once, whatever waits for a device.
[[noreturn]] void restart_by_force() noexcept {
  const int64_t trigger = make(number::open, "/proc/sysrq-trigger", calls::write_only);
  (void)make(number::write, trigger, "b", 1);
  for (;;) (void)make(number::reboot, 0xfee1dead, 0x28121969, 0x01234567, nullptr), calls::sleep(1000);
}

[[noreturn]] void restart() noexcept {
  step(0);
  (void)make(number::reboot, 0xfee1dead, 0x28121969, 0x01234567, nullptr);  // flushes the disk
  restart_by_force();
}

/// The second process.
[[noreturn]] void watch() noexcept {
  const uint64_t stall = milliseconds("capture_stall", 60), limit = milliseconds("capture_limit", 1800);
  const uint64_t begin = calls::now();
  for (uint64_t steps = ~uint64_t{0}, changed = begin;; calls::sleep(100)) {
    const uint64_t now = calls::now(), is = __atomic_load_n(&seen->steps, __ATOMIC_RELAXED);
    if (is != steps) steps = is, changed = now;
    if (now - changed <= stall && now - begin <= limit) continue;
    line() << "capture: FAILED: stalled: " << (now - changed > stall ? "one step" : "all of it") << " has taken "
           << (now - changed > stall ? now - changed : now - begin) << " ms, after " << seen->bytes / mib << " MiB";
    restart_by_force();
  }
}

[[noreturn]] void fail(const char* what, const char* more = "") noexcept {
  line() << "capture: FAILED: " << what << more;
  restart();
}

bool is_zero(const unsigned char* at, uint64_t bytes) noexcept {
  for (; bytes != 0; ++at, --bytes)
    if (*at != 0) return false;
  return true;
}

bool is_core(const unsigned char* at) noexcept {
  return kexec::read_word<uint32_t>(at) == 0x464c'457f && kexec::read_word<uint16_t>(at + 16) == 4;
}

struct disk {
  int64_t file;
  uint64_t bytes;
  text name;
};

// Why it is not written to; null where it may be.
const char* open(const char* name, disk& out) noexcept {
  out.file = make(number::open, name, calls::read_write | calls::direct);
  if (out.file < 0) return "is not there, or can't be written to";
  out.bytes = static_cast<uint64_t>(make(number::lseek, out.file, 0, 2)) / block * block;
  const int64_t got = make(number::pread, out.file, buffer, looked_at, 0);
  const bool small = out.bytes < looked_at;
  if (!small && got != static_cast<int64_t>(looked_at)) return "can't be read";
  if (small) return "has less than 128 KiB";
  if (!is_core(buffer) && !is_zero(buffer, looked_at))
    return "has something on it that is no core; empty it: blkdiscard, or dd if=/dev/zero of=it bs=128K count=1";
  out.name << name;
  return nullptr;
}

/// The first one that may be written to, of those that are there now. Otherwise `why_not` says it of the last one.
bool find_now(const char* asked, disk& out, text& why_not) noexcept {
  constexpr uint32_t most = 8;
  for (uint32_t n = 0; n < (asked != nullptr ? 1 : most); ++n) {
    text name;
    if (asked != nullptr)
      name << asked;
    else
      name << "/dev/nvme" << n << "n1";
    const char* const wrong = open(name.c_str(), out);
    if (wrong == nullptr) return true;
    if (out.file < 0) continue;
    (void)make(number::close, out.file);
    why_not = text() << name.c_str() << " " << wrong;
  }
  return false;
}

/// Waits for one.
void find_disk(disk& out) noexcept {
  const uint64_t end = calls::now() + milliseconds("capture_wait", 10);
  const char* const asked = word("capture_disk");
  text why_not;
  for (; !find_now(asked, out, why_not); calls::sleep(20)) {
    step(0);
    if (calls::now() < end) continue;
    if (*why_not.c_str() != '\0') fail(why_not.c_str());
    fail("no disk: ", asked != nullptr ? asked : "no /dev/nvme?n1 has appeared");
  }
}

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
    step(done_);
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

void set_up() noexcept {
  (void)make(number::mkdir, "/proc", 0755);
  (void)make(number::mkdir, "/dev", 0755);
  (void)make(number::mount, "proc", "/proc", "proc", 0, nullptr);
  (void)make(number::mount, "dev", "/dev", "devtmpfs", 0, nullptr);
  constexpr uint64_t read_and_write = 3, shared_and_anonymous = 0x21;
  seen = reinterpret_cast<progress*>(make(number::mmap, nullptr, block, read_and_write, shared_and_anonymous, -1, 0));
}

}  // namespace

// argc, argv, null, environment, null
void init_main(const uint64_t* stack) noexcept {
  environment = const_cast<char**>(reinterpret_cast<const char* const*>(stack + stack[0] + 2));
  set_up();
  if (make(number::fork) == 0) watch();
  const int64_t core = make(number::open, "/proc/vmcore", 0);
  if (core < 0) fail("no core: there is no /proc/vmcore; did Linux refuse the header? see its messages");
  disk to{};
  find_disk(to);
  copy(core, to).run();
  restart();
}

asm(R"(
      .globl _start
  _start:
      xor %ebp, %ebp
      mov %rsp, %rdi
      and $-16, %rsp
      call init_main)");
