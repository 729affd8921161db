// SPDX-License-Identifier: BSL-1.0
#pragma once
// Makes a thread a CPU, from the guard's construction to its destruction, with a signal stack of its own.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/cpu_table.hpp>
#include <lastcpu/platform/posix/present_memory.hpp>
#include <lastcpu/platform/posix/signals.hpp>

#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace lastcpu {

/// What became of a registration.
enum class guard_status : uint8_t {
  registered,     ///< this thread is a CPU
  out_of_range,   ///< the number is not below posix::max_cpus
  number_taken,   ///< another thread has the number
  already_a_cpu,  ///< this thread is a CPU already
  table_full,     ///< no number is free
  no_stack,       ///< no memory for the signal stack
};

/// Registers this thread as a CPU, and unmasks the stop signals and the faults for it. A thread without a guard may
/// still panic, and gets a number then, but other CPUs can't stop it.
/// - Check it: a guard that could not register changes nothing, and error() says why.
/// - While another CPU is dumping, the constructor does not return: it parks the thread.
/// - Thread context; destroy it on the same thread.
class [[nodiscard]] cpu_guard {
 public:
  /// As CPU `wanted`; without it, with the lowest free number.
  explicit cpu_guard(cpu_id wanted = no_cpu) noexcept : wanted_(wanted), status_(enter(wanted)) {}
  /// The thread is no CPU any more; its number is free.
  ~cpu_guard() {
    if (status_ == guard_status::registered) leave();
  }
  cpu_guard(const cpu_guard&) = delete;
  cpu_guard& operator=(const cpu_guard&) = delete;

  /// It has registered this thread.
  [[nodiscard]] explicit operator bool() const noexcept { return status_ == guard_status::registered; }
  /// The same, with the reason.
  [[nodiscard]] guard_status status() const noexcept { return status_; }
  /// This thread's number, or no_cpu.
  [[nodiscard]] cpu_id cpu() const noexcept { return cpu_; }

  /// Empty, or a sentence that names the number and the remedy.
  [[nodiscard]] std::string error() const {
    const std::string number = "CPU " + std::to_string(wanted_);
    switch (status_) {
      case guard_status::registered:
        break;
      case guard_status::out_of_range:
        return number + " is out of range; use 0 to " + std::to_string(posix_detail::max_cpus - 1);
      case guard_status::number_taken:
        return number + " is registered by another thread; use a free number, or none to get one";
      case guard_status::already_a_cpu:
        return "this thread is CPU " + std::to_string(posix_detail::this_thread_cpu) +
               " already; destroy that cpu_guard first";
      case guard_status::table_full:
        return "all " + std::to_string(posix_detail::max_cpus) +
               " CPU numbers are taken; end a registered thread first";
      case guard_status::no_stack:
        return "no memory for a signal stack; raise the limit on address space";
    }
    return {};
  }

 private:
  static constexpr size_t nested_frames = 24;  // enough for a fault in every step of a panic, and an NMI
  static constexpr size_t work_bytes = 128 * 1024;
  static constexpr size_t work_of_a_stop = 4 * 1024;  // present from the start, like the frame of a stop's signal

  guard_status enter(cpu_id wanted) noexcept {
    using namespace posix_detail;
    if (this_thread_cpu < max_cpus) return guard_status::already_a_cpu;
    if (wanted != no_cpu && wanted >= max_cpus) return guard_status::out_of_range;
    if (!make_stack()) return guard_status::no_stack;
    if (wanted == no_cpu ? take_any_cpu() < max_cpus : take_cpu(wanted)) {
      cpu_ = this_thread_cpu;
      make_present(&cpu_table[cpu_], sizeof cpu_table[cpu_]);  // a fault writes to it
      let_stops_in();
      stop_if_late();
      return guard_status::registered;
    }
    drop_stack();
    return wanted == no_cpu ? guard_status::table_full : guard_status::number_taken;
  }

  void leave() noexcept {
    posix_detail::leave_cpu();
    drop_stack();
  }

  bool make_stack() noexcept {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    size_t frame = getauxval(AT_MINSIGSTKSZ);
    if (frame == 0) frame = 16 * 1024;
    bytes_ = (nested_frames * frame + work_bytes + 2 * page - 1) / page * page;  // and a guard page
    void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (p == MAP_FAILED) return false;
    stack_ = static_cast<char*>(p);
    mprotect(stack_, page, PROT_NONE);
    posix_detail::make_present(stack_ + bytes_ - frame - work_of_a_stop, frame + work_of_a_stop);
    stack_t now{};
    now.ss_sp = stack_ + page;
    now.ss_size = bytes_ - page;
    if (sigaltstack(&now, &before_) == 0) return true;
    munmap(stack_, bytes_);
    return false;
  }

  void drop_stack() noexcept {
    sigaltstack(&before_, nullptr);
    munmap(stack_, bytes_);
  }

  char* stack_ = nullptr;
  size_t bytes_ = 0;
  stack_t before_{};
  cpu_id cpu_ = no_cpu;
  cpu_id wanted_;
  guard_status status_;
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
