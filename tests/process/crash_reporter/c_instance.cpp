// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/process/crash_reporter_c.hpp>
