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

[[nodiscard]] constexpr uint64_t mix(uint64_t h, uint64_t x) noexcept {
  h = (h ^ x) * 0x9e37'79b9'7f4a'7c15u;
  return h ^ h >> 29;
}

/// Of memory without padding, in words of 8 bytes.
[[nodiscard]] inline uint64_t mix(uint64_t h, const void* data, size_t bytes) noexcept {
  for (const auto* from = static_cast<const unsigned char*>(data); bytes >= 8; from += 8, bytes -= 8) {
    uint64_t x = 0;
    std::memcpy(&x, from, 8);
    h = mix(h, x);
  }
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
  [[nodiscard]] uint64_t hash(uint32_t alive) const noexcept {
    const view oldest = oldest_seen(alive);
    uint64_t h = 0;
    // How far `seen` is behind; where only the last access counts, whether it is.
    const auto behind = [&](uint32_t w, stamp seen) noexcept {
      const stamp from = std::max(seen, oldest.at[w]);
      return static_cast<uint64_t>(word[w].last == no_store ? from != word[w].at : word[w].at - from);
    };
    uint32_t open[max_words];  // the words of which somebody has not seen all
    uint32_t n = 0;
    for (uint32_t w = 0; w < words_in_use; ++w) {
      h = mix(h, word[w].value);
      if (oldest.at[w] == word[w].at) continue;
      open[n++] = w;
      h = mix(h, w);
      for (cpu_id cpu = 0; cpu < max_machine; ++cpu)
        if ((alive >> cpu & 1) != 0) h = mix(h, behind(w, seen_by[cpu].at[w]));
      h = mix(h, behind(w, word[w].woken));
    }
    for (uint32_t w = 0; n != 0 && w < words_in_use; ++w) {
      for (uint16_t s = word[w].last; s != no_store && store[s].at >= oldest.at[w]; s = store[s].older) {
        h = mix(h, store[s].value ^ uint64_t{w} << 56);
        for (uint32_t i = 0; i < n; ++i) h = mix(h, behind(open[i], store[s].published.at[open[i]]));
      }
    }
    return h;
  }

 private:
  // For each word, the oldest store that somebody may still read.
  [[nodiscard]] view oldest_seen(uint32_t alive) const noexcept {
    view oldest;
    for (uint32_t w = 0; w < words_in_use; ++w) oldest.at[w] = word[w].at;
    for (cpu_id cpu = 0; cpu < max_machine; ++cpu)
      for (uint32_t w = 0; (alive >> cpu & 1) != 0 && w < words_in_use; ++w)
        oldest.at[w] = std::min(oldest.at[w], seen_by[cpu].at[w]);
    return oldest;
  }
};

}  // namespace lastcpu::model

#include <lastcpu/detail/end.hpp>
