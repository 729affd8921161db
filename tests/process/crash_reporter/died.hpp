// SPDX-License-Identifier: BSL-1.0
#pragma once
// Runs the victim and collects how it died, what it reported, and its core.

#include "../posix/child.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <string>
#include <vector>

namespace crash_reporter_test {

using posix_test::outcome;

[[nodiscard]] inline unsigned count(const std::string& text, const std::string& what) {
  unsigned n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

[[nodiscard]] inline bool has(const outcome& o, const std::string& what) {
  return o.output.find(what) != std::string::npos;
}

/// A folder that is gone with the test.
class folder {
 public:
  folder() {
    char name[] = "/tmp/lastcpu-crash-XXXXXX";
    if (mkdtemp(name) != nullptr) path_ = name;
    chmod(name, 0777);  // a victim may have given up its user
  }
  ~folder() { (void)!system(("rm -rf '" + path_ + "'").c_str()); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

[[nodiscard]] inline bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

/// The victim in this scenario; with a core where it is named.
[[nodiscard]] inline outcome died_in(const char* scenario, const std::string& core = {}) {
  return posix_test::in_child([&] {
    if (core.empty())
      execl(LASTCPU_TEST_VICTIM, LASTCPU_TEST_VICTIM, scenario, nullptr);
    else
      execl(LASTCPU_TEST_VICTIM, LASTCPU_TEST_VICTIM, scenario, core.c_str(), nullptr);
  });
}

/// Another program than the victim.
[[nodiscard]] inline outcome died(const char* program, const char* argument) {
  return posix_test::in_child([&] { execl(program, program, argument, nullptr); });
}

/// Exactly one, from its first line to its last.
[[nodiscard]] inline bool is_one_whole_report(const outcome& o) {
  return count(o.output, "has crashed ***\n") == 1 && count(o.output, "*** end of report ***\n") == 1;
}

[[nodiscard]] inline std::string output_of(const std::vector<std::string>& command) {
  return posix_test::in_child([&] {
           std::vector<char*> words;
           for (const std::string& w : command) words.push_back(const_cast<char*>(w.c_str()));
           words.push_back(nullptr);
           setenv("DEBUGINFOD_URLS", "", 1);
           execvp(words[0], words.data());
         })
      .output;
}

}  // namespace crash_reporter_test
