// SPDX-License-Identifier: BSL-1.0
#pragma once
// The slot that holds the crash image: loaded in quiet times, taken by a dying CPU, all without a lock.
//
//   empty ──load──▶ loading ──▶ ready ──reserve──▶ reserved ──check──▶ claimed
//     ▲               ▲          │ ▲                │     └───check──▶ spoiled
//     └──unload───────┴──reload──┘ └───hand_back────┘
//
// A panic reserves the image before it stops anybody: from then on no reload can take it away. It checks the image behind
// the stop, when nobody but a silent CPU can write to it any more.
// Guarantee: `held()` is a whole image that was checked behind the stop. While an image is being replaced a reserve says
// `busy`. (A second sub-slot that closes that window is left room for.)
// Loading and unloading: thread context, one at a time (a second one is told `busy`). The rest: the owner of the gate,
// any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/optional_members.hpp>
#include <lastcpu/platform.hpp>

namespace lastcpu {

enum class load_outcome : uint8_t {
  loaded,
  refused,  // image_intact() says no: the slot is as it was
  busy,     // another load or unload is under way, or a crash looks at the image: nothing changed
  claimed,  // a crash has taken the image: nothing changed
};

enum class unload_outcome : uint8_t { unloaded, empty, busy, claimed };

enum class image_outcome : uint8_t {
  reserved,  // it is the caller's
  none,      // nothing was loaded
  busy,      // it is being replaced
  corrupt,   // it is not what was loaded
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
    if (!take(before))
      return before == state::reserved || before == state::loading ? load_outcome::busy : load_outcome::claimed;
    if (before == state::ready && replaced != nullptr) detail::copy_plain(*replaced, image_);
    detail::copy_plain(image_, img);
    state_.store(to_word(state::ready), order::release);  // (1) release: pairs with acquire (2)
    return load_outcome::loaded;
  }

  /// Empties the slot; what was in it is handed out through `removed`.
  [[nodiscard]] unload_outcome unload(image* removed = nullptr) noexcept {
    state before = state::empty;
    if (!take(before))
      return before == state::reserved || before == state::loading ? unload_outcome::busy : unload_outcome::claimed;
    if (before == state::ready && removed != nullptr) detail::copy_plain(*removed, image_);
    state_.store(to_word(state::empty), order::release);
    return before == state::ready ? unload_outcome::unloaded : unload_outcome::empty;
  }

  /// Keeps loads out. Again: the same answer, for a step that a fault has cut off.
  /// (2) acquire: pairs with (1), also on failure.
  [[nodiscard]] image_outcome reserve() noexcept {
    uint32_t seen = to_word(state::ready);
    if (state_.compare_exchange(seen, to_word(state::reserved), order::acquire, order::acquire))
      return image_outcome::reserved;
    return seen == to_word(state::empty)     ? image_outcome::none
           : seen == to_word(state::loading) ? image_outcome::busy
           : seen == to_word(state::spoiled) ? image_outcome::corrupt
                                             : image_outcome::reserved;
  }

  /// For a trial, that must be able to say no before it stops anybody: whether the reserved image is what was loaded.
  [[nodiscard]] bool intact() const noexcept { return P::image_intact(image_); }

  /// Gives a reserved image back, so that a reload can follow.
  void hand_back() noexcept { (void)leave_reserved(state::ready); }

  /// Checks the reserved image and takes it for good. False when none is reserved, or it is not what was loaded. A check
  /// that a fault cuts off may be made once more.
  bool check() noexcept {
    if (!is_reserved()) return false;
    const bool whole = intact();
    return leave_reserved(whole ? state::claimed : state::spoiled) && whole;
  }

  /// The owner of the gate gives up an image whose checks have faulted: spoiled.
  void give_up() noexcept { (void)leave_reserved(state::spoiled); }

  /// Reserved, and no check has come to an end.
  [[nodiscard]] bool is_reserved() const noexcept { return state_.load(order::acquire) == to_word(state::reserved); }

  /// Why there is none to start: what reserve() would answer, and nothing changes. `busy` for one that has been loaded just
  /// now.
  [[nodiscard]] image_outcome why_none() const noexcept {
    const auto seen = static_cast<state>(state_.load(order::acquire));
    return seen == state::empty                             ? image_outcome::none
           : seen == state::loading || seen == state::ready ? image_outcome::busy
                                                            : image_outcome::corrupt;
  }

  /// The image that check() has taken, or null.
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
  /// An image is ready to be reserved, at this moment.
  [[nodiscard]] bool ready() const noexcept { return state_.load(order::acquire) == to_word(state::ready); }

 private:
  enum class state : uint32_t { empty, loading, ready, reserved, claimed, spoiled };
  [[nodiscard]] static constexpr uint32_t to_word(state s) noexcept { return static_cast<uint32_t>(s); }

  // empty or ready -> loading; `before` says which it was, or what is in the way.
  bool take(state& before) noexcept {
    uint32_t seen = state_.load(order::acquire);
    for (;;) {
      before = static_cast<state>(seen);
      if (before != state::empty && before != state::ready) return false;
      if (state_.compare_exchange(seen, to_word(state::loading), order::acquire, order::acquire)) return true;
    }
  }

  // release: pairs with acquire (2), and with the acquire of a load that follows.
  bool leave_reserved(state to) noexcept {
    uint32_t seen = to_word(state::reserved);
    return state_.compare_exchange(seen, to_word(to), order::release, order::relaxed);
  }

  typename P::template atomic<uint32_t> state_{};
  image image_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
