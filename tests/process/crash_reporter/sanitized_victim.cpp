// SPDX-License-Identifier: BSL-1.0
// A program with the flags of the preset: under AddressSanitizer its report comes, else ours.
#include <lastcpu/process/crash_reporter.hpp>

#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  const std::string error = lastcpu::install_crash_reporter();
  if (!error.empty()) return fprintf(stderr, "%s\n", error.c_str()), 3;
  if (argc > 1 && strcmp(argv[1], "abort") == 0) abort();
  volatile uintptr_t nowhere = 16;
  *reinterpret_cast<volatile int*>(nowhere) = 1;
}
