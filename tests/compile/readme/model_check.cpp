// SPDX-License-Identifier: BSL-1.0
#include "model_check.inc"
