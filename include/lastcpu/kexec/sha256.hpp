// SPDX-License-Identifier: BSL-1.0
#pragma once
// SHA-256, the digest for who fears a forged image more than a late dump. FIPS 180-4, in general registers; several
// times slower than xxh64. Any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/kexec/bytes.hpp>
#include <lastcpu/kexec/digest.hpp>

#include <stdint.h>

namespace lastcpu::kexec {

/// A digest (digest.hpp), for seal_image() and image_intact().
class sha256 {
 public:
  /// The digest of nothing, to add to.
  // By copy_bytes(), and rest_ as it was: an array that is initialised may be a call of memcpy or memset.
  sha256() noexcept {
    copy_bytes(reinterpret_cast<unsigned char*>(state_), reinterpret_cast<const unsigned char*>(initial),
               sizeof state_);
  }

  /// `n` further bytes.
  void add(const unsigned char* data, uint64_t n) noexcept;
  /// The digest of what was added, its bytes in their usual order; more may follow.
  [[nodiscard]] digest_value finish() const noexcept;

 private:
  static constexpr uint64_t block = 64;
  static constexpr uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  static constexpr uint32_t constants[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

  [[nodiscard]] static constexpr uint32_t rotate(uint32_t v, unsigned by) noexcept { return v >> by | v << (32 - by); }
  // By shifts: where a machine has no instruction for it, the builtin is a call.
  [[nodiscard]] static constexpr uint32_t swapped(uint32_t v) noexcept {
    return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff'0000) | v << 24;
  }
  void add_block(const unsigned char* data) noexcept;

  uint32_t state_[8];
  uint64_t total_ = 0;
  unsigned char rest_[block];  // total_ % block bytes that fill no block yet
};

inline void sha256::add_block(const unsigned char* data) noexcept {
  uint32_t w[16];
  for (uint64_t i = 0; i < 16; ++i) w[i] = swapped(read_word<uint32_t>(data + 4 * i));
  uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3];
  uint32_t e = state_[4], f = state_[5], g = state_[6], h = state_[7];
  for (uint32_t i = 0; i < 64; ++i) {
    const uint32_t first =
        h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + constants[i] + w[i % 16];
    const uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));
    h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    const uint32_t next = w[(i + 1) % 16];
    const uint32_t late = w[(i + 14) % 16];
    w[i % 16] += (rotate(next, 7) ^ rotate(next, 18) ^ next >> 3) + w[(i + 9) % 16] +
                 (rotate(late, 17) ^ rotate(late, 19) ^ late >> 10);
  }
  state_[0] += a, state_[1] += b, state_[2] += c, state_[3] += d;
  state_[4] += e, state_[5] += f, state_[6] += g, state_[7] += h;
}

inline void sha256::add(const unsigned char* data, uint64_t n) noexcept {
  const uint64_t held = total_ % block;
  total_ += n;
  if (held != 0) {
    const uint64_t taken = n < block - held ? n : block - held;
    copy_bytes(rest_ + held, data, taken);
    if (held + taken < block) return;
    add_block(rest_);
    data += taken;
    n -= taken;
  }
  for (; n >= block; n -= block, data += block) add_block(data);
  copy_bytes(rest_, data, n);
}

inline digest_value sha256::finish() const noexcept {
  sha256 last;
  copy_bytes(reinterpret_cast<unsigned char*>(&last), reinterpret_cast<const unsigned char*>(this), sizeof last);
  const uint64_t held = total_ % block;
  const uint64_t bits = total_ * 8;
  const uint32_t length[] = {swapped(static_cast<uint32_t>(bits >> 32)), swapped(static_cast<uint32_t>(bits))};
  unsigned char end[2 * block];
  const uint64_t n = (held < 56 ? 56 : 56 + block) - held;
  zero_bytes(end, n);
  end[0] = 0x80;
  copy_bytes(end + n, reinterpret_cast<const unsigned char*>(length), 8);
  last.add(end, n + 8);
  uint64_t words[4];
  for (uint64_t i = 0; i < 4; ++i)
    words[i] = swapped(last.state_[2 * i]) | uint64_t{swapped(last.state_[2 * i + 1])} << 32;
  return {{words[0], words[1], words[2], words[3]}};
}

}  // namespace lastcpu::kexec

#include <lastcpu/detail/end.hpp>
