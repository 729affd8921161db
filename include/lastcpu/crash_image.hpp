// SPDX-License-Identifier: BSL-1.0
#pragma once
// The slot that holds the crash image: loaded in quiet times, claimed by a dying CPU, all without a lock.
//
//   empty ──load──▶ loading ──▶ ready ──claim──▶ checking ──intact──▶ claimed
//     ▲               ▲           │ ▲                │
//     └──unload───────┴──reload───┘ └──not intact────┘
//
// Guarantee: a claim gets a whole, checked image or a reason. While an image is being replaced a claim says `busy`.
// (A second sub-slot that closes that window is left room for.)
// Loading and unloading: thread context, one at a time (a second one is told `busy`). Claiming: any context.

#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/platform.hpp>

namespace lastcpu {

enum class load_outcome : uint8_t {
  loaded,
  refused,  // image_intact() says no: the slot is as it was
  busy,     // another load or unload is under way, or a claim checks it: nothing changed
  claimed,  // a crash has taken the image: nothing changed
};

enum class unload_outcome : uint8_t { unloaded, empty, busy, claimed };

enum class image_outcome : uint8_t {
  claimed,  // the caller may start it
  none,     // nothing was loaded
  busy,     // it is being replaced, or another claim has it
  corrupt,  // it is not what was loaded; it has been handed back, so that a reload can follow
};

template <class P>
class crash_image {
  static_assert(platform_checked<P>);

 public:
  using image = typename P::image;

  constexpr crash_image() noexcept = default;

  /// Puts `img` into the slot. What it replaces is handed out through `replaced` (untouched when there was none) so
  /// that its resources can be freed.
  [[nodiscard]] load_outcome load(const image& img, image* replaced = nullptr) noexcept {
    if (!P::image_intact(img)) return load_outcome::refused;
    state before = state::empty;
    if (!take(before, state::loading)) return before == state::claimed ? load_outcome::claimed : load_outcome::busy;
    if (before == state::ready && replaced != nullptr) detail::copy_plain(*replaced, image_);
    detail::copy_plain(image_, img);
    state_.store(to_word(state::ready), order::release);  // (1) release: pairs with acquire (2)
    return load_outcome::loaded;
  }

  /// Empties the slot; what was in it is handed out through `removed`.
  [[nodiscard]] unload_outcome unload(image* removed = nullptr) noexcept {
    state before = state::empty;
    if (!take(before, state::loading)) return before == state::claimed ? unload_outcome::claimed : unload_outcome::busy;
    if (before == state::ready && removed != nullptr) detail::copy_plain(*removed, image_);
    state_.store(to_word(state::empty), order::release);
    return before == state::ready ? unload_outcome::unloaded : unload_outcome::empty;
  }

  /// Takes the image for good, checked. A fault inside the check leaves it unclaimed for ever: it is not to be trusted.
  [[nodiscard]] image_outcome claim() noexcept {
    uint32_t seen = to_word(state::ready);
    // (2) acquire: pairs with (1), also on failure.
    if (!state_.compare_exchange(seen, to_word(state::checking), order::acquire, order::acquire))
      return seen == to_word(state::empty) ? image_outcome::none : image_outcome::busy;
    const bool intact = P::image_intact(image_);
    state_.store(to_word(intact ? state::claimed : state::ready), order::release);
    return intact ? image_outcome::claimed : image_outcome::corrupt;
  }

  /// The claimed image, or null. For the CPU that owns the gate.
  [[nodiscard]] const image* held() const noexcept {
    return state_.load(order::acquire) == to_word(state::claimed) ? &image_ : nullptr;
  }
  /// For a machine that starts anew (the child of a fork): no image. True when one was inherited; it is handed out
  /// through `inherited` so that its resources can be freed. No other CPU may be there yet.
  [[nodiscard]] bool forget(image& inherited) noexcept {
    const auto before = static_cast<state>(state_.load(order::relaxed));
    const bool whole = before != state::empty && before != state::loading;
    if (whole) detail::copy_plain(inherited, image_);
    state_.store(to_word(state::empty), order::relaxed);
    return whole;
  }
  /// An image is ready to be claimed, at this moment.
  [[nodiscard]] bool ready() const noexcept { return state_.load(order::acquire) == to_word(state::ready); }

 private:
  enum class state : uint32_t { empty, loading, ready, checking, claimed };
  [[nodiscard]] static constexpr uint32_t to_word(state s) noexcept { return static_cast<uint32_t>(s); }

  // empty or ready -> `to`; `before` says which it was, or what is in the way.
  bool take(state& before, state to) noexcept {
    uint32_t seen = state_.load(order::acquire);
    for (;;) {
      before = static_cast<state>(seen);
      if (before != state::empty && before != state::ready) return false;
      if (state_.compare_exchange(seen, to_word(to), order::acquire, order::acquire)) return true;
    }
  }

  typename P::template atomic<uint32_t> state_{};
  image image_{};
};

}  // namespace lastcpu
