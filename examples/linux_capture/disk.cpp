// SPDX-License-Identifier: BSL-1.0
#include "disk.hpp"

#include <lastcpu/kexec/bytes.hpp>

#include "ending.hpp"
#include "linux_calls.hpp"
#include "words.hpp"

namespace {

using calls::make;
using calls::number;
namespace kexec = lastcpu::kexec;

constexpr uint64_t looked_at = 128 * 1024;  // of a disk: every file system and partition table has something there

alignas(disk::block) unsigned char beginning[looked_at];

bool is_zero(const unsigned char* at, uint64_t bytes) noexcept {
  for (; bytes != 0; ++at, --bytes)
    if (*at != 0) return false;
  return true;
}

bool is_core(const unsigned char* at) noexcept {
  return kexec::read_word<uint32_t>(at) == 0x464c'457f && kexec::read_word<uint16_t>(at + 16) == 4;
}

// Why it is not written to; null where it may be.
const char* open(const char* name, disk& out) noexcept {
  out.file = make(number::open, name, calls::read_write | calls::direct);
  if (out.file < 0) return "is not there, or can't be written to";
  out.bytes = static_cast<uint64_t>(make(number::lseek, out.file, 0, 2)) / disk::block * disk::block;
  const int64_t got = make(number::pread, out.file, beginning, looked_at, 0);
  const bool small = out.bytes < looked_at;
  if (!small && got != static_cast<int64_t>(looked_at)) return "can't be read";
  if (small) return "has less than 128 KiB";
  if (!is_core(beginning) && !is_zero(beginning, looked_at))
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

}  // namespace

void find_disk(disk& out) noexcept {
  const uint64_t end = calls::now() + words::milliseconds("capture_wait", 10);
  const char* const asked = words::find("capture_disk");
  text why_not;
  for (; !find_now(asked, out, why_not); calls::sleep(20)) {
    ending::step(0);
    if (calls::now() < end) continue;
    if (*why_not.c_str() != '\0') ending::fail(why_not.c_str());
    ending::fail("no disk: ", asked != nullptr ? asked : "no /dev/nvme?n1 has appeared");
  }
}
