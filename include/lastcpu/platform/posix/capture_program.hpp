// SPDX-License-Identifier: BSL-1.0
#pragma once
// The crash image of a process: a program that the dying process becomes by exec. It is copied into sealed memory in
// quiet times, so that it does not matter what happens to its file later.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/platform/posix/crash_notes.hpp>
#include <lastcpu/platform/posix/faults.hpp>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>

namespace lastcpu {

/// Made by open_capture_program().
struct capture_program {
  int program = -1;      ///< descriptor of the program, sealed
  int notes = -1;        ///< descriptor of the file of notes
  uint64_t size = 0;     ///< bytes of the program
  char option[48] = {};  ///< its one argument, formatted in advance: the crash path does not format
};

namespace posix_detail {

inline constexpr int program_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

[[nodiscard]] inline bool program_intact(const capture_program& image) noexcept {
  struct stat s {};
  return image.program >= 0 && image.notes >= 0 && image.size > 0 &&
         fcntl(image.program, F_GET_SEALS) == program_seals && fstat(image.program, &s) == 0 &&
         static_cast<uint64_t>(s.st_size) == image.size &&
         fcntl(image.notes, F_GET_SEALS) == F_SEAL_SEAL;  // not another file that got its number
}

/// An empty file of notes, and the argument that names it.
[[nodiscard]] inline bool make_notes(capture_program& image) noexcept {
  image.notes = memfd_create("lastcpu-notes", MFD_CLOEXEC);  // become() clears it
  snprintf(image.option, sizeof image.option, "--crash-notes=/proc/self/fd/%d", image.notes);
  return image.notes >= 0 && write_whole(image.notes, &crash_notes_header, sizeof crash_notes_header);
}

[[nodiscard]] inline bool copy_and_seal(int from, uint64_t bytes, capture_program& image) noexcept {
  image.size = bytes;
  constexpr unsigned executable = 0x10;  // MFD_EXEC, since Linux 6.3: needed where vm.memfd_noexec is 1
  image.program = memfd_create("lastcpu-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING | executable);
  if (image.program < 0 && errno == EINVAL)
    image.program = memfd_create("lastcpu-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  const bool noted = make_notes(image);
  if (image.program < 0 || !noted) return false;
  while (bytes > 0) {
    const ssize_t n = sendfile(image.program, from, nullptr, bytes);
    if (n <= 0) return false;
    bytes -= static_cast<uint64_t>(n);
  }
  return fcntl(image.program, F_ADD_SEALS, program_seals) == 0;
}

#if defined(__x86_64__)
inline constexpr uint16_t this_machine = EM_X86_64;
#elif defined(__aarch64__)
inline constexpr uint16_t this_machine = EM_AARCH64;
#else
inline constexpr uint16_t this_machine = EM_NONE;
#endif

/// Why the file can't be a capture program, or null when it can.
[[nodiscard]] inline const char* refuse(int fd, const char* path, const struct stat& s) noexcept {
  if (!S_ISREG(s.st_mode)) return "is not a file; name an ELF executable";
  if (access(path, X_OK) != 0) return "is not executable; try chmod +x, or name another program";
  Elf64_Ehdr h{};
  if (pread(fd, &h, sizeof h, 0) != static_cast<ssize_t>(sizeof h) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
    return "is not an ELF executable; a script needs a small program that starts it";
  if ((h.e_type != ET_EXEC && h.e_type != ET_DYN) || (this_machine != EM_NONE && h.e_machine != this_machine))
    return "is not an executable for this machine; build it with the compiler of this program";
  return nullptr;
}

/// Drops every pending signal, by ignoring it for a moment: it must not reach the new program, nor a handler of the old
/// one once the mask is lifted.
/// - The stop signals stay ignored: a late one would kill the new program.
/// - Fault signals keep their handlers: none of them is masked, so none is pending.
inline void drop_pending_signals(const int (&stop_signals)[2]) noexcept {
  struct sigaction action {};
  for (int s = 1; s <= SIGRTMAX; ++s) {
    if (is_fault(s)) continue;
    if (sigaction(s, nullptr, &action) != 0 || action.sa_handler == SIG_IGN)
      continue;  // it stays ignored: a program under nohup hands that on
    action = {};
    action.sa_handler = SIG_IGN;
    sigaction(s, &action, nullptr);
    action.sa_handler = SIG_DFL;
    if (s != stop_signals[0] && s != stop_signals[1]) sigaction(s, &action, nullptr);
  }
}

/// Ends the timers of the process: they live through an exec, and the new program has no handler for them.
inline void stop_timers() noexcept {
  const itimerval none{};
  for (const int timer : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) syscall(SYS_setitimer, timer, &none, nullptr);
}

/// Says why the program could not be started. Not by printf, which may take a lock.
inline void say_not_started(int error) noexcept {
  char line[] = "lastcpu: the capture program could not be started: error 000 of exec\n";
  char* digits = line + sizeof line - sizeof "000 of exec\n";
  for (int i = 2; i >= 0; --i, error /= 10) digits[i] = static_cast<char>('0' + error % 10);
  (void)write_whole(STDERR_FILENO, line, sizeof line - 1);
}

/// Becomes the program by exec; returns only when the kernel refuses, and says so. An environment that a crash has
/// damaged is left behind. Any context, signals masked.
inline void become(const capture_program& image, const int (&stop_signals)[2]) noexcept {
  char name[] = "lastcpu-capture";
  char option[sizeof image.option];
  memcpy(option, image.option, sizeof option);
  char* const argv[] = {name, option, nullptr};
  char* const nothing[] = {nullptr};
  stop_timers();
  drop_pending_signals(stop_signals);
  fcntl(image.notes, F_SETFD, 0);
  const uint64_t none = 0;
  uint64_t before = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, &before, sizeof none);
  syscall(SYS_execveat, image.program, "", argv, environ, AT_EMPTY_PATH);
  if (errno == EFAULT || errno == E2BIG) syscall(SYS_execveat, image.program, "", argv, nothing, AT_EMPTY_PATH);
  const int error = errno;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, sizeof before);
  say_not_started(error);
}

}  // namespace posix_detail

/// Closes what open_capture_program() has opened. Does nothing for an image that is closed.
inline void close_capture_program(capture_program& image) noexcept {
  if (image.program >= 0) close(image.program);
  if (image.notes >= 0) close(image.notes);
  image = capture_program{};
}

/// Copies the program at `path` into sealed memory, ready for crash_image::load(). On failure false, with a sentence in
/// `error` that names the path and the remedy; nothing stays open then. Thread context; allocates.
[[nodiscard]] inline bool open_capture_program(const char* path, capture_program& image, std::string& error) {
  const auto fail = [&](const std::string& why) {
    error = "capture program '" + std::string(path) + "' " + why;
    return false;
  };
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(std::string("can't be opened: ") + strerror(errno) + "; check the path");
  struct stat s {};
  capture_program made;
  const char* why = fstat(fd, &s) != 0 ? "can't be examined" : posix_detail::refuse(fd, path, s);
  const bool copied = why == nullptr && posix_detail::copy_and_seal(fd, static_cast<uint64_t>(s.st_size), made);
  const int copy_error = errno;
  close(fd);
  if (!copied) close_capture_program(made);
  if (why != nullptr) return fail(why);
  if (!copied)
    return fail(std::string("can't be copied into memory: ") + strerror(copy_error) +
                "; see ulimit -n and vm.memfd_noexec");
  image = made;
  return true;
}

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
