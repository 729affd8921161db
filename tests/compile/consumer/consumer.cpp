// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/lastcpu.hpp>

#include <cstdio>

int main() {
  std::puts(lastcpu::version_string);
}
