/* SPDX-License-Identifier: BSL-1.0 */
#ifndef LASTCPU_TESTS_C_SCENARIOS_H
#define LASTCPU_TESTS_C_SCENARIOS_H

struct scenario {
  const char* name;
  void (*run)(void);
};
extern const struct scenario scenarios[];

#endif
