// SPDX-License-Identifier: BSL-1.0
// AddressSanitizer calls __asan_handle_no_return() before each call that does not return. On a signal stack its own
// version asks libc where the stack is, which takes a lock of the thread: a signal as NMI that comes inside it waits for
// that lock for ever, and the CPU is silent. Nothing here needs what it does, for a CPU that parks uses its stack no
// more; so the linker takes this one instead (--wrap).
extern "C" void __wrap___asan_handle_no_return();
extern "C" void __wrap___asan_handle_no_return() {}
