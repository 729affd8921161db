// SPDX-License-Identifier: BSL-1.0
#pragma once
// The model's shared memory: the release/acquire fragment of C++20, with every stale value that it lets a CPU read.
//
// Each word keeps its stores in modification order. Each CPU has a view: for each word, the oldest store that it may
// still read. An acquire load joins the view that the store published; a read-modify-write reads the last store and
// carries on its release sequence. A word that every execution so far has used in one order only (`quiet`) keeps
// its last value alone.
// Not here: load buffering, and stores that come earlier in modification order than in time (weak 2+2W): a store is
// always the last one. Sequential consistency and fences: lastcpu has none. An interrupt or NMI comes before an operation
// on a word: a handler sees what its own CPU has written plainly up to its next operation.

#include <lastcpu/detail/begin.hpp>

#if !__STDC_HOSTED__
#error "lastcpu: the model is hosted: it explores the freestanding headers, it is not a part of them"
#endif

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>

// For what runs beside the scenario's code, which has fewest states with -Os.
#if defined(__clang__)
#define LASTCPU_MODEL_HOT
#else
#define LASTCPU_MODEL_HOT [[gnu::optimize("O3")]]
#endif

namespace lastcpu::model {

inline constexpr uint32_t max_words = 97;
inline constexpr uint32_t max_stores = 1024;
inline constexpr cpu_id max_machine = 8;
// The first ones stand for none.
inline constexpr uint8_t no_word = 0;
inline constexpr uint16_t no_store = 0;

/// Of the scenario that is explored: so many words have been met, and no_word.
inline uint32_t words_in_use = 1;

using stamp = uint16_t;

/// For each word, the oldest store that may still be read.
struct view {
  stamp at[max_words];

  void join(const view& other) noexcept {
    for (uint32_t w = 0; w < words_in_use; ++w) at[w] = std::max(at[w], other.at[w]);
  }
};

/// A store that somebody may still read.
struct store_record {
  uint64_t value;
  stamp at;
  uint16_t older;
  uint16_t event;  // in a recorded run: the number of the event that made it; 0: none
  view published;
};

struct word_record {
  uint64_t value;  // of the last store
  stamp at;        // how many accesses that count; the last store's stamp
  stamp woken;     // what a CPU that begins to wait on it has to have seen
  uint16_t last;   // store_record, or no_store while the word is quiet
};

[[nodiscard, gnu::always_inline]] constexpr uint64_t mix(uint64_t h, uint64_t x) noexcept {
  h = (h ^ x) * 0x9e37'79b9'7f4a'7c15u;
  return h ^ h >> 29;
}

/// Of memory without padding, in words of 8 bytes: four at once, for each waits for its own multiplication. The four begin
/// far apart: from small numbers, small values would cancel each other out.
[[nodiscard]] LASTCPU_MODEL_HOT inline uint64_t mix(uint64_t h, const void* data, size_t bytes) noexcept {
  const auto* from = static_cast<const unsigned char*>(data);
  const auto word = [&from](size_t i) noexcept {
    uint64_t x = 0;
    std::memcpy(&x, from + i * 8, 8);
    return x;
  };
  if (bytes >= 32) {
    uint64_t a = 0x3c6e'f372'fe94'f82bu, b = 0xa54f'f53a'5f1d'36f1u;
    uint64_t c = 0x510e'527f'ade6'82d1u, d = 0x9b05'688c'2b3e'6c1fu;
    for (; bytes >= 32; from += 32, bytes -= 32) {
      a = mix(a, word(0));
      b = mix(b, word(1));
      c = mix(c, word(2));
      d = mix(d, word(3));
    }
    h = mix(mix(mix(mix(h, a), b), c), d);
  }
  for (; bytes >= 8; from += 8, bytes -= 8) h = mix(h, word(0));
  return h;
}

/// Plain data, nothing has happened where it is zero. A snapshot leaves out what is behind the last store.
struct memory {
  view seen_by[max_machine];
  word_record word[max_words];
  uint32_t stores;
  store_record store[max_stores];  // from 1 on: no_store publishes nothing

  /// The last store, from which older ones are found; not quiet any more.
  [[nodiscard]] uint16_t newest(uint32_t w) noexcept {
    if (word[w].last == no_store) {
      word[w].last = static_cast<uint16_t>(++stores);
      store[stores] = {word[w].value, word[w].at, no_store, 0, {}};
    }
    return word[w].last;
  }

  /// `s`: a store that this CPU may read.
  void read(cpu_id cpu, uint32_t w, uint16_t s, order o) noexcept {
    const store_record& r = store[s];
    seen_by[cpu].at[w] = r.at;
    if (o == order::acquire || o == order::acq_rel) seen_by[cpu].join(r.published);
  }

  /// `over`: the store that a read-modify-write has read, or no_store.
  void write(cpu_id cpu, uint32_t w, uint64_t value, order o, uint16_t over, uint16_t event) noexcept {
    const uint16_t older = newest(w);
    const stamp at = ++word[w].at;
    seen_by[cpu].at[w] = at;
    word[w].value = value;
    word[w].last = static_cast<uint16_t>(++stores);
    store_record& r = store[stores];
    r = {value, at, older, event, store[over].published};
    if (o == order::release || o == order::acq_rel) r.published.join(seen_by[cpu]);
    r.published.at[w] = at;
  }

  [[nodiscard]] bool has_seen_all(cpu_id cpu, uint32_t w) const noexcept { return seen_by[cpu].at[w] == word[w].at; }

  /// An access that is the only one at its time; false when another CPU's is not ordered before it.
  bool touch(cpu_id cpu, uint32_t w) noexcept {
    const bool alone = has_seen_all(cpu, w);
    seen_by[cpu].at[w] = ++word[w].at;
    return alone;
  }

  /// A long time passes: no store is too young to be seen. That orders nothing.
  void catch_up(cpu_id cpu) noexcept {
    for (uint32_t w = 0; w < words_in_use; ++w)
      if (word[w].last != no_store) seen_by[cpu].at[w] = word[w].at;
  }

  /// Drops what nobody of `alive` can read any more.
  void compact(uint32_t alive) noexcept {
    static store_record kept[max_stores];
    const view oldest = oldest_seen(alive);
    stores = 0;
    for (uint32_t w = 0; w < words_in_use; ++w) {
      uint16_t* link = &word[w].last;
      for (uint16_t s = *link; s != no_store && store[s].at >= oldest.at[w]; s = store[s].older) {
        *link = static_cast<uint16_t>(++stores);
        kept[stores] = store[s];
        link = &kept[stores].older;
      }
      *link = no_store;
    }
    std::memcpy(store, kept, (stores + 1) * sizeof(store_record));
  }

  /// The same for two memories exactly when no CPU of `alive` can tell them apart.
  [[nodiscard]] LASTCPU_MODEL_HOT uint64_t hash(uint32_t alive) const noexcept {
    const view oldest = oldest_seen(alive);
    view last, woken, most;  // most: 1 where only the last access counts
    uint64_t value[max_words];
    bool all_is_seen = true;
    for (uint32_t w = 0; w < words_in_use; ++w) {
      value[w] = word[w].value;
      last.at[w] = word[w].at;
      woken.at[w] = word[w].woken;
      most.at[w] = word[w].last == no_store ? 1 : static_cast<stamp>(~0u);
      all_is_seen = all_is_seen && oldest.at[w] == word[w].at;
    }
    uint64_t h = mix(0, value, words_in_use * sizeof(uint64_t));
    if (all_is_seen) return h;
    // How far who has seen `seen` is behind.
    const auto behind = [&](uint64_t before, const view& seen) noexcept {
      stamp by[max_words + 3];
      for (uint32_t w = 0; w < words_in_use; ++w)
        by[w] = std::min(static_cast<stamp>(last.at[w] - std::max(seen.at[w], oldest.at[w])), most.at[w]);
      std::memset(by + words_in_use, 0, 3 * sizeof(stamp));  // the last word of 8 bytes is whole
      return mix(before, by, words_in_use * sizeof(stamp) + 7);
    };
    for (cpu_id cpu = 0; cpu < max_machine; ++cpu)
      if ((alive >> cpu & 1) != 0) h = behind(h, seen_by[cpu]);
    h = behind(h, woken);
    for (uint32_t w = 0; w < words_in_use; ++w)
      for (uint16_t s = word[w].last; s != no_store && store[s].at >= oldest.at[w]; s = store[s].older)
        h = behind(mix(h, store[s].value ^ uint64_t{w} << 56), store[s].published);
    return h;
  }

 private:
  // For each word, the oldest store that somebody may still read.
  [[nodiscard]] LASTCPU_MODEL_HOT view oldest_seen(uint32_t alive) const noexcept {
    view oldest;
    for (uint32_t w = 0; w < words_in_use; ++w) oldest.at[w] = word[w].at;
    for (cpu_id cpu = 0; cpu < max_machine; ++cpu) {
      if ((alive >> cpu & 1) == 0) continue;
      for (uint32_t w = 0; w < words_in_use; ++w) oldest.at[w] = std::min(oldest.at[w], seen_by[cpu].at[w]);
    }
    return oldest;
  }
};

}  // namespace lastcpu::model

#undef LASTCPU_MODEL_HOT

#include <lastcpu/detail/end.hpp>
