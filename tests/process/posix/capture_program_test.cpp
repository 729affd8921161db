// SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace capture_program_test {
namespace {

using namespace posix_test;
using posix_detail::program_intact;

/// A directory of its own, removed in the end.
class scratch {
 public:
  scratch() : path_(testing::TempDir() + "lastcpu-XXXXXX") { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~scratch() {
    for (const std::string& f : files_) unlink(f.c_str());
    rmdir(path_.c_str());
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  std::string file(const char* name, const std::string& content, mode_t mode) {
    files_.push_back(path_ + "/" + name);
    std::ofstream(files_.back(), std::ios::binary) << content;
    chmod(files_.back().c_str(), mode);
    return files_.back();
  }
  std::string fifo(const char* name) {
    files_.push_back(path_ + "/" + name);
    EXPECT_EQ(mkfifo(files_.back().c_str(), 0777), 0);
    return files_.back();
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<std::string> files_;
};

void expect_refused(const std::string& path, const std::string& why) {
  const int fds = open_fds();
  capture_program image{11, 12, 13, {}};
  std::string error;
  EXPECT_FALSE(open_capture_program(path.c_str(), image, error));
  EXPECT_EQ(error, "capture program '" + path + "' " + why);
  EXPECT_EQ(image.program, 11) << "the caller's image is untouched";
  EXPECT_EQ(image.notes, 12);
  EXPECT_EQ(image.size, 13u);
  EXPECT_EQ(open_fds(), fds) << "no file is left open";
}

TEST(capture_program, refuses_a_path_where_nothing_is) {
  const scratch s;
  expect_refused(s.path() + "/absent", "can't be opened: No such file or directory; check the path");
  expect_refused("", "can't be opened: No such file or directory; check the path");
}

TEST(capture_program, refuses_a_directory) {
  const scratch s;
  expect_refused(s.path(), "is not a file; name an ELF executable");
}

TEST(capture_program, refuses_a_fifo_without_waiting_for_its_writer) {
  scratch s;
  const std::string path = s.fifo("fifo");
  const auto o = in_child(
      [&] {
        expect_refused(path, "is not a file; name an ELF executable");
        must(!testing::Test::HasFailure(), "the fifo is refused");
      },
      5'000);
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(capture_program, refuses_a_file_that_is_not_executable) {
  scratch s;
  expect_refused(s.file("plain", "\177ELF", 0644), "is not executable; try chmod +x, or name another program");
}

TEST(capture_program, refuses_what_is_not_elf) {
  scratch s;
  const char* why = "is not an ELF executable; a script needs a small program that starts it";
  expect_refused(s.file("script", "#!/bin/sh\nexit 0\n", 0755), why);
  expect_refused(s.file("empty", "", 0755), why);
  expect_refused(s.file("short", "\177ELF", 0755), why);
}

TEST(capture_program, refuses_elf_that_this_machine_does_not_start) {
  scratch s;
  const char* why = "is not an executable for this machine; build it with the compiler of this program";
  std::string elf(sizeof(Elf64_Ehdr), '\0');
  elf.replace(0, 4, ELFMAG);
  elf[16] = ET_DYN;
  elf[18] = EM_S390;
  expect_refused(s.file("foreign", elf, 0755), why);
  elf[16] = ET_REL;
  elf[18] = posix_detail::this_machine;
  expect_refused(s.file("object", elf, 0755), why);
}

TEST(capture_program, may_be_linked_for_one_address_or_for_any) {
  scratch s;
  for (const unsigned char type : {static_cast<unsigned char>(ET_EXEC), static_cast<unsigned char>(ET_DYN)}) {
    std::string elf(sizeof(Elf64_Ehdr), '\0');
    elf.replace(0, 4, ELFMAG);
    elf[16] = static_cast<char>(type);
    elf[18] = posix_detail::this_machine;
    capture_program image;
    std::string error;
    const std::string path = s.file(type == ET_EXEC ? "fixed" : "movable", elf, 0755);
    EXPECT_TRUE(open_capture_program(path.c_str(), image, error)) << error;
    EXPECT_EQ(image.size, elf.size());
    EXPECT_TRUE(program_intact(image));
    close_capture_program(image);
  }
}

// Of a process that was started without a standard input.
TEST(capture_program, may_have_the_lowest_file_numbers) {
  const auto o = in_child([] {
    const capture_program made = opened();
    capture_program image = made;
    must(dup3(made.program, STDIN_FILENO, O_CLOEXEC) == STDIN_FILENO, "its program is file 0");
    image.program = STDIN_FILENO;
    must(program_intact(image), "and is good");
    image.notes = dup(made.notes);
    close_capture_program(image);
    must(fcntl(STDIN_FILENO, F_GETFD) == -1, "and is closed");
    image = made;
    must(dup3(made.notes, STDIN_FILENO, O_CLOEXEC) == STDIN_FILENO, "its notes are file 0");
    image.notes = STDIN_FILENO;
    must(program_intact(image), "and are good");
    image.program = dup(made.program);
    close_capture_program(image);
    must(fcntl(STDIN_FILENO, F_GETFD) == -1, "and are closed");
  });
  EXPECT_TRUE(o.succeeded()) << o;
}

TEST(capture_program, that_is_empty_is_not_intact) {
  capture_program image = opened();
  capture_program other = image;
  other.size = 0;
  other.program = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(fcntl(other.program, F_ADD_SEALS, posix_detail::program_seals), 0);
  EXPECT_FALSE(program_intact(other));
  close(other.program);
  close_capture_program(image);
}

TEST(capture_program, whose_seals_are_not_all_there_is_not_intact) {
  for (const int missing : {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE}) {
    capture_program image = opened();
    const int sealed = image.program;
    image.program = memfd_create("half sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ASSERT_EQ(ftruncate(image.program, static_cast<off_t>(image.size)), 0);
    ASSERT_EQ(fcntl(image.program, F_ADD_SEALS, posix_detail::program_seals & ~missing), 0);
    EXPECT_FALSE(program_intact(image)) << missing;
    close(sealed);
    close_capture_program(image);
  }
}

TEST(capture_program, leaves_no_file_open_when_there_is_no_room_for_its_files) {
  for (int room = 0; room < 3; ++room) {
    const auto o = in_child([room] {
      const int next = dup(0);
      close(next);
      const rlimit few{static_cast<rlim_t>(next + room), 1024};
      setrlimit(RLIMIT_NOFILE, &few);
      capture_program image{11, 12, 13, {}};
      std::string error;
      must(!open_capture_program(LASTCPU_TEST_CAPTURE, image, error), "there is no room");
      must(error.find("Too many open files") != std::string::npos, error.c_str());
      must(image.program == 11 && image.notes == 12 && image.size == 13, "the image is untouched");
      const int again = room > 0 ? dup(0) : next;
      must(again == next, "no file is left open");
    });
    EXPECT_TRUE(o.succeeded()) << "room for " << room << ": " << o;
  }
}

TEST(capture_program, is_a_sealed_copy_that_no_one_can_change) {
  capture_program image = opened();
  EXPECT_TRUE(program_intact(image));
  EXPECT_EQ(pwrite(image.program, "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(image.program, 0), -1);
  EXPECT_EQ(fcntl(image.program, F_ADD_SEALS, 0), -1);
  EXPECT_TRUE(program_intact(image));
  close_capture_program(image);
}

TEST(capture_program, has_a_notes_file_that_holds_the_header_only) {
  capture_program image = opened();
  struct stat s {};
  ASSERT_EQ(fstat(image.notes, &s), 0);
  EXPECT_EQ(s.st_size, static_cast<off_t>(sizeof(crash_note_header)));
  crash_note_record r{};
  EXPECT_FALSE(read_crash_note(image.notes, true, r));
  close_capture_program(image);
}

TEST(capture_program, is_not_intact_when_a_file_of_it_is_closed_or_not_what_was_made) {
  capture_program image = opened();
  capture_program other = image;
  EXPECT_TRUE(program_intact(other));
  other.size += 1;
  EXPECT_FALSE(program_intact(other)) << "another size";
  other = image;
  other.program = -1;
  EXPECT_FALSE(program_intact(other));
  other = image;
  other.notes = -1;
  EXPECT_FALSE(program_intact(other));
  other = image;
  other.program = image.notes;
  EXPECT_FALSE(program_intact(other)) << "not sealed";
  EXPECT_FALSE(program_intact(capture_program{}));
  other = image;
  close_capture_program(image);
  EXPECT_FALSE(program_intact(other)) << "closed behind its back";
}

TEST(capture_program, whose_notes_file_is_another_ones_by_now_is_not_intact) {
  scratch s;
  capture_program image = opened();
  EXPECT_TRUE(posix::image_intact(image));
  const int stranger = open(s.file("database", "x", 0600).c_str(), O_RDWR);
  ASSERT_EQ(dup2(stranger, image.notes), image.notes);
  EXPECT_FALSE(posix::image_intact(image));
  close(stranger);
  close_capture_program(image);
}

TEST(capture_program, closes_both_files_once) {
  const int fds = open_fds();
  capture_program image = opened();
  EXPECT_EQ(open_fds(), fds + 2);
  close_capture_program(image);
  EXPECT_EQ(open_fds(), fds);
  EXPECT_EQ(image.program, -1);
  EXPECT_EQ(image.notes, -1);
  close_capture_program(image);
  EXPECT_EQ(open_fds(), fds);
}

TEST(capture_program, that_is_closed_is_refused_by_the_slot_which_keeps_what_it_had) {
  crash_image<posix> slot;
  capture_program good = opened();
  ASSERT_EQ(slot.load(good), load_outcome::loaded);
  capture_program bad = opened();
  const capture_program stale = bad;
  close_capture_program(bad);
  EXPECT_EQ(slot.load(stale), load_outcome::refused);
  capture_program removed;
  EXPECT_EQ(slot.unload(&removed), unload_outcome::unloaded);
  EXPECT_EQ(removed.program, good.program);
  close_capture_program(removed);
}

TEST(capture_program, that_is_claimed_is_not_replaced_by_a_second_load) {
  crash_image<posix> slot;
  capture_program first = opened();
  capture_program second = opened();
  ASSERT_EQ(slot.load(first), load_outcome::loaded);
  ASSERT_EQ(slot.reserve(), image_outcome::reserved);
  ASSERT_TRUE(slot.check());
  capture_program replaced{1, 2, 3, {}};
  EXPECT_EQ(slot.load(second, &replaced), load_outcome::claimed);
  EXPECT_EQ(replaced.program, 1) << "nothing was handed out";
  EXPECT_EQ(slot.unload(&replaced), unload_outcome::claimed);
  ASSERT_NE(slot.held(), nullptr);
  EXPECT_EQ(slot.held()->program, first.program);
  close_capture_program(first);
  close_capture_program(second);
}

TEST(capture_program, is_not_handed_to_programs_that_are_started_in_quiet_times) {
  capture_program image = opened();
  for (const int fd : {image.program, image.notes}) EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  close_capture_program(image);
}

}  // namespace
}  // namespace capture_program_test
