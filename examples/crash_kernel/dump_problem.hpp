// SPDX-License-Identifier: BSL-1.0
#pragma once
// How a dump can end. The number goes into the core (handover.core_problem), the sentence onto the console.

#include <stdint.h>

enum class dump_problem : uint32_t {
  none = 0,
  no_disk = 1,
  no_address = 2,
  not_mapped = 3,
  device_refuses = 4,
  queue_size = 5,
  read_only = 6,
  too_small = 7,
  bad_core = 8,
  io_error = 9,
  nonsense = 10,
  request_too_slow = 11,
  dump_too_slow = 12,
  fault = 13,
};

/// What has happened; no full stop.
[[nodiscard]] constexpr const char* to_string(dump_problem p) noexcept {
  switch (p) {
    case dump_problem::none:
      return "nothing is wrong";
    case dump_problem::no_disk:
      return "there is no virtio disk for it";
    case dump_problem::no_address:
      return "the firmware has given the disk's registers no address";
    case dump_problem::not_mapped:
      return "the disk's registers are above what can be mapped";
    case dump_problem::device_refuses:
      return "the disk does not take the features that this driver knows";
    case dump_problem::queue_size:
      return "the disk's queue has a size that this driver can't use";
    case dump_problem::read_only:
      return "the disk is read-only";
    case dump_problem::too_small:
      return "the disk is too small";
    case dump_problem::bad_core:
      return "the core's header in memory is damaged";
    case dump_problem::io_error:
      return "the disk reports an I/O error";
    case dump_problem::nonsense:
      return "the disk answers what it was not asked";
    case dump_problem::request_too_slow:
      return "the disk has not answered a request in time";
    case dump_problem::dump_too_slow:
      return "the disk is so slow that the whole dump ran out of time";
    case dump_problem::fault:
      return "the crash kernel has faulted";
  }
  return "for a reason without a name";
}

/// What its user can do about it; no full stop.
[[nodiscard]] constexpr const char* remedy(dump_problem p) noexcept {
  switch (p) {
    case dump_problem::none:
      return "there is nothing to do";
    case dump_problem::no_disk:
      return "give one the serial number that is asked for; QEMU: -device virtio-blk-pci,serial=";
    case dump_problem::no_address:
      return "plug it in before the firmware starts";
    case dump_problem::not_mapped:
      return "load the crash kernel with a larger map_bytes";
    case dump_problem::device_refuses:
      return "QEMU: iommu_platform=off, packed=off";
    case dump_problem::queue_size:
      return "QEMU: queue-size= of 16 to 1024";
    case dump_problem::read_only:
      return "QEMU: read-only=off";
    case dump_problem::too_small:
      return "make it as large as the core";
    case dump_problem::bad_core:
      return "something has written into the reserved region; see the report";
    case dump_problem::io_error:
      return "see the host's log: its disk may be full or broken";
    case dump_problem::nonsense:
      return "update the hypervisor, or try legacy: disable-modern=on";
    case dump_problem::request_too_slow:
      return "a faster disk, or a longer dump_request_ms=";
    case dump_problem::dump_too_slow:
      return "a faster disk, or a longer dump_ms=";
    case dump_problem::fault:
      return "debug the crash kernel: the address is above";
  }
  return "update the tool that reads this";
}
