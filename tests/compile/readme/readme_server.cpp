// SPDX-License-Identifier: BSL-1.0
#include "readme_server.inc"
