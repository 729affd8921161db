// SPDX-License-Identifier: BSL-1.0
// The core, as gdb and elfutils read it.
#include "died.hpp"

#include <fstream>
#include <sstream>

namespace core_test {
namespace {

using namespace crash_reporter_test;

class core : public testing::Test {
 protected:
  outcome make(const char* scenario) {
    outcome o = died_in(scenario, file());
    EXPECT_TRUE(is_one_whole_report(o)) << o;
    EXPECT_TRUE(exists(file())) << o;
    return o;
  }
  [[nodiscard]] std::string file() const { return here_.file("core"); }
  [[nodiscard]] std::string gdb(const std::vector<const char*>& commands) const {
    std::vector<std::string> words = {"gdb", "-nx", "-batch", LASTCPU_TEST_VICTIM, file()};
    for (const char* c : commands) words.insert(words.end(), {"-ex", c});
    return output_of(words);
  }
  [[nodiscard]] off_t blocks() const {
    struct stat s {};
    return stat(file().c_str(), &s) == 0 ? s.st_blocks * 512 : -1;
  }

 protected:
  folder here_;
};

TEST_F(core, opens_in_gdb_with_every_threads_backtrace_the_crashed_thread_and_its_signal_first) {
  (void)make("masked_thread");
  const std::string said = gdb({"thread apply all bt", "info sharedlibrary", "print $_siginfo._sifields._sigfault"});
  EXPECT_EQ(count(said, "\nThread "), 5u) << said;
  EXPECT_NE(said.find("Program terminated with signal SIGSEGV"), std::string::npos) << said;
  EXPECT_NE(said.find("victim::crash_here"), std::string::npos) << said;
  EXPECT_EQ(count(said, " victim::idle_here () at"), 4u) << "the masked one, too: " << said;
  EXPECT_EQ(count(said, " main (argc="), 1u) << said;
  EXPECT_NE(said.find("libc.so.6"), std::string::npos) << "libraries are found: " << said;
  EXPECT_NE(said.find("si_addr = 0x10"), std::string::npos) << said;
  EXPECT_EQ(said.find("warning: Corrupted"), std::string::npos) << said;
}

TEST_F(core, names_the_faulting_function_of_every_thread_that_crashed) {
  const outcome o = make("four_crash");
  const std::string said = gdb({"thread apply all bt"});
  const unsigned crashed = count(said, "victim::crash_here") + count(said, "victim::abort_here") +
                           count(said, "victim::divide_here") + count(said, "victim::trap_here");
  EXPECT_GE(crashed, 1u) << said;
  EXPECT_TRUE(has(o, "8 threads, " + std::to_string(crashed) + " crashed") || crashed > 1) << said << o;
  EXPECT_EQ(count(said, "\nThread "), 8u) << said;
}

TEST_F(core, is_read_by_elfutils_without_a_warning) {
  (void)make("plain");
  const std::string said = output_of({"eu-readelf", "-n", "-l", file()});
  EXPECT_EQ(said.find("arning"), std::string::npos) << said;
  EXPECT_EQ(said.find("eu-readelf:"), std::string::npos) << said;
  EXPECT_EQ(count(said, " PRSTATUS"), 4u) << said;
  for (const char* note : {" PRPSINFO", " SIGINFO", " AUXV", " FILE", " FPREGSET"})
    EXPECT_NE(said.find(note), std::string::npos) << note << said;
  EXPECT_NE(said.find("fname: crash_reporter_"), std::string::npos) << said;
}

TEST_F(core, by_the_crashing_thread_alone_has_every_thread_as_well) {
  (void)make("seccomp_refuses_processes");
  const std::string said = gdb({"thread apply all bt"});
  EXPECT_EQ(count(said, " victim::idle_here () at"), 3u) << said;
  EXPECT_NE(said.find("victim::crash_here"), std::string::npos) << said;
}

TEST_F(core, with_a_limit_keeps_stacks_and_globals_and_says_what_is_left_out) {
  setenv("LASTCPU_TEST_CORE_LIMIT", "0x4000000", 1);
  const outcome o = make("large_memory");
  unsetenv("LASTCPU_TEST_CORE_LIMIT");
  EXPECT_TRUE(has(o, "the core's limit has left out ")) << o;
  const std::string said = gdb({"thread apply all bt", "print end_of_large_memory"});
  EXPECT_EQ(count(said, " victim::idle_here () at"), 3u) << said;
  EXPECT_NE(said.find("\"the end of it\""), std::string::npos) << "the end of what is cut is kept: " << said;
  EXPECT_LE(blocks(), 64 << 20);
}

TEST_F(core, leaves_pages_out_that_were_never_touched) {
  (void)make("plain");
  EXPECT_LT(blocks(), 1 << 20) << "three stacks of 8 MiB";
}

TEST_F(core, has_each_annotation_in_a_note_of_its_own) {
  const outcome o = make("annotated");
  EXPECT_TRUE(has(o, "note request: GET /last?[2J\n")) << o;
  EXPECT_FALSE(has(o, "first") || has(o, "taken_out")) << o;
  const std::string notes = output_of({"eu-readelf", "-n", file()});
  EXPECT_EQ(count(notes, "LASTCPU"), 2u) << "the victim's note and one annotation: " << notes;
  std::stringstream all;
  all << std::ifstream(file()).rdbuf();
  constexpr uint32_t head[] = {8, 22, 3};  // as docs/crash-reporter.md has it
  std::string note(reinterpret_cast<const char*>(head), sizeof head);
  note += std::string("LASTCPU\0request=GET /last\x1b[2J", 30);
  EXPECT_NE(all.str().find(note), std::string::npos) << notes;
}

TEST_F(core, has_nothing_that_the_program_has_forbidden_to_dump) {
  (void)make("secret_memory");
  std::stringstream all;
  all << std::ifstream(file()).rdbuf();
  std::string secret = "kept out of itkept out of it";
  for (char& c : secret) c = static_cast<char>(c ^ 0x20);
  EXPECT_NE(all.str().find("a note of the victim"), std::string::npos);
  EXPECT_EQ(all.str().find(secret), std::string::npos);
}

// The kernel's own: in the same folder, or wherever core_pattern says.
TEST_F(core, of_the_kernel_is_written_as_without_the_reporter_and_has_the_place_of_the_crash) {
  const auto died_with_a_core_of_the_kernel = [this](const char* scenario) {
    const pid_t pid = fork();
    if (pid == 0) {
      rlimit most{};
      getrlimit(RLIMIT_CORE, &most);
      most.rlim_cur = most.rlim_max;
      setrlimit(RLIMIT_CORE, &most);
      const int nowhere = open("/dev/null", O_WRONLY);
      dup2(nowhere, STDERR_FILENO);
      for (const int s : {SIGSEGV, SIGABRT}) signal(s, SIG_DFL);  // a sanitizer's
      if (chdir(here_.file("").c_str()) == 0) execl(LASTCPU_TEST_VICTIM, LASTCPU_TEST_VICTIM, scenario, nullptr);
      _exit(1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
  };
  const int without = died_with_a_core_of_the_kernel("nothing_installed");
  unlink(file().c_str());
  const int with = died_with_a_core_of_the_kernel("plain");
  EXPECT_TRUE(WIFSIGNALED(with));
  EXPECT_EQ(without, with) << "the signal, and whether there is a core";
  if (!exists(file())) return;
  const std::string said = gdb({"bt 1", "print $_siginfo.si_code"});
  EXPECT_NE(said.find("#0  victim::crash_here"), std::string::npos) << said;
  EXPECT_NE(said.find("$1 = 1"), std::string::npos) << said;
}

TEST_F(core, can_be_read_by_its_owner_only) {
  (void)make("plain");
  struct stat s {};
  ASSERT_EQ(stat(file().c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
}

}  // namespace
}  // namespace core_test
