// SPDX-License-Identifier: BSL-1.0
#pragma once
// The freestanding part of lastcpu, all of it.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/barebones.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/crash_image.hpp>
#include <lastcpu/crash_kexec.hpp>
#include <lastcpu/gate_word.hpp>
#include <lastcpu/kexec_outcome.hpp>
#include <lastcpu/ladder.hpp>
#include <lastcpu/online_cpus.hpp>
#include <lastcpu/panic.hpp>
#include <lastcpu/panic_cpu.hpp>
#include <lastcpu/panic_here.hpp>
#include <lastcpu/panic_message.hpp>
#include <lastcpu/panic_policy.hpp>
#include <lastcpu/place.hpp>
#include <lastcpu/platform.hpp>
#include <lastcpu/platform_defaults.hpp>
#include <lastcpu/report.hpp>
#include <lastcpu/self_stop.hpp>
#include <lastcpu/step.hpp>
#include <lastcpu/stop_cpus.hpp>
#include <lastcpu/stop_report.hpp>
#include <lastcpu/version.hpp>

#include <lastcpu/detail/end.hpp>
