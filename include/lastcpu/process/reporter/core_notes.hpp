// SPDX-License-Identifier: BSL-1.0
#pragma once
// The notes of a process's core: every thread's registers, the crashing thread first, and what a debugger wants to know
// of the process.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/process/reporter/annotations.hpp>
#include <lastcpu/process/reporter/core_file.hpp>
#include <lastcpu/process/reporter/memory_map.hpp>
#include <lastcpu/process/reporter/state.hpp>

#include <elf.h>
#include <sys/procfs.h>

namespace lastcpu::reporter_detail {

inline constexpr uint32_t nt_siginfo = 0x53494749, nt_file = 0x46494c45;
inline constexpr uint32_t note_of_user = 2;        // with the name LASTCPU: the line of crash_reporter_options::note
inline constexpr uint32_t note_of_annotation = 3;  // with the same name: KEY=VALUE and a zero byte, one note for each

/// Brings the registers of a stopped thread into the shape of a core. False when it has none.
[[nodiscard]] inline bool settle_registers(crash_thread& t) noexcept {
  if (!t.registers_valid && t.is_stopped() && t.context != nullptr) {
    registers_of(*t.context, t.thread_base, t.registers);
    t.registers_valid = true;
  }
  return t.registers_valid;
}

inline void put_thread(core_file& to, uint32_t pid, uint32_t tid, crash_thread& t, const siginfo_t& process) noexcept {
  prstatus_t status{};
  const siginfo_t& info = t.fault.si_signo != 0 ? t.fault : process;
  status.pr_info.si_signo = info.si_signo;
  status.pr_info.si_code = info.si_code;
  status.pr_cursig = static_cast<short>(info.si_signo);
  status.pr_pid = static_cast<pid_t>(tid);
  status.pr_ppid = status.pr_pgrp = status.pr_sid = static_cast<pid_t>(pid);
  copy_bytes(&status.pr_reg, &t.registers.general, sizeof status.pr_reg);
  status.pr_fpvalid = t.registers.floating_valid ? 1 : 0;
  put_note(to, "CORE", NT_PRSTATUS, status);
}

inline void put_floating(core_file& to, const crash_thread& t) noexcept {
  if (t.registers.floating_valid) put_note(to, "CORE", NT_FPREGSET, t.registers.floating);
}

inline void put_process(core_file& to, uint32_t pid) noexcept {
  prpsinfo_t info{};
  info.pr_state = 0;
  info.pr_sname = 'R';
  info.pr_pid = static_cast<pid_t>(pid);
  char path[48];
  text(path) << "/proc/" << pid << "/cmdline";
  char arguments[sizeof info.pr_psargs];
  const size_t n = read_small(path, arguments);
  for (size_t i = 0; i + 1 < n; ++i)
    if (arguments[i] == '\0') arguments[i] = ' ';
  copy_bytes(info.pr_psargs, arguments, n);
  text(info.pr_fname) << settings.program;
  put_note(to, "CORE", NT_PRPSINFO, info);
}

inline void put_auxiliary_vector(core_file& to) noexcept {
  char vector[1024];
  const size_t n = read_small("/proc/self/auxv", vector) & ~size_t{15};
  if (n == 0) return;
  begin_note(to, "CORE", NT_AUXV, n);
  to.put(vector, n);
  to.pad_to(4);
}

/// Which file is mapped where.
inline void put_files(core_file& to, const memory_map& map) noexcept {
  uint64_t count = 0, names = 0;
  const auto each = [&map](auto f) noexcept {
    for (uint32_t i = 0; i < map.count; ++i)
      if (map.at[i].is_file && map.at[i].name[0] == '/') f(map.at[i]);
  };
  each([&](const mapping& m) noexcept { ++count, names += length_of(m.name) + 1; });
  const uint64_t page = page_bytes();
  const uint64_t head[] = {count, page};
  begin_note(to, "CORE", nt_file, sizeof head + count * 24 + names);
  to.put(head, sizeof head);
  each([&to, page](const mapping& m) noexcept {
    const uint64_t row[] = {m.start, m.end, m.offset / page};
    to.put(row, sizeof row);
  });
  each([&to](const mapping& m) noexcept { to.put(m.name, length_of(m.name) + 1); });
  to.pad_to(4);
}

inline void put_user_note(core_file& to) noexcept {
  if (settings.note[0] == '\0') return;
  const size_t n = length_of(settings.note) + 1;
  begin_note(to, "LASTCPU", note_of_user, n);
  to.put(settings.note, n);
  to.pad_to(4);
}

inline void put_annotations(core_file& to) noexcept {
  annotations.for_each([&to](const char* key, const char* value) noexcept {
    const size_t k = length_of(key), v = length_of(value) + 1;
    begin_note(to, "LASTCPU", note_of_annotation, k + 1 + v);
    to.put(key, k);
    to.put("=", 1);
    to.put(value, v);
    to.pad_to(4);
  });
}

/// All of them, the thread `first` at the front.
inline void put_notes(core_file& to, crash_state& s, cpu_id first, const memory_map& map) noexcept {
  const uint32_t pid = s.pid.load(order::relaxed);
  crash_thread& crashed = s.threads[first];
  (void)settle_registers(crashed);
  put_thread(to, pid, first < max_threads ? s.threads.tid(first) : pid, crashed, crashed.fault);
  put_process(to, pid);
  put_note(to, "CORE", nt_siginfo, crashed.fault);
  put_auxiliary_vector(to);
  put_files(to, map);
  put_floating(to, crashed);
  s.threads.for_each([&](cpu_id i, uint32_t tid, crash_thread& t) noexcept {
    if (i == first || !settle_registers(t)) return;
    put_thread(to, pid, tid, t, crashed.fault);
    put_floating(to, t);
    s.beat();
  });
  put_user_note(to);
  put_annotations(to);
}

}  // namespace lastcpu::reporter_detail

#include <lastcpu/detail/end.hpp>
