// SPDX-License-Identifier: BSL-1.0
// A kernel may instantiate the path once, in one file, also for a port without optional members.
#include <lastcpu/archetype.hpp>
#include <lastcpu/lastcpu.hpp>

constinit lastcpu::crash_domain<lastcpu::archetype> machine;

template class lastcpu::crash_path<lastcpu::archetype>;
