// SPDX-License-Identifier: BSL-1.0
#include "command_line.hpp"

namespace {

constinit text line;

// Behind "name=", or null.
const char* find(const char* name) noexcept {
  for (const char* word = line.c_str(); *word != '\0'; ++word) {
    if (word != line.c_str() && word[-1] != ' ') continue;
    const char* at = word;
    const char* wanted = name;
    while (*wanted != '\0' && *at == *wanted) ++at, ++wanted;
    if (*wanted == '\0' && *at == '=') return at + 1;
  }
  return nullptr;
}

}  // namespace

void command_line::set(const char* given) noexcept {
  line << given;
}

void command_line::value(const char* name, const char* otherwise, text& out) noexcept {
  const char* at = find(name);
  if (at == nullptr) out << otherwise;
  for (; at != nullptr && *at != '\0' && *at != ' '; ++at) out << *at;
}

uint64_t command_line::number(const char* name, uint64_t otherwise) noexcept {
  const char* at = find(name);
  if (at == nullptr) return otherwise;
  uint64_t n = 0;
  for (; *at >= '0' && *at <= '9'; ++at) n = n * 10 + static_cast<uint64_t>(*at - '0');
  return n;
}

bool command_line::is(const char* name, const char* wanted) noexcept {
  text given;
  value(name, "", given);
  return same(given.c_str(), wanted);
}
