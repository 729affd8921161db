// SPDX-License-Identifier: BSL-1.0
// What each header of lastcpu opens with; end.hpp closes it. So there is no #pragma once here.
//
// A kernel has macros in the names of functions and members: panic(...), cli(), now(), packed. Those that are known to
// be in use somewhere are put away while a header of lastcpu is read, and put back behind it: the order in which a kernel
// includes its headers and ours does not matter. Calls are another thing: where panic(...) is a macro, machine.panic("...")
// calls the macro; (machine.panic)("...") does not.

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "lastcpu needs C++20"
#endif

#pragma push_macro("LASTCPU_MACROS_ARE_AWAY")
#undef LASTCPU_MACROS_ARE_AWAY
#define LASTCPU_MACROS_ARE_AWAY

#pragma push_macro("bits")
#undef bits
#pragma push_macro("bytes")
#undef bytes
#pragma push_macro("cli")
#undef cli
#pragma push_macro("cpu")
#undef cpu
#pragma push_macro("cpuid")
#undef cpuid
#pragma push_macro("exchange")
#undef exchange
#pragma push_macro("fence")
#undef fence
#pragma push_macro("fill")
#undef fill
#pragma push_macro("halt")
#undef halt
#pragma push_macro("hlt")
#undef hlt
#pragma push_macro("image")
#undef image
#pragma push_macro("invlpg")
#undef invlpg
#pragma push_macro("irq")
#undef irq
#pragma push_macro("jump")
#undef jump
#pragma push_macro("lfence")
#undef lfence
#pragma push_macro("lgdt")
#undef lgdt
#pragma push_macro("lidt")
#undef lidt
#pragma push_macro("likely")
#undef likely
#pragma push_macro("load")
#undef load
#pragma push_macro("ltr")
#undef ltr
#pragma push_macro("mask")
#undef mask
#pragma push_macro("mfence")
#undef mfence
#pragma push_macro("nmi")
#undef nmi
#pragma push_macro("noinline")
#undef noinline
#pragma push_macro("noreturn")
#undef noreturn
#pragma push_macro("now")
#undef now
#pragma push_macro("oops")
#undef oops
#pragma push_macro("packed")
#undef packed
#pragma push_macro("page")
#undef page
#pragma push_macro("page_bytes")
#undef page_bytes
#pragma push_macro("panic")
#undef panic
#pragma push_macro("park")
#undef park
#pragma push_macro("pause")
#undef pause
#pragma push_macro("rdmsr")
#undef rdmsr
#pragma push_macro("rdtsc")
#undef rdtsc
#pragma push_macro("read")
#undef read
#pragma push_macro("registers")
#undef registers
#pragma push_macro("report")
#undef report
#pragma push_macro("restart")
#undef restart
#pragma push_macro("round_up")
#undef round_up
#pragma push_macro("send")
#undef send
#pragma push_macro("set")
#undef set
#pragma push_macro("step")
#undef step
#pragma push_macro("sti")
#undef sti
#pragma push_macro("stop")
#undef stop
#pragma push_macro("store")
#undef store
#pragma push_macro("this_cpu")
#undef this_cpu
#pragma push_macro("trace")
#undef trace
#pragma push_macro("unlikely")
#undef unlikely
#pragma push_macro("used")
#undef used
#pragma push_macro("wait")
#undef wait
#pragma push_macro("wake")
#undef wake
#pragma push_macro("word")
#undef word
#pragma push_macro("write")
#undef write
#pragma push_macro("wrmsr")
#undef wrmsr
