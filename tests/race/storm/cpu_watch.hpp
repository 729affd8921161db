// SPDX-License-Identifier: BSL-1.0
#pragma once
// Is anything still going to happen? A trial that has come to rest is judged at once, without a timeout: every CPU
// says when it waits for others or for ever, and the kernel confirms that all of them sleep with no signal under way.

#include "area.hpp"

namespace storm {

/// From now on this CPU is in `s`. Any context.
void enter_state(cpu_id cpu, cpu_state s) noexcept;

/// Around an interrupt or NMI handler: what it interrupted comes back behind it.
void enter_handler(cpu_id cpu, bool nmi) noexcept;
void leave_handler(cpu_id cpu, bool nmi) noexcept;

/// Nothing can happen any more unless `me` does it. Costs a look into /proc.
[[nodiscard]] bool others_are_at_rest(cpu_id me) noexcept;

/// The hardware has thrown in all that it will.
void hardware_is_done() noexcept;

/// For the thread that is no CPU, after hardware_is_done(): returns when nothing can happen any more.
void wait_until_at_rest() noexcept;

}  // namespace storm
