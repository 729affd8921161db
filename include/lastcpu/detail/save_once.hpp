// SPDX-License-Identifier: BSL-1.0
#pragma once
// A CPU's registers, saved once and by itself, whatever interrupts it.

#include <lastcpu/atomic.hpp>
#include <lastcpu/detail/copy_plain.hpp>

#include <stdint.h>

namespace lastcpu::detail {

/// How often something is begun that a fault or an NMI may interrupt.
inline constexpr uint32_t most_attempts = 2;
/// The mark of registers that are whole; below it the word counts attempts.
inline constexpr uint32_t saved_whole = 3;

/// Saves `from` (the caller's own where null) to `to` and marks it, unless a mark is there. An attempt that a fault or an
/// NMI interrupts is made once more, with the registers of then; there is no third.
template <class P>
[[gnu::always_inline]] inline void save_once(typename P::template atomic<uint32_t>& saved, typename P::registers& to,
                                             const typename P::registers* from, uint32_t mark) noexcept {
  const uint32_t attempt = saved.load(order::acquire);  // (1) acquire: pairs with release (2)
  if (attempt >= most_attempts) return;
  saved.store(attempt + 1, order::relaxed);
  if (from != nullptr)
    copy_plain(to, *from);
  else
    P::capture_registers(to);
  // (2) release: pairs with acquire (1), in an NMI on this CPU: if it sees the mark, the registers are whole. Other CPUs
  // read both after the acknowledgement.
  saved.store(mark, order::release);
}

}  // namespace lastcpu::detail
