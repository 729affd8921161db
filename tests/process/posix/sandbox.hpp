// SPDX-License-Identifier: BSL-1.0
#pragma once
// A process that may not make every system call.

#include "child.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>

namespace posix_test {

inline void install_filter(sock_filter* filter, unsigned short instructions) {
  sock_fprog program{instructions, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp filters must be allowed here");
}

/// From now on this thread, and every one that it starts, gets `answer` (SECCOMP_RET_...) for system call `number`.
inline void answer_call_with(uint32_t number, uint32_t answer) {
  sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(offsetof(seccomp_data, nr))),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, answer),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  install_filter(filter, 4);
}

/// The same where its first argument is `first`.
inline void answer_call_with(uint32_t number, uint32_t answer, uint32_t first) {
  constexpr auto at_number = static_cast<__u32>(offsetof(seccomp_data, nr));
  constexpr auto at_first = static_cast<__u32>(offsetof(seccomp_data, args));  // its low half: little-endian
  sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at_number),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
                          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at_first),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first, 0, 1),
                          BPF_STMT(BPF_RET | BPF_K, answer),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  install_filter(filter, 6);
}

/// From now on a system call of this number does not come back, until a signal kills who makes it.
inline void let_call_wait(uint32_t number) {
  sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(offsetof(seccomp_data, nr))),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program{4, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // The descriptor of who is to answer stays open, and nobody reads it.
  must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) >= 0,
       "seccomp filters that ask must be allowed here");
}

}  // namespace posix_test
