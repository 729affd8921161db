// SPDX-License-Identifier: BSL-1.0
#include "words.hpp"

#include "line.hpp"

namespace {

constinit char** words_given = nullptr;

}  // namespace

void words::set(char** environment) noexcept {
  words_given = environment;
}

const char* words::find(const char* name) noexcept {
  for (char** e = words_given; *e != nullptr; ++e) {
    const char* at = *e;
    const char* wanted = name;
    while (*wanted != '\0' && *at == *wanted) ++at, ++wanted;
    if (*wanted == '\0' && *at == '=') return at + 1;
  }
  return nullptr;
}

uint64_t words::milliseconds(const char* name, uint64_t otherwise) noexcept {
  uint64_t n = 0;
  const char* at = find(name);
  if (at == nullptr || *at == '\0') return otherwise * 1000;
  for (; *at >= '0' && *at <= '9' && n < 1'000'000; ++at) n = n * 10 + static_cast<uint64_t>(*at - '0');
  if (*at == '\0') return n * 1000;
  line() << "capture: " << name << "= is no number of seconds; taken as " << otherwise;
  return otherwise * 1000;
}
