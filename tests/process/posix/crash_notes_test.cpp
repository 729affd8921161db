// SPDX-License-Identifier: BSL-1.0
#include <lastcpu/platform/posix/crash_notes.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <iterator>
#include <string>
#include <thread>

namespace crash_notes_test {
namespace {

using namespace lastcpu;
using posix_detail::write_note;
using posix_detail::write_whole;

class notes_file {
 public:
  explicit notes_file(const crash_note_header& header = crash_notes_header) : fd_(memfd_create("notes", MFD_CLOEXEC)) {
    EXPECT_TRUE(write_whole(fd_, &header, sizeof header));
  }
  ~notes_file() { close(fd_); }
  notes_file(const notes_file&) = delete;
  notes_file& operator=(const notes_file&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

[[nodiscard]] cpu_note<posix_registers> note_of(cpu_id cpu, const posix_registers* regs) {
  return {cpu, stop_state::by_nmi, cpu == 3, regs, "why", "why in NMI", "why again", cpu == 4};
}

TEST(crash_notes, what_is_written_is_read_back_in_its_order) {
  const notes_file file;
  posix_registers regs{};
  regs.pc = 0x1234;
  *std::rbegin(regs.general) = 7;
  write_note(file.fd(), note_of(3, &regs));
  write_note(file.fd(), note_of(4, nullptr));

  crash_note_record r{};
  ASSERT_TRUE(read_crash_note(file.fd(), true, r));
  EXPECT_EQ(r.cpu, 3u);
  EXPECT_EQ(r.state, stop_state::by_nmi);
  EXPECT_EQ(r.crashing, 1u);
  EXPECT_EQ(r.cut_short, 0u);
  EXPECT_EQ(r.registers_valid, 1u);
  EXPECT_EQ(r.registers.pc, 0x1234u);
  EXPECT_EQ(*std::rbegin(r.registers.general), 7u);
  EXPECT_STREQ(r.message, "why");
  EXPECT_STREQ(r.nmi_message, "why in NMI");
  EXPECT_STREQ(r.nested_message, "why again");

  ASSERT_TRUE(read_crash_note(file.fd(), false, r));
  EXPECT_EQ(r.cpu, 4u);
  EXPECT_EQ(r.crashing, 0u);
  EXPECT_EQ(r.cut_short, 1u);
  EXPECT_EQ(r.registers_valid, 0u) << "none were saved";
  EXPECT_EQ(r.registers.pc, 0u);
  EXPECT_FALSE(read_crash_note(file.fd(), false, r)) << "that was all";
}

TEST(crash_notes, reading_starts_anew_at_the_first_record) {
  const notes_file file;
  write_note(file.fd(), note_of(3, nullptr));
  crash_note_record r{};
  for (int i = 0; i < 2; ++i) {
    r.cpu = 0;
    ASSERT_TRUE(read_crash_note(file.fd(), true, r));
    EXPECT_EQ(r.cpu, 3u);
  }
}

TEST(crash_notes, a_long_text_is_cut_and_ended) {
  const notes_file file;
  const std::string text(500, 'x');
  auto note = note_of(1, nullptr);
  note.message = text.c_str();
  write_note(file.fd(), note);
  crash_note_record r{};
  ASSERT_TRUE(read_crash_note(file.fd(), true, r));
  EXPECT_EQ(std::string(r.message), std::string(sizeof r.message - 1, 'x'));
}

TEST(crash_notes, each_text_has_room_for_127_characters) {
  const notes_file file;
  const std::string longest(127, 'x');
  write_note(file.fd(),
             {0, stop_state::running, true, nullptr, longest.c_str(), longest.c_str(), longest.c_str(), false});
  crash_note_record r{};
  ASSERT_TRUE(read_crash_note(file.fd(), true, r));
  EXPECT_EQ(r.message, longest);
  EXPECT_EQ(r.nmi_message, longest);
  EXPECT_EQ(r.nested_message, longest);
}

TEST(crash_notes, a_file_that_is_none_of_ours_is_refused) {
  crash_note_header magic = crash_notes_header;
  magic.magic[7] = '!';
  crash_note_header version = crash_notes_header;
  version.version += 1;
  crash_note_header layout = crash_notes_header;
  layout.record_bytes += 8;
  for (const crash_note_header& h : {magic, version, layout}) {
    const notes_file file(h);
    write_note(file.fd(), note_of(3, nullptr));
    crash_note_record r{};
    EXPECT_FALSE(read_crash_note(file.fd(), true, r));
  }
}

TEST(crash_notes, a_file_that_breaks_off_is_refused) {
  crash_note_record r{};
  {
    const notes_file file;
    ASSERT_EQ(ftruncate(file.fd(), sizeof(crash_note_header) - 1), 0);
    EXPECT_FALSE(read_crash_note(file.fd(), true, r)) << "inside the header";
  }
  {
    const notes_file file;
    EXPECT_FALSE(read_crash_note(file.fd(), true, r)) << "behind the header";
  }
  const notes_file file;
  write_note(file.fd(), note_of(3, nullptr));
  ASSERT_EQ(ftruncate(file.fd(), sizeof(crash_note_header) + sizeof(crash_note_record) - 1), 0);
  EXPECT_FALSE(read_crash_note(file.fd(), true, r)) << "inside a record";
}

[[nodiscard]] std::string all_of(int fd, size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t at = 0; at < bytes;) {
    const ssize_t n = read(fd, &text[at], bytes - at);
    if (n <= 0) return text.substr(0, at);
    at += static_cast<size_t>(n);
  }
  return text;
}

// A signal cuts a write to a full pipe short when a part is written.
TEST(crash_notes, a_write_that_is_cut_short_goes_on_where_it_was) {
  struct sigaction ignore_it {};
  struct sigaction before {};
  ignore_it.sa_handler = [](int) {};
  sigaction(SIGALRM, &ignore_it, &before);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto room = static_cast<size_t>(fcntl(ends[1], F_GETPIPE_SZ));
  std::string text(2 * room + 100, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  bool whole = false;
  std::thread writer([&] { whole = write_whole(ends[1], text.data(), text.size()); });
  for (int there = 0; there < static_cast<int>(room); ioctl(ends[0], FIONREAD, &there)) usleep(1000);
  usleep(20'000);  // it sleeps in the write
  pthread_kill(writer.native_handle(), SIGALRM);
  usleep(20'000);
  EXPECT_EQ(all_of(ends[0], text.size()), text);
  writer.join();
  EXPECT_TRUE(whole);
  close(ends[0]), close(ends[1]);
  sigaction(SIGALRM, &before, nullptr);
}

TEST(crash_notes, a_write_for_which_there_is_no_room_fails) {
  const int file = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(ftruncate(file, 10), 0);
  ASSERT_EQ(fcntl(file, F_ADD_SEALS, F_SEAL_GROW), 0);
  EXPECT_TRUE(write_whole(file, "012345678", 9));
  EXPECT_TRUE(write_whole(file, "9", 1)) << "a single byte is whole, too";
  EXPECT_FALSE(write_whole(file, "x", 1));
  close(file);
}

TEST(crash_notes, writing_to_nothing_fails_and_a_note_survives_it) {
  EXPECT_FALSE(write_whole(-1, "x", 1));
  write_note(-1, note_of(3, nullptr));  // nobody can be told: it must only come back
  crash_note_record r{};
  EXPECT_FALSE(read_crash_note(-1, true, r));
}

}  // namespace
}  // namespace crash_notes_test
