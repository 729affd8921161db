// SPDX-License-Identifier: BSL-1.0
#include "crash_reporter_page.inc"
