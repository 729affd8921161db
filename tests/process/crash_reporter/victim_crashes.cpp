// SPDX-License-Identifier: BSL-1.0
// Ways to crash, and what is in the core and the report beside them.
#include "victim.hpp"

namespace victim {
namespace {

void annotated() {
  (void)lastcpu::annotate_crash("request", "GET /first");
  (void)lastcpu::annotate_crash("taken_out", "never seen");
  (void)lastcpu::annotate_crash("request", "GET /last\x1b[2J");
  (void)lastcpu::annotate_crash("taken_out", "");
}

// Crashes while one value gives way to the next.
void annotating() {
  static const std::string a(150, 'a'), b(150, 'b');
  (void)lastcpu::annotate_crash("letters", a.c_str());  // the thread may not have run by then
  std::thread([] {
    for (;;) {
      (void)lastcpu::annotate_crash("letters", a.c_str());
      (void)lastcpu::annotate_crash("letters", b.c_str());
    }
  }).detach();
  usleep(2000);
}

void cut_file() {
  const int fd = memfd_create("cut", 0);
  (void)!ftruncate(fd, 4096);
  auto* p = static_cast<volatile char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  (void)!ftruncate(fd, 0);
  *p = 1;
}

void refused_call() {
  posix_test::answer_call_with(SYS_getppid, SECCOMP_RET_TRAP);
  syscall(SYS_getppid);
}

void killed_from_outside() {
  const pid_t me = getpid();
  if (fork() == 0) {
    kill(me, SIGSEGV);
    _exit(0);
  }
  idle_here();
}

void wild_jump() {
  reinterpret_cast<void (*)()>(uintptr_t{0x1234})();
}

void not_canonical() {
  *reinterpret_cast<volatile int*>(uintptr_t{0xdead'0000'0000'0000}) = 1;
}

void secret_memory() {
  auto* p = static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  madvise(p, 4096, MADV_DONTDUMP);
  for (int i = 0; i < 100; ++i) p[i] = static_cast<char>("kept out of it"[i % 14] ^ 0x20);
}

[[gnu::used]] const char* volatile end_of_large_memory = nullptr;

void large_memory() {
  constexpr size_t bytes = 64 << 20;
  constexpr char words[] = "the end of it";
  auto* p = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memset(p, 1, bytes);
  end_of_large_memory = p + bytes - sizeof words;
  memcpy(p + bytes - sizeof words, words, sizeof words);
}

constexpr scenario all_crashes[] = {
    {"plain", nothing_more, crash_here},           {"abort", nothing_more, abort_here},
    {"divide", nothing_more, divide_here},         {"trap", nothing_more, trap_here},
    {"breakpoint", nothing_more, breakpoint_here}, {"cut_file", nothing_more, cut_file},
    {"refused_call", nothing_more, refused_call},  {"killed_from_outside", nothing_more, killed_from_outside},
    {"wild_jump", nothing_more, wild_jump},        {"not_canonical", nothing_more, not_canonical},
    {"annotated", annotated, crash_here},          {"annotating", annotating, crash_here},
    {"secret_memory", secret_memory, crash_here},  {"large_memory", large_memory, crash_here},
};

}  // namespace

const std::span<const scenario> crashes{all_crashes};

}  // namespace victim
