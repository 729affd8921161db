// SPDX-License-Identifier: BSL-1.0
#pragma once
// What ThreadSanitizer needs of this port; in any other build nearly nothing is here.
//
// Its runtime delays a signal until the thread's next instrumented operation. So a sleep is short, and ends with one.
// It then calls the handler with every signal masked, and has one place per thread for the mask to restore. When a
// second signal comes at that moment, the handlers nest and overwrite that place, and the thread goes on with every
// signal masked for good, the NMI included (gcc 12, clang 14, clang 19). So the handler that the runtime calls only
// sends the signal once more. The kernel holds the signal until the runtime has restored the mask, then delivers it
// directly to the real handler, with the mask, the registers and the stack of any other build.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>

#include <signal.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define LASTCPU_POSIX_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LASTCPU_POSIX_UNDER_TSAN 1
#endif
#endif

#if defined(LASTCPU_POSIX_UNDER_TSAN)
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#endif

namespace lastcpu::posix_detail {

using signal_handler = void (*)(int number, siginfo_t*, void* context);

#if !defined(LASTCPU_POSIX_UNDER_TSAN)

inline constexpr uint64_t longest_sleep_ns = no_deadline;
inline void let_pending_handlers_run() noexcept {}

/// Installs Handler for an asynchronous signal. False when the kernel refuses.
template <signal_handler Handler>
[[nodiscard]] bool handle_signal(int number, struct sigaction how) noexcept {
  how.sa_sigaction = Handler;
  return sigaction(number, &how, nullptr) == 0;
}

#else

inline constexpr uint64_t longest_sleep_ns = 1'000'000;
inline volatile std::atomic<unsigned> tsan_poll_word{0};  // volatile: clang would drop the load
inline void let_pending_handlers_run() noexcept {
  (void)tsan_poll_word.load(std::memory_order_relaxed);
}

struct signals_of_thread {
  uint64_t sent_again;  // a bit for each signal
  bool arriving;        // the runtime's handler is called and has not called ours
};
inline constinit thread_local signals_of_thread tsan_signals __attribute__((tls_model("initial-exec"))){};
inline constinit signal_handler tsan_runtime = nullptr;

/// The handler that the kernel calls. Not instrumented, for it may interrupt the runtime.
template <signal_handler Handler>
__attribute__((no_sanitize("thread"))) void on_arrival(int number, siginfo_t* info, void* context) noexcept {
  const uint64_t bit = uint64_t{1} << (number - 1);
  if ((tsan_signals.sent_again & bit) != 0) {
    tsan_signals.sent_again &= ~bit;
    return Handler(number, info, context);
  }
  const bool interrupted = tsan_signals.arriving;
  tsan_signals.arriving = true;
  tsan_runtime(number, info, context);
  tsan_signals.arriving = interrupted;
}

/// The handler that the runtime calls: at once where the thread blocks in a call that the runtime intercepts, else
/// later.
template <signal_handler Handler>
__attribute__((no_sanitize("thread"))) void on_call_of_runtime(int number, siginfo_t* info, void* context) noexcept {
  if (tsan_signals.arriving) {
    tsan_signals.arriving = false;
    return Handler(number, info, context);
  }
  tsan_signals.sent_again |= uint64_t{1} << (number - 1);
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

template <signal_handler Handler>
[[nodiscard]] bool handle_signal(int number, struct sigaction how) noexcept {
  how.sa_sigaction = on_call_of_runtime<Handler>;
  if (sigaction(number, &how, nullptr) != 0) return false;
  struct {
    signal_handler handler;
    unsigned long flags;
    void (*restorer)();
    uint64_t mask;
  } in_kernel{};  // x86-64's and AArch64's
  if (syscall(SYS_rt_sigaction, number, nullptr, &in_kernel, sizeof in_kernel.mask) != 0) return false;
  tsan_runtime = in_kernel.handler;
  in_kernel.handler = on_arrival<Handler>;
  memcpy(&in_kernel.mask, &how.sa_mask, sizeof in_kernel.mask);
  return syscall(SYS_rt_sigaction, number, &in_kernel, nullptr, sizeof in_kernel.mask) == 0;
}

#endif

}  // namespace lastcpu::posix_detail

#include <lastcpu/detail/end.hpp>
