// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/posix/crash_reporter_c.hpp>
