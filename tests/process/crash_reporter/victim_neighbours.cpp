// SPDX-License-Identifier: BSL-1.0
// What these do with other handlers and options, they do before anything is installed.
#include "victim.hpp"

#include <setjmp.h>

namespace victim {
namespace {

using lastcpu::crash_reporter_options;

std::string installed_with(const crash_reporter_options& o) {
  return lastcpu::install_crash_reporter(o);
}

void must_install(const crash_reporter_options& o) {
  posix_test::must_be_empty(installed_with(o));
}

void twice() {
  must_install({});
  dprintf(STDERR_FILENO, "%s\n", installed_with({}).c_str());
}

char* page_of_barrier() {
  static char* page = static_cast<char*>(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return page;
}

// A write barrier, as runtimes have it: recovers from faults in its own page, gives up on others.
void barrier(int number, siginfo_t* info, void*) {
  if (info->si_addr == page_of_barrier())
    mprotect(page_of_barrier(), 4096, PROT_READ | PROT_WRITE);
  else
    signal(number, SIG_DFL);
}

void says_so(int) {
  dprintf(STDERR_FILENO, "the earlier handler was called\n");
  _exit(5);
}

void handle_before(void (*handler)(int, siginfo_t*, void*)) {
  (void)page_of_barrier();
  struct sigaction how {};
  how.sa_sigaction = handler;
  how.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &how, nullptr);
}

void with_earlier_refused() {
  handle_before(barrier);
  dprintf(STDERR_FILENO, "%s\n", installed_with({}).c_str());
}

void with_earlier_replaced() {
  signal(SIGSEGV, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::replace});
}

void with_earlier_asked_first() {
  handle_before(barrier);
  must_install({.earlier = lastcpu::earlier_handlers::ask_first});
  for (int i = 0; i < 1000; ++i) {
    mprotect(page_of_barrier(), 4096, PROT_READ);
    *static_cast<volatile char*>(page_of_barrier()) = 1;
  }
  dprintf(STDERR_FILENO, "recovered 1000 times\n");
}

void with_earlier_of_abort_asked_first() {
  signal(SIGABRT, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::ask_first});
}

void killed_by_abort_from_outside() {
  if (fork() == 0) _exit(kill(getppid(), SIGABRT));
  for (;;) pause();
}

void with_earlier_called_last() {
  signal(SIGSEGV, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::call_last});
}

void with_earlier_called_last_that_returns() {
  signal(SIGABRT, [](int) { dprintf(STDERR_FILENO, "the earlier handler returns\n"); });
  must_install({.earlier = lastcpu::earlier_handlers::call_last});
}

// A signal that does not come again with the return of its handler.
void killed_by_own_abort_signal() {
  kill(getpid(), SIGABRT);
  usleep(200'000);
  dprintf(STDERR_FILENO, "went on without its threads\n");
}

void with_earlier_left() {
  signal(SIGSEGV, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::leave});
}

void with_everything_left() {
  for (const int n : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT}) signal(n, says_so);
  dprintf(STDERR_FILENO, "refused: %s\n", installed_with({.earlier = lastcpu::earlier_handlers::leave}).c_str());
}

sigjmp_buf behind_the_abort;

void with_an_abort_left_by_a_jump() {
  signal(SIGABRT, says_so);
  must_install(
      {.earlier = lastcpu::earlier_handlers::ask_first, .first_chance = [](int number, siginfo_t*, void*) noexcept {
         if (number == SIGABRT) siglongjmp(behind_the_abort, 1);
         return false;
       }});
  if (sigsetjmp(behind_the_abort, 1) == 0) abort_here();
  dprintf(STDERR_FILENO, "went on behind the abort\n");
}

void with_first_chance() {
  (void)page_of_barrier();
  must_install({.first_chance = [](int, siginfo_t* info, void*) noexcept {
    return info->si_addr == page_of_barrier() && mprotect(page_of_barrier(), 4096, PROT_READ | PROT_WRITE) == 0;
  }});
  *static_cast<volatile char*>(page_of_barrier()) = 1;
  dprintf(STDERR_FILENO, "went on\n");
}

void with_signal_taken_later() {
  must_install({});
  dprintf(STDERR_FILENO, "at first: '%s'\n", lastcpu::still_installed().c_str());
  signal(SIGBUS, says_so);
  dprintf(STDERR_FILENO, "then: '%s'\n", lastcpu::still_installed().c_str());
  dprintf(STDERR_FILENO, "uninstalled: '%s'\n", lastcpu::uninstall_crash_reporter().c_str());
}

void uninstalled() {
  signal(SIGSEGV, says_so);
  must_install({.earlier = lastcpu::earlier_handlers::replace});
  posix_test::must_be_empty(lastcpu::still_installed());
  posix_test::must_be_empty(lastcpu::uninstall_crash_reporter());
  posix_test::must(!lastcpu::still_installed().empty(), "it is gone");
}

void installed_again() {
  must_install({});
  posix_test::must_be_empty(lastcpu::uninstall_crash_reporter());
  must_install({});
}

void with_stop_signal_taken() {
  signal(SIGRTMAX - 1, says_so);
  dprintf(STDERR_FILENO, "%s\n", installed_with({.stop_signal = SIGRTMAX - 1}).c_str());
  must_install({});  // finds another one
  start(idle_here);
}

void with_stop_signal_taken_later() {
  must_install({});
  signal(SIGRTMAX - 1, says_so);
  start(idle_here);
}

void with_wrong_options() {
  for (const crash_reporter_options& o :
       {crash_reporter_options{.signals = {}}, crash_reporter_options{.signals = {SIGTERM}},
        crash_reporter_options{.stop_signal = SIGUSR1}, crash_reporter_options{.report_fd = -2},
        crash_reporter_options{.note = std::string(201, 'x')}, crash_reporter_options{.stall_budget_ms = 0},
        crash_reporter_options{.core_path = "/no/such/folder/core"},
        crash_reporter_options{.report_path = std::string(2000, 'x')}})
    dprintf(STDERR_FILENO, "refused: %s\n", installed_with(o).c_str());
}

constexpr scenario all_neighbours[] = {
    {"nothing_installed", nothing_more, crash_here},
    {"twice", twice, nothing_more},
    {"earlier_refused", with_earlier_refused, nothing_more},
    {"earlier_replaced", with_earlier_replaced, crash_here},
    {"earlier_asked_first", with_earlier_asked_first, crash_here},
    {"abort_asked_first", with_earlier_of_abort_asked_first, abort_here},
    {"abort_from_outside_asked_first", with_earlier_of_abort_asked_first, killed_by_abort_from_outside},
    {"earlier_called_last", with_earlier_called_last, crash_here},
    {"earlier_left", with_earlier_left, crash_here},
    {"everything_left", with_everything_left, nothing_more},
    {"first_chance", with_first_chance, crash_here},
    {"abort_left_by_a_jump", with_an_abort_left_by_a_jump, crash_here},
    {"signal_taken_later", with_signal_taken_later, nothing_more},
    {"uninstalled", uninstalled, crash_here},
    {"installed_again", installed_again, crash_here},
    {"stop_signal_taken", with_stop_signal_taken, crash_here},
    {"stop_signal_taken_later", with_stop_signal_taken_later, crash_here},
    {"wrong_options", with_wrong_options, nothing_more},
    {"earlier_called_last_that_returns", with_earlier_called_last_that_returns, killed_by_own_abort_signal},
};

}  // namespace

const std::span<const scenario> neighbours{all_neighbours};

}  // namespace victim
