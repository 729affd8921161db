/* SPDX-License-Identifier: BSL-1.0 */
#define LASTCPU_MAX_CPUS 4
