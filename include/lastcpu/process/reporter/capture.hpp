// SPDX-License-Identifier: BSL-1.0
#pragma once
// What a report is made of, in order: threads stopped, map read, report written, core written. Runs in the capture
// process, which shares the crashed one's memory; where none could be started, on the crashing thread.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/core_writer.hpp>
#include <lastcpu/process/reporter/summary.hpp>

#include <sys/prctl.h>
#include <sys/stat.h>

namespace lastcpu::reporter_detail {

/// Whether the descriptor is still what it was meant to be: one that was closed may be a client's connection now. The kernel
/// is asked once, and not where a sandbox has killed for a system call: who does not know takes it for the right one.
[[nodiscard]] inline bool report_fd_is_right(crash_state& s) noexcept {
  if (settings.report_fd < 0) return false;
  if (s.descriptor == report_descriptor::unknown && s.capture_signal() != SIGSYS) {
    s.descriptor = report_descriptor::asked;
    struct stat st {};
    const bool right = kernel_call(SYS_fstat, settings.report_fd, &st) == 0 &&
                       (!S_ISSOCK(st.st_mode) || settings.report_fd_was_socket);
    s.descriptor = right ? report_descriptor::right : report_descriptor::wrong;
  }
  return s.descriptor != report_descriptor::wrong;
}

/// To the descriptor of the report, if it is the right one.
inline void say(crash_state& s, const char* words, size_t bytes) noexcept {
  if (report_fd_is_right(s)) (void)write_all(settings.report_fd, words, bytes);
}

class capture {
 public:
  /// `reason` null: a crash; else one of capture_now().
  capture(crash_state& s, cpu_id owner, bool other_process, const char* reason) noexcept
      : s_(s),
        reason_(reason),
        owner_(owner),
        other_process_(other_process),
        pid_(s.pid.load(order::relaxed)),
        out_(room_) {}

  void run() noexcept {
    s_.reach(progress_mark::stopping);
    make_room_for_files();
    const stop_result stop = thread_stopper(s_, owner_, other_process_, reason_ != nullptr).stop();
    int map_error = 0;
    memory_map map;
    const bool mapped = read_map(map, settings.core_path[0] != '\0', map_error);
    summary(out_, s_, owner_, map, reason_).put(stop);
    open_report_file();
    put_out(progress_mark::said);
    s_.reach(progress_mark::reported);
    if (settings.core_path[0] != '\0') mapped ? write_core(map) : no_core(map_error);
    end_report();
  }

  /// For a capture process that comes after one that has died over the report: what it held runs again.
  void write_core_alone() noexcept {
    make_room_for_files();
    s_.threads.for_each([](cpu_id, uint32_t, crash_thread& t) noexcept {
      if (t.now() == thread_state::by_ptrace) t.run_again();
    });
    s_.held_by_ptrace = 0;
    (void)thread_stopper(s_, owner_, other_process_, false).stop();
    int map_error = 0;
    memory_map map;
    read_map(map, true, map_error) ? write_core(map) : no_core(map_error);
    text(s_.core_words) << out_.begin();
  }

  /// For a report that was begun by a capture process, which died over it, perhaps over the file: none is opened.
  void finish_after_failure() noexcept {
    // A sandbox that kills for a system call would kill this process, too: it makes none but to write again.
    if (s_.reached() < progress_mark::said) summary(out_, s_, owner_, memory_map{}, reason_).put_bare();
    if (s_.reached() < progress_mark::told) put_early_end();
    end_report();
  }

 private:
  void make_room_for_files() noexcept {
    rlimit64 files{};
    kernel_call(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &files);
    if (other_process_) {
      rlimit64 bytes{};
      kernel_call(SYS_prlimit64, 0, RLIMIT_FSIZE, nullptr, &bytes);
      bytes.rlim_cur = bytes.rlim_max;
      kernel_call(SYS_prlimit64, 0, RLIMIT_FSIZE, &bytes, nullptr);
    }
    const long probe = kernel_call(SYS_fcntl, 0, F_DUPFD_CLOEXEC, files.rlim_cur > 8 ? 3 : 0);
    if (probe >= 0) return close_fd(probe);
    if (probe != -EMFILE || !other_process_) return;
    uint32_t closed = 0;  // copies of the dead process's: nobody misses them
    for (long fd = static_cast<long>(files.rlim_cur) - 1; fd > 2 && closed < 8; --fd)
      if (fd != settings.report_fd && kernel_call(SYS_close, fd) == 0) ++closed;
  }

  void open_report_file() noexcept {
    if (settings.report_path[0] == '\0') return;
    char path[path_room];
    text name(path);
    fill_in(name, settings.report_path, pid_);
    const int wait = other_process_ ? 0 : O_NONBLOCK;  // for the reader of a pipe: nobody watches over this thread
    file_ =
        kernel_call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | wait, 0600);
    if (file_ < 0)
      summary::put_error((out_ << "the report can't be written to ").foreign(path, path_room) << ": ",
                         static_cast<int>(-file_))
          << "\n";
  }

  void write_to_file() noexcept {
    if (file_ >= 0) (void)write_all(static_cast<int>(file_), out_.begin(), out_.size());
  }

  /// `mark` comes between the two: who goes on behind a file that is stuck says nothing twice.
  void put_out(progress_mark mark) noexcept {
    say(s_, out_.begin(), out_.size());
    s_.reach(mark);
    write_to_file();
    out_.clear();
  }

  /// The last line goes to the file first: where that is stuck, the last words end what the descriptor has.
  void end_report() noexcept {
    put_out(progress_mark::told);
    out_ << "*** end of report ***\n";
    write_to_file();
    say(s_, out_.begin(), out_.size());
    s_.reach(progress_mark::complete);
  }

  void put_early_end() noexcept {
    out_ << "the capture process has ended early";
    if (s_.capture_signal() != 0) out_ << ", by signal " << s_.capture_signal();
    out_ << (s_.capture_signal() == SIGSYS ? ", of a sandbox" : "")
         << (s_.core_words[0] != '\0' ? ": the report is cut\n" : ": the report or the core is cut\n") << s_.core_words;
  }

  void no_core(int error) noexcept {
    summary::put_error(out_ << "no core: the map of the memory can't be read: ", error) << "\n";
  }

  void write_core(memory_map& map) noexcept {
    // 2, behind a change of user: for root alone.
    if (kernel_call(SYS_prctl, PR_GET_DUMPABLE) != 1) {
      out_ << "no core: the process has changed its user, or forbids it (PR_SET_DUMPABLE)\n";
      return;
    }
    if (!map.in_detail) {  // the program's secrets would go in
      out_ << "no core: this kernel does not say what is to be kept out of one (/proc/self/smaps)\n";
      return;
    }
    char path[path_room];
    text name(path);
    fill_in(name, settings.core_path, pid_);
    if (reason_ != nullptr) name << ".now";  // a crash does not overwrite it
    core_writer writer(s_, map);
    const core_outcome how = writer.write(path, owner_);
    if (how.error != 0 && how.bytes == 0) {
      summary::put_error((out_ << "no core in ").foreign(path, path_room) << ": ", how.error) << "\n";
      return;
    }
    (out_ << "core: ").foreign(path, path_room) << ", " << (how.bytes + 1023) / 1024 << " KiB\n";
    if (how.error != 0) summary::put_error(out_ << "the core is cut: ", how.error) << "\n";
    if (how.left_out != 0) out_ << "the core's limit has left out " << how.left_out / 1024 << " KiB\n";
    out_ << "  gdb " << settings.program << " ";
    out_.foreign(path, path_room) << "\n";
  }

  crash_state& s_;
  const char* reason_;
  cpu_id owner_;
  bool other_process_;
  uint32_t pid_;
  long file_ = -1;
  char room_[report_room];
  text out_;
};

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
