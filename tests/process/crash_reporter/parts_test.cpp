// SPDX-License-Identifier: BSL-1.0
// The parts of the report that read what others have written: /proc and call frame information, right or wrong.
#include <lastcpu/process/crash_reporter.hpp>

#include <gtest/gtest.h>
#include <string.h>
#include <sys/mman.h>

#include <random>
#include <string>
#include <vector>

namespace parts_test {
namespace {

using namespace lastcpu::reporter_detail;

TEST(report_text, cuts_what_does_not_fit_and_lets_no_control_character_through) {
  char room[12];
  text t(room);
  (t << "ab" << 12 << -7).hex(255);
  EXPECT_STREQ(room, "ab12-70xff");
  t << "longer than the room";
  EXPECT_STREQ(room, "ab12-70xffl");
  EXPECT_TRUE(t.is_full());
  t.clear();
  t.foreign("a\x1b[0m\n", 4);
  EXPECT_STREQ(room, "a?[0");
}

TEST(report_text, writes_the_largest_numbers) {
  char room[64];
  text(room) << ~uint64_t{0} << " " << INT32_MIN;
  EXPECT_STREQ(room, "18446744073709551615 -2147483648");
}

mapping parsed(const char* line) {
  mapping m{};
  EXPECT_TRUE(parse_mapping(line, m)) << line;
  return m;
}

TEST(memory_map, reads_a_line_of_proc) {
  const mapping m = parsed("7f1c-7f1d rw-s 00001000 fe:00 332383                     /a b/c (deleted)");
  EXPECT_EQ(m.start, 0x7f1cu);
  EXPECT_EQ(m.end, 0x7f1du);
  EXPECT_TRUE(m.read && m.write && !m.execute && m.shared && m.is_file);
  EXPECT_EQ(m.offset, 0x1000u);
  EXPECT_EQ(m.inode, 332383u);
  EXPECT_STREQ(m.name, "/a b/c (deleted)");
}

TEST(memory_map, refuses_lines_of_another_kind) {
  mapping m{};
  for (const char* line :
       {"", "Size:                  4 kB", "VmFlags: rd", "-", "12-", "12-34", "12-34 r", "12 34 rwxp"})
    EXPECT_FALSE(parse_mapping(line, m)) << line;
}

TEST(memory_map, takes_details_to_the_mapping_above_them) {
  mapping m{};
  parse_detail("Anonymous:             12 kB", m);
  EXPECT_EQ(m.anonymous, 12u * 1024);
  parse_detail("VmFlags: rd wr mr mw me ac sd ", m);
  EXPECT_FALSE(m.left_out);
  parse_detail("VmFlags: rd wr dd ac", m);
  EXPECT_TRUE(m.left_out);
}

TEST(core_filter, keeps_what_the_process_has_written_and_the_first_page_of_files) {
  const auto bytes = [](const char* line, uint64_t anonymous, bool shared_too) {
    mapping m = parsed(line);
    m.anonymous = anonymous;
    return bytes_for_core(m, shared_too);
  };
  EXPECT_EQ(bytes("10000-14000 rw-p 0 0:0 0", 0, true), 0x4000u);
  EXPECT_EQ(bytes("10000-14000 ---p 0 0:0 0", 0, true), 0u) << "a guard page";
  EXPECT_EQ(bytes("10000-14000 r-xp 1000 1:1 7 /bin/a", 0, true), 0u) << "code is in its file";
  EXPECT_EQ(bytes("10000-14000 r--p 0 1:1 7 /bin/a", 0, true), 0x1000u) << "it has the build id";
  EXPECT_EQ(bytes("10000-14000 r--p 2000 1:1 7 /bin/a", 4096, true), 0x4000u) << "relocated, and read-only since";
  EXPECT_EQ(bytes("10000-14000 rw-s 0 1:1 7 /data", 0, true), 0u) << "a file has it already";
  EXPECT_EQ(bytes("10000-14000 rw-s 0 1:1 7 /dev/zero (deleted)", 0, true), 0x4000u);
  EXPECT_EQ(bytes("10000-14000 rw-s 0 1:1 7 /dev/zero (deleted)", 0, false), 0u);
  EXPECT_EQ(bytes("10000-14000 r--p 0 0:0 0 [vvar]", 0, true), 0u) << "of the kernel's";
  EXPECT_EQ(bytes("ffffffffff600000-ffffffffff601000 r-xp 0 0:0 0 [vsyscall]", 0, true), 0u);
}

TEST(signal_words, know_codes_of_their_own_signal_only) {
  siginfo_t info{};
  info.si_signo = SIGFPE;
  info.si_code = 99;
  char room[200];
  text t(room);
  describe_signal(t, info);
  EXPECT_STREQ(room, "SIGFPE (arithmetic error) at 0x0: si_code 99");
  EXPECT_STREQ(words_of(SIGSEGV, 1)->name, "SEGV_MAPERR");
  EXPECT_STREQ(words_of(SIGBUS, 1)->name, "BUS_ADRALN");
}

struct frames_of_damage {
  std::mt19937 random{1};
  std::vector<unsigned char> bytes = std::vector<unsigned char>(512);
  frame_state state{};
};

// Whatever stands where a program of call frame information should, it ends, and nothing is touched.
TEST(frame_program, of_random_bytes_ends) {
  frames_of_damage f;
  frame_state to{};
  unsigned worked = 0;
  for (int i = 0; i < 20'000; ++i) {
    for (unsigned char& b : f.bytes) b = static_cast<unsigned char>(f.random());
    for (uint64_t& v : f.state.value)
      v = f.random() % 2 != 0 ? f.random() : reinterpret_cast<uintptr_t>(f.bytes.data()) + f.random() % 600;
    frame_description d;
    d.first_program = reinterpret_cast<uintptr_t>(f.bytes.data());
    d.first_end = d.first_program + f.random() % 32;
    d.program = d.first_end;
    d.program_end = d.program + f.random() % 256;
    d.begin = 0;
    d.data_unit = -8;
    d.return_register = 16;
    worked += frame_program(d, f.state).step(to);
  }
  EXPECT_LT(worked, 20'000u);
}

TEST(frame_reader, of_random_descriptions_ends_or_refuses) {
  frames_of_damage f;
  for (int i = 0; i < 4000; ++i) {
    for (unsigned char& b : f.bytes) b = static_cast<unsigned char>(f.random() % 8 != 0 ? f.random() % 32 : f.random());
    frame_description d;
    frame_reader r(0);
    (void)read_fde(r, reinterpret_cast<uintptr_t>(f.bytes.data()) + f.random() % 256, d);
  }
}

TEST(frame_program, that_leads_back_to_its_beginning_ends) {
  // DW_CFA_def_cfa_expression, whose length of ten bytes is -11.
  const unsigned char bytes[] = {0x0f, 0xf5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00};
  frame_description d;
  d.first_program = reinterpret_cast<uintptr_t>(bytes);
  d.first_end = d.first_program + sizeof bytes;
  const frame_state from{};
  frame_state to{};
  alarm(5);
  EXPECT_FALSE(frame_program(d, from).step(to));
  alarm(0);
}

TEST(frame_reader, refuses_the_last_bytes_of_the_address_space) {
  frame_reader r(~uintptr_t{0} - 7);
  (void)r.get<uint64_t>();
  EXPECT_TRUE(r.failed());
}

// The frames of this test, by hand: the walk finds at least main() and what called it.
[[gnu::noinline]] unsigned frames_here() {
  ucontext_t context{};
  getcontext(&context);
  thread_registers here{};
  registers_of(context, 0, here);
  memory_map map;
  int error = 0;
  if (!read_map(map, false, error)) return 0;
  uintptr_t frames[64];
  return unwinder(map).walk(here.general, frames, 64).frames;
}

TEST(unwinder, walks_the_whole_stack_of_a_test) {
  const unsigned frames = frames_here();
  EXPECT_GE(frames, 8u);
  EXPECT_LT(frames, 64u);
}

TEST(unwinder, ends_on_a_stack_that_leads_nowhere) {
  general_registers r{};
  memory_map map;
  uintptr_t frames[8];
  EXPECT_EQ(unwinder(map).walk(r, frames, 8).frames, 1u);
}

// A capture process that dies lets the threads go on that it held by ptrace; the next one stops them by signal, perhaps.
TEST(crash_thread, that_runs_again_has_no_registers_until_it_is_stopped_anew) {
  static crash_thread t;
  t.registers_valid = true;
  t.become(thread_state::by_ptrace);
  ASSERT_TRUE(settle_registers(t));
  t.run_again();
  EXPECT_FALSE(settle_registers(t));
  ucontext_t context{};
  getcontext(&context);
  t.context = &context;
  EXPECT_TRUE(t.ask());
  t.become(thread_state::by_signal);
  ASSERT_TRUE(settle_registers(t));
  thread_registers wanted{};
  registers_of(context, 0, wanted);
  EXPECT_EQ(pc_of(t.registers.general), pc_of(wanted.general));
}

TEST(crash_state, knows_the_signal_of_its_capture_process_with_a_core_of_the_kernel_and_without) {
  static crash_state s;
  EXPECT_EQ(s.capture_signal(), 0);
  for (const int status : {SIGSYS, SIGSYS | 0x80}) {
    s.capture_status = status;
    EXPECT_EQ(s.capture_signal(), SIGSYS);
  }
}

[[nodiscard]] bool is_present(const void* at) {
  const auto page = reinterpret_cast<uintptr_t>(at) / page_bytes() * page_bytes();
  unsigned char there = 0;
  return mincore(reinterpret_cast<void*>(page), 1, &there) == 0 && (there & 1) != 0;
}

TEST(crash_state, of_the_first_threads_is_in_memory_before_the_crash_and_so_is_the_capture_stack) {
  ASSERT_TRUE(make_rooms());
  for (const uint32_t i : {0u, 32u, 63u}) EXPECT_TRUE(is_present(&settings.state->threads[i])) << i;
  for (const size_t from_top : {1u, 16 * 1024u, 31 * 1024u})
    EXPECT_TRUE(is_present(settings.stack + capture_stack_bytes - from_top)) << from_top;
  EXPECT_FALSE(is_present(&settings.state->threads[1000])) << "what hardly any process needs";
}

TEST(thread_table, gives_each_thread_one_entry_and_the_last_place_when_it_is_full) {
  static thread_table table;
  EXPECT_EQ(table.find(7), lastcpu::cpu_id{max_threads});
  EXPECT_EQ(table.find_or_add(7), 0u);
  EXPECT_EQ(table.find_or_add(9), 1u);
  EXPECT_EQ(table.find_or_add(7), 0u);
  for (uint32_t tid = 1000; tid < 1000 + max_threads - 2; ++tid) (void)table.find_or_add(tid);
  EXPECT_EQ(table.find_or_add(5), lastcpu::cpu_id{max_threads}) << "it is full";
  EXPECT_EQ(table.find_or_add(9), 1u);
}

TEST(thread_table, gives_the_entry_of_a_thread_that_has_left_to_one_that_registers) {
  static thread_table table;
  table.enter(7);
  table.enter(9);
  table.leave(7);
  EXPECT_EQ(table.find(7), lastcpu::cpu_id{max_threads});
  table.enter(11);
  EXPECT_EQ(table.find(11), 0u);
  EXPECT_EQ(table.find(9), 1u);
}

}  // namespace
}  // namespace parts_test
