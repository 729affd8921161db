// SPDX-License-Identifier: BSL-1.0
#pragma once
// What the program wants a crash report to say of it: notes with a key, set at any time. A crash may come in the middle
// of a change: each note has two rooms for its value, and the report reads the one that is not being written.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/atomic.hpp>
#include <lastcpu/process/reporter/kernel_call.hpp>
#include <lastcpu/process/reporter/text.hpp>

#include <stddef.h>
#include <stdint.h>

namespace lastcpu {

/// What became of a note.
enum class annotation : uint8_t {
  set,      ///< kept, whole
  set_cut,  ///< only the first annotation_value_bytes of the value are kept
  bad_key,  ///< null (nor may the value be), empty, longer than annotation_key_bytes, or with '=' or a control
            ///< character: nothing is changed
  full,     ///< annotation_keys keys are in use, and this is none of them: nothing is changed
  busy,     ///< another thread is in the middle of a change, or this one is, below a signal handler: nothing is changed
};

/// How many keys may be in use at a time.
inline constexpr uint32_t annotation_keys = 16;
///@{
/// Bytes of a key and of a value, without a closing zero.
inline constexpr size_t annotation_key_bytes = 31, annotation_value_bytes = 159;
///@}

/// A sentence, with the remedy where nothing was kept; never null.
[[nodiscard]] constexpr const char* to_string(annotation a) noexcept {
  switch (a) {
    case annotation::set:
      return "set";
    case annotation::set_cut:
      return "set, the value cut to 159 bytes";
    case annotation::bad_key:
      return "the key is null or empty, longer than 31 bytes, or has '=' or a control character; use another one, and "
             "a value that is not null";
    case annotation::full:
      return "16 keys are in use; use one of them again";
    case annotation::busy:
      return "another note is being set; try again";
  }
  return "unknown";
}

namespace reporter_detail {

/// A short text that may be read while it is written: the reader sees the one before, or the new one.
class kept_value {
 public:
  /// One writer at a time. True when it was cut.
  bool set(const char* value) noexcept {
    uint64_t packed[words] = {};
    size_t n = 0;
    auto* bytes = reinterpret_cast<char*>(packed);
    for (; n < annotation_value_bytes && value[n] != '\0'; ++n) bytes[n] = value[n];
    const uint32_t next = changes_.load(order::relaxed) + 1;  // relaxed: the writers' lock orders them
    // (7) release: pairs with acquire (8)
    for (size_t i = 0; i < words; ++i) rooms_[next % 2][i].store(packed[i], order::release);
    changes_.store(next, order::release);  // (1) release: pairs with acquire (2)
    return value[n] != '\0';
  }
  /// A thread that could not be stopped may still write, and change the value in the middle of each attempt: after a hundred
  /// the last one counts.
  void read(char (&to)[annotation_value_bytes + 1]) const noexcept {
    constexpr int attempts = 100;
    uint64_t packed[words];  // an attempt is these loads alone: a change takes longer
    for (int i = 0; i < attempts; ++i) {
      const uint32_t seen = changes_.load(order::acquire);  // (2) acquire: pairs with release (1)
      // (8) acquire: pairs with release (7). Who reads a word of a later change reads its number below, too.
      for (size_t k = 0; k < words; ++k) packed[k] = rooms_[seen % 2][k].load(order::acquire);
      if (changes_.load(order::relaxed) == seen) break;
    }
    copy_bytes(to, packed, sizeof packed);
    to[annotation_value_bytes] = '\0';
  }

 private:
  static constexpr size_t words = (annotation_value_bytes + 1) / sizeof(uint64_t);
  atomic<uint32_t> changes_{};
  atomic<uint64_t> rooms_[2][words]{};
};

class annotation_table {
 public:
  annotation set(const char* key, const char* value) noexcept {
    if (key == nullptr || value == nullptr || !is_key(key)) return annotation::bad_key;
    const uint32_t pid = own_pid();
    if (!lock(pid)) return annotation::busy;
    const annotation how = set_locked(key, value);
    writer_.store(0, order::release);  // (3) release: pairs with acquire (4)
    return how;
  }
  /// f(key, value) for each that is not empty, in the order of their first setting. Takes no lock.
  template <class F>
  void for_each(F f) const noexcept {
    const uint32_t n = count_.load(order::acquire);  // (6) acquire: pairs with release (5)
    for (uint32_t i = 0; i < n; ++i) {
      char value[annotation_value_bytes + 1];
      notes_[i].value.read(value);
      if (value[0] != '\0') f(static_cast<const char*>(notes_[i].key), static_cast<const char*>(value));
    }
  }

 private:
  struct note {
    char key[annotation_key_bytes + 1];
    kept_value value;
  };

  [[nodiscard]] static bool is_key(const char* key) noexcept {
    size_t n = 0;
    for (; key[n] != '\0'; ++n)
      if (n == annotation_key_bytes || key[n] < ' ' || key[n] == 0x7f || key[n] == '=') return false;
    return n != 0;
  }
  /// The lock of another process is the parent's, which forked in the middle of a change: the child has no such thread.
  [[nodiscard]] bool lock(uint32_t pid) noexcept {
    constexpr int yields = 100, sleeps = 100;
    for (int i = 0; i < yields + sleeps; ++i) {
      uint32_t seen = writer_.load(order::relaxed);
      // (4) acquire: pairs with release (3)
      if (seen != pid && writer_.compare_exchange(seen, pid, order::acquire, order::relaxed)) return true;
      const timespec a_moment{0, 100'000};
      i < yields ? kernel_call(SYS_sched_yield) : kernel_call(SYS_nanosleep, &a_moment, nullptr);
    }
    return false;
  }
  [[nodiscard]] annotation set_locked(const char* key, const char* value) noexcept {
    const uint32_t n = count_.load(order::relaxed);
    uint32_t i = 0;
    while (i < n && !same_text(notes_[i].key, key)) ++i;
    if (i == annotation_keys) return annotation::full;
    if (i == n) copy_bytes(notes_[i].key, key, length_of(key) + 1);
    const bool cut = notes_[i].value.set(value);
    if (i == n) count_.store(n + 1, order::release);  // (5) release: pairs with acquire (6)
    return cut ? annotation::set_cut : annotation::set;
  }

  atomic<uint32_t> writer_{};  // 0, or the process of the thread that sets a note
  atomic<uint32_t> count_{};
  note notes_[annotation_keys]{};
};

inline constinit annotation_table annotations{};

}  // namespace reporter_detail
}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
