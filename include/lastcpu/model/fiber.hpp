// SPDX-License-Identifier: BSL-1.0
#pragma once
// The stacks on which the model's CPUs run: switched by Boost.Context, abandoned and put back at will.
//
// A suspended fiber is its stack pointer and the bytes above it, so a snapshot is a copy of those. Nothing on it is
// ever unwound. Stacks stay where they are, so that equal states have equal bytes.

#if !__STDC_HOSTED__
#error "lastcpu: the model is hosted: it explores the freestanding headers, it is not a part of them"
#endif

#include <boost/context/detail/fcontext.hpp>

#include <cstddef>
#include <cstring>

namespace lastcpu::model {

class fiber_stack {
 public:
  using context = boost::context::detail::fcontext_t;
  using transfer = boost::context::detail::transfer_t;

  [[nodiscard]] context start(void (*entry)(transfer)) noexcept {
    std::memset(bytes_, 0, sizeof(bytes_));
    return boost::context::detail::make_fcontext(top(), sizeof(bytes_), entry);
  }
  /// The bytes of a fiber that is suspended at `at`.
  [[nodiscard]] size_t used(context at) const noexcept {
    return static_cast<size_t>(bytes_ + sizeof(bytes_) - static_cast<unsigned char*>(at));
  }
  /// Forgets what calls that are over have left behind, so that what a later call finds does not depend on them.
  static void wipe_below(context at) noexcept { std::memset(static_cast<unsigned char*>(at) - wiped, 0, wiped); }

 private:
  static constexpr size_t wiped = 1024;
  [[nodiscard]] unsigned char* top() noexcept { return bytes_ + sizeof(bytes_); }
  alignas(64) unsigned char bytes_[64 * 1024];
};

}  // namespace lastcpu::model
