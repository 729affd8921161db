// SPDX-License-Identifier: BSL-1.0
#pragma once
// XXH64, the default digest over a crash image. The enemy is a stray write, not a forger: it is fast in general
// registers alone, which is all that a kernel's crash path may use. Against a forger: sha256.hpp.
//
// A digest is a type with `void add(const unsigned char*, uint64_t)`, to be called any number of times, and
// `digest_value finish() const`. No state outside the object, so: any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// Room for the largest digest; a shorter one leaves the later words zero.
struct digest_value {
  uint64_t words[4];  ///< in the digest's own order

  /// All words are the same.
  [[nodiscard]] constexpr bool operator==(const digest_value& other) const noexcept {
    uint64_t differences = 0;
    for (int i = 0; i < 4; ++i) differences |= words[i] ^ other.words[i];
    return differences == 0;
  }
};

/// The public algorithm of this name (seed 0), by Yann Collet; words[0] is its value.
class xxh64 {
 public:
  /// The digest of nothing, to add to.
  xxh64() noexcept {}  // leaves rest_ alone: zeros would be a call of memset

  /// `n` further bytes.
  void add(const unsigned char* data, uint64_t n) noexcept;
  /// The digest of what was added; more may follow.
  [[nodiscard]] digest_value finish() const noexcept {
    digest_value v;
    v.words[0] = value();
    v.words[1] = v.words[2] = v.words[3] = 0;
    return v;
  }
  /// The same, as the algorithm's one word.
  [[nodiscard]] uint64_t value() const noexcept;

 private:
  static constexpr uint64_t prime1 = 0x9e37'79b1'85eb'ca87;
  static constexpr uint64_t prime2 = 0xc2b2'ae3d'27d4'eb4f;
  static constexpr uint64_t prime3 = 0x1656'67b1'9e37'79f9;
  static constexpr uint64_t prime4 = 0x85eb'ca77'c2b2'ae63;
  static constexpr uint64_t prime5 = 0x27d4'eb2f'1656'67c5;
  static constexpr uint64_t stripe = 32;

  [[nodiscard]] static constexpr uint64_t rotate(uint64_t v, unsigned by) noexcept { return v << by | v >> (64 - by); }
  [[nodiscard]] static constexpr uint64_t round(uint64_t lane, uint64_t word) noexcept {
    return rotate(lane + word * prime2, 31) * prime1;
  }
  [[nodiscard]] static constexpr uint64_t merge(uint64_t hash, uint64_t lane) noexcept {
    return (hash ^ round(0, lane)) * prime1 + prime4;
  }
  [[nodiscard]] uint64_t tail(uint64_t hash) const noexcept;
  void add_stripes(const unsigned char* data, uint64_t stripes) noexcept;

  uint64_t lane1_ = prime1 + prime2;
  uint64_t lane2_ = prime2;
  uint64_t lane3_ = 0;
  uint64_t lane4_ = uint64_t{0} - prime1;
  uint64_t total_ = 0;
  alignas(8) unsigned char rest_[stripe];  // total_ % stripe bytes that fill no stripe yet
};

// Four lanes that don't wait for each other.
inline void xxh64::add_stripes(const unsigned char* data, uint64_t stripes) noexcept {
  uint64_t a = lane1_, b = lane2_, c = lane3_, d = lane4_;
  for (; stripes != 0; --stripes, data += stripe) {
    a = round(a, read_word<uint64_t>(data));
    b = round(b, read_word<uint64_t>(data + 8));
    c = round(c, read_word<uint64_t>(data + 16));
    d = round(d, read_word<uint64_t>(data + 24));
  }
  lane1_ = a, lane2_ = b, lane3_ = c, lane4_ = d;
}

inline void xxh64::add(const unsigned char* data, uint64_t n) noexcept {
  const uint64_t held = total_ % stripe;
  total_ += n;
  if (held != 0) {
    const uint64_t taken = n < stripe - held ? n : stripe - held;
    copy_bytes(rest_ + held, data, taken);
    if (held + taken < stripe) return;
    add_stripes(rest_, 1);
    data += taken;
    n -= taken;
  }
  add_stripes(data, n / stripe);
  copy_bytes(rest_, data + n / stripe * stripe, n % stripe);
}

inline uint64_t xxh64::value() const noexcept {
  if (total_ < stripe) return tail(prime5 + total_);
  uint64_t hash = rotate(lane1_, 1) + rotate(lane2_, 7) + rotate(lane3_, 12) + rotate(lane4_, 18);
  hash = merge(merge(merge(merge(hash, lane1_), lane2_), lane3_), lane4_);
  return tail(hash + total_);
}

inline uint64_t xxh64::tail(uint64_t hash) const noexcept {
  const unsigned char* at = rest_;
  uint64_t n = total_ % stripe;
  for (; n >= 8; n -= 8, at += 8) hash = rotate(hash ^ round(0, read_word<uint64_t>(at)), 27) * prime1 + prime4;
  if (n >= 4) {
    hash = rotate(hash ^ read_word<uint32_t>(at) * prime1, 23) * prime2 + prime3;
    n -= 4, at += 4;
  }
  for (; n != 0; --n, ++at) hash = rotate(hash ^ *at * prime5, 11) * prime1;
  hash = (hash ^ hash >> 33) * prime2;
  hash = (hash ^ hash >> 29) * prime3;
  return hash ^ hash >> 32;
}

/// XXH64 of two pieces of memory, one behind the other.
[[nodiscard, gnu::noinline]] inline uint64_t xxh64_of(const unsigned char* first, uint64_t first_bytes,
                                                      const unsigned char* second, uint64_t second_bytes) noexcept {
  xxh64 sum;
  sum.add(first, first_bytes);
  sum.add(second, second_bytes);
  return sum.value();
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
