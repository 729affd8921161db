/* SPDX-License-Identifier: BSL-1.0 */
/** @file
 * The crash reporter, for C. One file of C++ includes <lastcpu/process/crash_reporter_c.hpp>, which defines what is
 * declared here; C links with it, the C++ library and threads:
 *
 *     struct lastcpu_crash_reporter_options options = LASTCPU_CRASH_REPORTER_DEFAULTS;
 *     char error[256];
 *     options.core_path = "/var/tmp/%e.%p.core";
 *     if (lastcpu_install_crash_reporter(&options, error, sizeof error) != 0) fprintf(stderr, "%s\n", error);
 *
 * docs/crash-reporter.md has what each option does. */
#ifndef LASTCPU_CRASH_REPORTER_H
#define LASTCPU_CRASH_REPORTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of handlers that were installed before. */
#define LASTCPU_EARLIER_REFUSE 0    /**< the installation refuses, with a sentence that names who has the signal */
#define LASTCPU_EARLIER_REPLACE 1   /**< they are not called any more */
#define LASTCPU_EARLIER_ASK_FIRST 2 /**< called first, but for an own abort(); a crash is what it gives up */
#define LASTCPU_EARLIER_CALL_LAST 3 /**< called behind the report */
#define LASTCPU_EARLIER_LEAVE 4     /**< they keep the signal; the others are installed */

/** What lastcpu_install_crash_reporter() is asked for: copy the defaults, then change. */
struct lastcpu_crash_reporter_options {
  const char* core_path;      /**< NULL: no core */
  const char* report_path;    /**< NULL: none */
  const char* note;           /**< NULL: none */
  uint64_t core_limit;        /**< bytes */
  int report_fd;              /**< -1: none */
  int stop_signal;            /**< 0: a free one is found */
  int earlier;                /**< LASTCPU_EARLIER_... */
  int core_has_shared_memory; /**< 0: memory shared with others is left out */
  int stop_by_ptrace;         /**< 0: by signal */
  uint32_t stop_budget_ms;    /**< how long a thread may take to stop */
  uint32_t stall_budget_ms;   /**< how long the report may be stuck; then comes a short one */
  const int* signals;         /**< NULL: all that report faults */
  size_t signal_count;        /**< of `signals` */
  /** Asked before anything else, in the handler; not 0: it was no crash. */
  int (*first_chance)(int signal, void* siginfo, void* ucontext);
};

/** No core, a report to stderr, all fault signals. */
#define LASTCPU_CRASH_REPORTER_DEFAULTS \
  { NULL, NULL, NULL, (uint64_t)1 << 30, 2, 0, LASTCPU_EARLIER_REFUSE, 1, 0, 2000, 10000, NULL, 0, NULL }

/** Installs it, once per process, in quiet times: 0, or -1 and a sentence in `error`, cut to its room; nothing is
 * changed then. `options` NULL: the defaults. Thread context, here and below, unless it says otherwise. */
int lastcpu_install_crash_reporter(const struct lastcpu_crash_reporter_options* options, char* error, size_t room);

/** Asks who has the signals: 0 while every one is still the reporter's, or -1 and a sentence that says who has
 * which. */
int lastcpu_crash_reporter_still_installed(char* error, size_t room);

/** Gives every signal back: 0, or -1 and a sentence that says what stays with somebody else. */
int lastcpu_uninstall_crash_reporter(char* error, size_t room);

/** A note with a key for the report and the core: 0, or -1 and a sentence where nothing is changed. An empty value
 * takes it out. At most 16 keys of 31 bytes; a value is cut to 159. May be called at any time, in a signal handler
 * too. */
int lastcpu_annotate_crash(const char* key, const char* value, char* error, size_t room);

/** A report and a core of the process as it is, which goes on: 0 and an empty sentence, 0 and one that says what is
 * missing, or -1 and one that says why there is none. */
int lastcpu_capture_now(const char* reason, char* error, size_t room);

/** @{ */
/** At the beginning and the end of a thread: a signal stack, so that an overflow of its own is reported, too. */
void lastcpu_crash_reporter_thread_begin(void);
void lastcpu_crash_reporter_thread_end(void);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
