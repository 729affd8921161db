/* SPDX-License-Identifier: BSL-1.0 */
/* A server in C. Usage: crash_reporter_c_victim CORE_PATH */
#include <lastcpu/process/crash_reporter.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int spared = 0;

static int spare_one(int signal, void* siginfo, void* ucontext) {
  (void)siginfo;
  (void)ucontext;
  return signal == SIGABRT && spared++ == 0;
}

static void* idle_in_c(void* unused) {
  lastcpu_crash_reporter_thread_begin();
  for (;;) pause();
  lastcpu_crash_reporter_thread_end();
  return unused;
}

static void refused(const char* what, const struct lastcpu_crash_reporter_options* options) {
  char error[64];
  fprintf(stderr, "%s: %d, %s\n", what, lastcpu_install_crash_reporter(options, error, sizeof error), error);
}

__attribute__((noinline)) static void crash_in_c(void) {
  *(volatile int*)(uintptr_t)16 = 1;
}

int main(int argc, char** argv) {
  struct lastcpu_crash_reporter_options options = LASTCPU_CRASH_REPORTER_DEFAULTS;
  pthread_t thread;
  char error[256];
  options.earlier = 9;
  refused("a wrong word", &options);
  options.earlier = LASTCPU_EARLIER_REFUSE;
  options.core_path = argc > 1 ? argv[1] : NULL;
  options.note = "from C";
  options.first_chance = spare_one;
  if (lastcpu_install_crash_reporter(&options, error, sizeof error) != 0) return fprintf(stderr, "%s\n", error), 3;
  refused("twice", NULL);
  if (lastcpu_crash_reporter_still_installed(error, sizeof error) != 0) return fprintf(stderr, "%s\n", error), 4;
  if (lastcpu_annotate_crash("language", "C99", NULL, 0) != 0) return 5;
  fprintf(stderr, "no key: %d, ", lastcpu_annotate_crash("", "x", error, sizeof error));
  fprintf(stderr, "%s\n", error);
  if (lastcpu_capture_now("from C", error, sizeof error) != 0 || error[0] != '\0')
    return fprintf(stderr, "%s\n", error), 6;
  raise(SIGABRT);
  fprintf(stderr, "spared %d\n", spared);
  pthread_create(&thread, NULL, idle_in_c, NULL);
  usleep(20000);
  crash_in_c();
  return 0;
}
