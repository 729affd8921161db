/* SPDX-License-Identifier: BSL-1.0 */
/* Two cores without NMIs, caches and crash kernel. */
#define LASTCPU_MAX_CPUS 2
#define LASTCPU_NO_NMI 1
#define LASTCPU_CACHE_LINE 1
#define LASTCPU_MESSAGE_BYTES 32
#define LASTCPU_STOP_ROUNDS 1000000
#define LASTCPU_REGISTERS struct frame
#define LASTCPU_REGISTERS_BYTES 32
