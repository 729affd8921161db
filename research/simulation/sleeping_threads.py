# SPDX-License-Identifier: BSL-1.0
"""The stop of the POSIX port: threads that sleep, on a few processors. It can be measured here, and so is a check.

The owner has a processor for itself and sends one signal after the other. Each makes a thread ready, which waits for the
first of the other processors that is free; one that was idle takes longer to begin.
"""
import heapq


def stop_ns(costs, threads, processors):
    """ns until the last of `threads` has answered; `processors` are those beside the owner's."""
    from_idle = max(costs["signal_alone"] - costs["tgkill"], costs["signal_handled"])
    free_at = [0.0] * processors
    for sent in range(1, threads + 1):
        ready = sent * costs["tgkill"]
        free = heapq.heappop(free_at)
        heapq.heappush(free_at, ready + from_idle if free < ready else free + costs["signal_handled"])
    return max(max(free_at), threads * costs["tgkill"])
