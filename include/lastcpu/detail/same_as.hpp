// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace lastcpu::detail {

template <class A, class B>
inline constexpr bool is_same = false;
template <class A>
inline constexpr bool is_same<A, A> = true;

template <class A, class B>
concept same_as = is_same<A, B> && is_same<B, A>;

}  // namespace lastcpu::detail
