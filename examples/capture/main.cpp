// SPDX-License-Identifier: BSL-1.0
// A capture program: what a dying process becomes, its own crash kernel. It finds who crashed, why, and where every
// other CPU was, and prints it. Copy it and do with the notes what your service needs: a file, a socket, a pager.
//
// It starts with a sane heap and one thread, in the process id of the dead program, with its open files and output.

#include <lastcpu/platform/posix/crash_notes.hpp>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <string>
#include <vector>

namespace {

using record = lastcpu::crash_note_record;

[[nodiscard]] const char* describe(lastcpu::stop_state s) {
  switch (s) {
    case lastcpu::stop_state::absent:
      return "never online";
    case lastcpu::stop_state::running:
      return "owner: made this dump";
    case lastcpu::stop_state::parked:
      return "parked: lost the race";
    case lastcpu::stop_state::by_irq:
      return "stopped by interrupt";
    case lastcpu::stop_state::by_nmi:
      return "stopped by NMI";
    case lastcpu::stop_state::forced:
      return "forced down";
    case lastcpu::stop_state::silent:
      return "SILENT: may still run";
    case lastcpu::stop_state::gone:
      return "gone";
  }
  return "?";
}

[[nodiscard]] std::string messages(const record& r) {
  std::string out = r.message;
  const auto add = [&out](const char* label, const char* text) {
    if (*text != '\0') out += (out.empty() ? "" : "; ") + std::string(label) + text;
  };
  add("in NMI: ", r.nmi_message);
  add("nested: ", r.nested_message);
  return r.cut_short != 0 ? out + " (cut short)" : out;
}

void print_report(const std::vector<record>& records) {
  puts("stop report");
  printf("  %-5s %-24s %-18s %s\n", "CPU", "state", "pc", "message");
  for (const record& r : records) {
    char pc[24] = "not saved";
    if (r.registers_valid != 0) snprintf(pc, sizeof pc, "0x%012llx", static_cast<unsigned long long>(r.registers.pc));
    printf("  %-5u %-24s %-18s %s\n", r.cpu, describe(r.state), pc, messages(r).c_str());
  }
}

void print_registers(const record& r) {
  if (r.registers_valid == 0) return;
  const lastcpu::posix_registers& regs = r.registers;
  printf("registers of CPU %u\n", r.cpu);
  printf("  %-4s %016llx  %-4s %016llx  %-4s %016llx\n", "pc", static_cast<unsigned long long>(regs.pc), "sp",
         static_cast<unsigned long long>(regs.sp), "fl", static_cast<unsigned long long>(regs.flags));
  for (uint32_t i = 0; i < regs.general_count; ++i)
    printf("  %-4s %016llx%s", lastcpu::posix_register_name(i), static_cast<unsigned long long>(regs.general[i]),
           i % 4 == 3 ? "\n" : "");
}

[[nodiscard]] std::vector<record> read_all(const char* path) {
  std::vector<record> out;
  const int fd = open(path, O_RDONLY);
  record r;
  while (fd >= 0 && lastcpu::read_crash_note(fd, out.empty(), r)) out.push_back(r);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  static constexpr char option[] = "--crash-notes=";
  const size_t length = sizeof option - 1;
  if (argc != 2 || strncmp(argv[1], option, length) != 0) {
    fprintf(stderr, "%s: expects --crash-notes=FILE, as a dying process gives it; not to be started by hand\n",
            argv[0]);
    return 2;
  }
  const std::vector<record> records = read_all(argv[1] + length);
  if (records.empty()) {
    fprintf(stderr, "%s: '%s' holds no crash notes of this build\n", argv[0], argv[1] + length);
    return 1;
  }
  const record& crashed = records.front();  // the crashing CPU comes first
  printf("CPU %u crashed: %s\n\n", crashed.cpu, messages(crashed).c_str());
  print_report(records);
  putchar('\n');
  print_registers(crashed);
  return 0;
}
