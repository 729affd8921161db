// SPDX-License-Identifier: BSL-1.0
#pragma once
// Installing the crash reporter: checks the options, finds a free signal, takes the signals over. Thread context;
// allocates.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/present_memory.hpp>
#include <lastcpu/process/reporter/crash_handlers.hpp>
#include <lastcpu/process/reporter/signal_stack.hpp>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <string>

extern "C" {
[[gnu::weak]] void lastcpu_asan_is_here() asm("__asan_init");
[[gnu::weak]] void lastcpu_tsan_is_here() asm("__tsan_init");
}

namespace lastcpu::reporter_detail {

inline constinit bool installed = false;

using action = void (*)(int, siginfo_t*, void*);

[[nodiscard]] inline bool is_handled_by(int number, action handler) noexcept {
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && now.sa_sigaction == handler;
}

[[nodiscard]] inline std::string name_of_signal(int number) {
  return posix_detail::is_fault(number) ? posix_detail::fault_name(number) : "signal " + std::to_string(number);
}

/// Who handles a signal, for a sentence: a file, or the default action.
[[nodiscard]] inline std::string handler_owner(int number) {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  if (now.sa_handler == SIG_DFL) return "nobody (the default action)";
  if (now.sa_handler == SIG_IGN) return "nobody (it is ignored)";
  const auto at = reinterpret_cast<uintptr_t>(now.sa_sigaction);
  line_reader maps("/proc/self/maps");
  mapping m;
  for (const char* line; maps.is_open() && (line = maps.next()) != nullptr;)
    if (parse_mapping(line, m) && at >= m.start && at < m.end && m.name[0] != '\0') return m.name;
  return "code without a file";
}

[[nodiscard]] inline bool is_free(int number) noexcept {
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_DFL;
}

/// The highest real-time signals are the last that a program or a runtime takes.
[[nodiscard]] inline int free_signal() noexcept {
  for (int n = SIGRTMAX - 1; n >= SIGRTMIN; --n)
    if (is_free(n)) return n;
  return 0;
}

[[nodiscard]] inline bool sanitizer_reports() noexcept {
  return lastcpu_asan_is_here != nullptr || lastcpu_tsan_is_here != nullptr;
}

/// The first sign behind a % that fill_in() does not know, or ' ' where nothing follows; '\0' where all are right.
[[nodiscard]] inline char unknown_sign(const std::string& path) {
  for (size_t at = 0; (at = path.find('%', at)) != std::string::npos; at += 2) {
    const char sign = at + 1 < path.size() ? path[at + 1] : ' ';
    if (sign != 'p' && sign != 't' && sign != 'e' && sign != '%') return sign;
  }
  return '\0';
}

[[nodiscard]] inline std::string check_path(const char* option, const std::string& path, char (&out)[path_room]) {
  out[0] = '\0';
  if (path.empty()) return {};
  if (const char sign = unknown_sign(path); sign != '\0')
    return std::string(option) + " '" + path + "': '%" + sign + "' is none of its signs; use %p, %t, %e and %%";
  std::string whole = path;
  if (path[0] != '/') {
    char* here = getcwd(nullptr, 0);
    if (here == nullptr) return std::string(option) + ": the current directory has no name; give an absolute path";
    whole = std::string(here) + "/" + path;
    free(here);
  }
  if (whole.size() + 80 > path_room)
    return std::string(option) + " is longer than " + std::to_string(path_room - 80) + " bytes";
  const std::string directory = whole.substr(0, whole.rfind('/') + 1);
  if (directory.find('%') == std::string::npos && access(directory.c_str(), W_OK | X_OK) != 0)
    return std::string(option) + " '" + path + "': nothing can be written to '" + directory + "': " + strerror(errno) +
           "; make the directory, or name another one";
  memcpy(out, whole.c_str(), whole.size() + 1);
  return {};
}

/// Which of the signals are to be taken; a sentence where one can't be.
[[nodiscard]] inline std::string check_signals(const crash_reporter_options& o, uint64_t& take) {
  take = 0;
  if (o.signals.empty()) return "no signal is named; leave `signals` out for all that report faults";
  for (const int n : o.signals) {
    if (!posix_detail::is_fault(n))
      return "signal " + std::to_string(n) +
             " reports no crash; use SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS and SIGABRT";
    struct sigaction now {};
    sigaction(n, nullptr, &now);
    const bool handled = now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN;
    if (handled && now.sa_sigaction == lastcpu_on_crash) return "the crash reporter is installed already";
    if (handled && is_of_a_reporter(reinterpret_cast<uintptr_t>(now.sa_sigaction)))
      return "a crash reporter is installed already, by " + handler_owner(n) +
             "; a process has one: leave it to that library, or uninstall it there first";
    const bool leave = o.earlier == earlier_handlers::leave || sanitizer_reports();
    if (handled && leave) continue;
    if (handled && o.earlier == earlier_handlers::refuse)
      return name_of_signal(n) + " is handled by " + handler_owner(n) +
             " already; say with `earlier` whether that handler is replaced, asked first, called last or left";
    take |= bit_of(n);
  }
  if (take == 0) return "every signal is handled already and left to its handler: nothing remains to report";
  return {};
}

[[nodiscard]] inline std::string check_stop_signal(int wanted, int& number) {
  number = wanted != 0 ? wanted : free_signal();
  if (number == 0) return "every real-time signal has a handler; free one, and name it in `stop_signal`";
  if (number < SIGRTMIN || number > SIGRTMAX)
    return "stop_signal " + std::to_string(number) + " is no real-time signal; use one from SIGRTMIN to SIGRTMAX, or 0";
  if (!is_free(number))
    return "stop_signal " + std::to_string(number) + " is in use by " + handler_owner(number) +
           "; name another one, or 0";
  return {};
}

/// The crash state and the stack of the capture. They stay when the reporter is uninstalled: a handler may run.
[[nodiscard]] inline bool make_rooms() noexcept {
  if (settings.state != nullptr) return true;
  const size_t bytes = in_whole_pages(sizeof(crash_state)), guard = page_bytes();
  char* state = map_room(bytes);
  char* live = map_room(bytes);
  char* stacks[] = {map_room(guard + capture_stack_bytes), map_room(guard + capture_stack_bytes)};
  for (char* s : {state, live}) {
    if (s == nullptr || madvise(s, bytes, MADV_WIPEONFORK) != 0) return false;
    madvise(s, bytes, MADV_DONTDUMP);
  }
  for (char* s : stacks)
    if (s == nullptr || mprotect(s, guard, PROT_NONE) != 0) return false;
  settings.stack = stacks[0] + guard;
  settings.live_stack = stacks[1] + guard;
  settings.live = reinterpret_cast<crash_state*>(live);
  settings.state = reinterpret_cast<crash_state*>(state);  // zeros are its beginning
  // What a crash of as many threads writes to: a page fault there takes longer than the stop of a thread.
  constexpr uint32_t threads = 64;
  constexpr size_t of_stack = 32 * 1024;
  posix_detail::make_present(
      state, reinterpret_cast<size_t>(&settings.state->threads[threads]) - reinterpret_cast<size_t>(state));
  posix_detail::make_present(settings.stack + capture_stack_bytes - of_stack, of_stack);
  return true;
}

inline void take_signals(uint64_t take) noexcept {
  take_stop_signal();
  struct sigaction how {};
  sigfillset(&how.sa_mask);
  how.sa_sigaction = lastcpu_on_crash;
  how.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // a fault in the report comes here again
  for (const int n : posix_detail::fault_signals) sigdelset(&how.sa_mask, n);
  for (int n = 1; n < 32; ++n)
    if ((take & bit_of(n)) != 0) sigaction(n, &how, &settings.before[n]);
}

inline void copy_settings(const crash_reporter_options& o) {
  text(settings.note).foreign(o.note.c_str(), 200);
  char link[512] = {};
  if (readlink("/proc/self/exe", link, sizeof link - 1) > 0) text(settings.program).foreign(base_name(link), 60);
  if (settings.program[0] == '\0') text(settings.program) << program_invocation_short_name;
  struct stat st {};
  settings.report_fd_was_socket = o.report_fd >= 0 && fstat(o.report_fd, &st) == 0 && S_ISSOCK(st.st_mode);
  settings.core_limit = o.core_limit;
  settings.core_has_shared_memory = o.core_has_shared_memory;
  settings.report_fd = o.report_fd;
  settings.stop = o.stop;
  settings.stop_budget_ms = o.stop_budget_ms;
  settings.stall_budget_ms = o.stall_budget_ms;
  settings.earlier = o.earlier;
  settings.first_chance = o.first_chance;
}

inline std::string install(const crash_reporter_options& o) {
  if (installed) return "the crash reporter is installed already; uninstall_crash_reporter() comes before another one";
  if (o.note.size() > 200) return "the note has " + std::to_string(o.note.size()) + " bytes; 200 are kept";
  if (o.report_fd < -1) return "report_fd " + std::to_string(o.report_fd) + " is no descriptor; use -1 for none";
  if (o.stop_budget_ms == 0 || o.stall_budget_ms == 0) return "a budget of 0 ms leaves no time; leave it out";
  uint64_t take = 0;
  int stop_signal = 0;
  std::string error = check_signals(o, take);
  if (error.empty()) error = check_stop_signal(o.stop_signal, stop_signal);
  static char core_path[path_room], report_path[path_room];
  if (error.empty()) error = check_path("core_path", o.core_path, core_path);
  if (error.empty()) error = check_path("report_path", o.report_path, report_path);
  if (!error.empty()) return error;
  if (!make_rooms()) return "no memory for the crash state; raise the limit on address space (Linux 4.14 or later)";
  memcpy(settings.core_path, core_path, sizeof core_path);
  memcpy(settings.report_path, report_path, sizeof report_path);
  copy_settings(o);
  settings.signals = take;
  settings.stop_signal = stop_signal;
  static const bool forks_known = pthread_atfork(nullptr, nullptr, []() noexcept {
                                    if (settings.state != nullptr) settings.state->pid.store(own_pid(), order::relaxed);
                                  }) == 0;
  (void)forks_known;  // without it a child finds out at its crash
  settings.state->pid.store(own_pid(), order::relaxed);
  (void)give_signal_stack();
  take_signals(take);
  installed = true;
  return {};
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
