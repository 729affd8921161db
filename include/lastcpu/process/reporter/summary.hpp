// SPDX-License-Identifier: BSL-1.0
#pragma once
// The report of one screen: what happened, where, and what became of every thread.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/core_notes.hpp>
#include <lastcpu/process/reporter/signal_words.hpp>
#include <lastcpu/process/reporter/stop_threads.hpp>
#include <lastcpu/process/reporter/symbols.hpp>
#include <lastcpu/process/reporter/unwind.hpp>

namespace lastcpu::reporter_detail {

inline constexpr uint32_t most_frames = 24;
inline constexpr uint32_t most_crashes_shown = 8;
inline constexpr uint32_t most_threads_shown = 24;

class summary {
 public:
  summary(text& out, crash_state& s, cpu_id owner, const memory_map& map, const char* reason) noexcept
      : out_(out), s_(s), reason_(reason), owner_(owner), pid_(s.pid.load(order::relaxed)), map_(map), unwinder_(map) {}

  /// What is known without a system call.
  void put_bare() noexcept {
    put_head();
    s_.threads.for_each([&](cpu_id, uint32_t tid, crash_thread& t) noexcept {
      if (t.fault.si_signo == 0) return;
      put_signal(tid, t);
      if (settle_registers(t)) (out_ << "  at ").hex(pc_of(t.registers.general)) << "\n";
    });
  }

  void put(const stop_result& stop) noexcept {
    put_head();
    put_crash(owner_ < max_threads ? s_.threads.tid(owner_) : pid_, s_.threads[owner_]);
    uint32_t shown = 1;
    s_.threads.for_each([&](cpu_id i, uint32_t tid, crash_thread& t) noexcept {
      if (i != owner_ && t.fault.si_signo != 0 && shown++ < most_crashes_shown) put_crash(tid, t);
    });
    if (shown > most_crashes_shown) out_ << "and " << shown - most_crashes_shown << " more crashed threads\n";
    put_counts(stop);
    put_table();
  }

 private:
  void put_head() noexcept {
    out_ << "*** " << settings.program << "[" << pid_
         << (reason_ == nullptr ? "] has crashed ***\n" : "] goes on ***\n");
    if (reason_ != nullptr) (out_ << "reason: ").foreign(reason_, 200) << "\n";
    if (settings.note[0] != '\0') (out_ << "note: ").foreign(settings.note, sizeof settings.note) << "\n";
    annotations.for_each([this](const char* key, const char* value) noexcept {
      ((out_ << "note ").foreign(key, annotation_key_bytes) << ": ").foreign(value, annotation_value_bytes) << "\n";
    });
  }

  void put_signal(uint32_t tid, const crash_thread& t) noexcept {
    (out_ << "thread " << tid << " \"").foreign(t.name, 16) << "\": ";
    if (reason_ == nullptr)
      describe_signal(out_, t.fault);
    else
      out_ << "asks for this report";
    out_ << "\n";
  }

  void put_crash(uint32_t tid, crash_thread& t) noexcept {
    put_signal(tid, t);
    if (!settle_registers(t)) return;
    uintptr_t frames[most_frames];
    const unwound how = unwinder_.walk(t.registers.general, frames, most_frames);
    for (uint32_t i = 0; i < how.frames; ++i) {
      out_ << "  #" << i;
      out_.column(6);
      put_place(frames[i]);
      put_function(frames[i], i == 0);
      out_ << "\n";
    }
    if (how.cut) out_ << "  ...\n";
    s_.beat();
  }

  void put_place(uintptr_t pc) noexcept {
    out_.hex(pc) << " ";
    const mapping* m = map_.find(pc);
    if (m == nullptr || m->name[0] == '\0') {
      out_ << (m == nullptr ? "(nothing is mapped there)" : "(no file)");
      return;
    }
    out_.foreign(base_name(m->name), 80).put('+').hex(pc - map_.base_of(*m));
  }

  /// A return address may lie behind the last instruction of its function.
  void put_function(uintptr_t pc, bool exact) noexcept {
    const uintptr_t inside = exact ? pc : pc - 1;
    if (const mapping* m = map_.find(inside); m != nullptr) symbols_.put(out_, map_, *m, inside);
  }

  void put_counts(const stop_result& stop) noexcept {
    uint32_t all = 0, n[7] = {};
    s_.threads.for_each([&](cpu_id i, uint32_t, crash_thread& t) noexcept {
      ++all;
      ++n[static_cast<uint32_t>(i == owner_ ? thread_state::crashed : t.now())];
    });
    out_ << all << (all == 1 ? " thread" : " threads");
    const auto part = [&](thread_state s, const char* words) noexcept {
      if (const uint32_t count = n[static_cast<uint32_t>(s)]; count != 0) out_ << ", " << count << words;
    };
    part(thread_state::crashed, reason_ == nullptr ? " crashed" : " asks");
    part(thread_state::by_signal, " stopped by signal");
    part(thread_state::by_ptrace, " stopped by ptrace");
    part(thread_state::gone, " ended meanwhile");
    part(thread_state::silent, " SILENT: may still run");
    if (stop.left_out != 0) out_ << ", " << stop.left_out << " left out";
    out_ << "\n";
    if (!stop.listed)
      out_ << "threads that neither crashed nor registered are unknown: there is no /proc of this process\n";
    if (s_.clone_error != 0)
      put_error(out_ << "reported by the crashing thread itself, without ptrace: no process could be started: ",
                s_.clone_error)
          << "\n";
  }

  void put_table() noexcept {
    uint32_t shown = 0, more = 0;
    s_.threads.for_each([&](cpu_id i, uint32_t tid, crash_thread& t) noexcept {
      if (i == owner_ || t.now() == thread_state::gone || t.fault.si_signo != 0) return;
      if (t.now() != thread_state::silent && shown >= most_threads_shown) return void(++more);
      ++shown;
      (out_ << "  " << tid).column(10);
      out_.foreign(t.name, 16).column(28);
      put_state(t);
      out_ << "\n";
    });
    if (more != 0) out_ << "  and " << more << " more\n";
  }

  void put_state(crash_thread& t) noexcept {
    if (settle_registers(t)) return put_place(pc_of(t.registers.general));
    out_ << "SILENT";
    if (t.kernel_state == 'D') out_ << ", in a wait of the kernel that nothing interrupts (D)";
    if (t.why_silent != no_answer) put_error(out_ << ", and may not be traced: ", t.why_silent);
  }

 public:
  static text& put_error(text& out, int error) noexcept {
    constexpr struct {
      int number;
      const char* words;
    } known[] = {{EPERM, "not permitted (EPERM)"},
                 {EACCES, "no permission (EACCES)"},
                 {ENOENT, "no such directory (ENOENT)"},
                 {ENOTDIR, "not a directory (ENOTDIR)"},
                 {EEXIST, "what is there is no file of ours to replace (EEXIST)"},
                 {EAGAIN, "too many processes (EAGAIN); see ulimit -u"},
                 {ENOMEM, "no memory (ENOMEM)"},
                 {ENOSPC, "the file system is full (ENOSPC)"},
                 {EDQUOT, "the quota is used up (EDQUOT)"},
                 {EFBIG, "the limit on file size (EFBIG); see ulimit -f"},
                 {EMFILE, "no descriptor is left (EMFILE); see ulimit -n"},
                 {EROFS, "the file system is read-only (EROFS)"},
                 {EISDIR, "a directory (EISDIR)"},
                 {EIO, "input/output error (EIO)"},
                 {ENOSYS, "the system call is refused (ENOSYS)"}};
    for (const auto& k : known)
      if (k.number == error) return out << k.words;
    return out << "error " << error;
  }

 private:
  text& out_;
  crash_state& s_;
  const char* reason_;  // null: a crash
  cpu_id owner_;
  uint32_t pid_;
  const memory_map& map_;
  unwinder unwinder_;
  symbol_finder symbols_;
};

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
