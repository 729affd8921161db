// SPDX-License-Identifier: BSL-1.0
#pragma once
// The slot that holds the crash image: loaded in quiet times, taken by a dying CPU, all without a lock.
//
//   empty ──load──▶ loading ──▶ ready ──reserve──▶ reserved ──check──▶ claimed
//     ▲               ▲          │ ▲                │     └───check──▶ spoiled
//     └──unload───────┴──reload──┘ └───hand_back────┘
//
// A panic reserves the image before it stops the other CPUs: from then on no reload can take the image away. The panic
// checks it after the stop, when only a silent CPU could still write to it.
// Guarantee: `held()` is a whole image that was checked after the stop. While an image is being replaced, reserve()
// answers `busy`.
// load(), load_by() and unload(): thread context; while one is under way another one answers `busy`. The rest: the owner
// of the gate, any context.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/detail/copy_plain.hpp>
#include <lastcpu/platform.hpp>

namespace lastcpu {

/// What became of a load.
enum class load_outcome : uint8_t {
  loaded,   ///< a crash from now on finds it
  refused,  ///< image_intact() answers false: nothing changed; for load_by() see there
  busy,     ///< another load or unload is under way, or a crash has reserved the image: nothing changed
  claimed,  ///< a crash has taken the image: nothing changed
};

/// What became of an unload.
enum class unload_outcome : uint8_t {
  unloaded,  ///< the slot is empty now
  empty,     ///< it was empty
  busy,      ///< as for load(): nothing changed
  claimed,   ///< as for load(): nothing changed
};

/// What a crash finds.
enum class image_outcome : uint8_t {
  reserved,  ///< it is the caller's
  none,      ///< nothing was loaded
  busy,      ///< it is being replaced
  corrupt,   ///< it is not what was loaded
};

/// The slot, usable alone; a crash_domain has one: machine.image(). Loads and unloads in thread context; what changes
/// it otherwise by the owner of the gate, in any; what only looks by anybody.
template <class P>
class crash_image {
  static_assert(platform_checked<P>);

 public:
  /// What describes a crash image.
  using image = typename P::image;

  /// Empty. All zeros.
  constexpr crash_image() noexcept = default;

  /// Puts `img` into the slot, if P::image_intact(img). Thread context. The image that it replaces is handed out
  /// through `replaced`, so that its resources can be freed; `replaced` is left alone where there was none.
  [[nodiscard]] load_outcome load(const image& img, image* replaced = nullptr) noexcept {
    if (!P::image_intact(img)) return load_outcome::refused;
    state before = state::empty;
    if (!take(before)) return not_taken<load_outcome>(before);
    if (before == state::ready && replaced != nullptr) detail::copy_plain(*replaced, image_);
    detail::copy_plain(image_, img);
    state_.store(to_word(state::ready), order::release);  // (1) release: pairs with acquire (2), (4)
    return load_outcome::loaded;
  }

  /// For an image whose making writes to memory that the one in the slot uses, too: takes the slot, calls `make(image&)`,
  /// and gives the slot back. Meanwhile a crash, a load and an unload find it busy. Thread context. `make` is called where
  /// the slot could be taken, and must return, or the slot stays busy. It answers
  ///  - false, and has changed neither the image nor what the image stands for: the slot is as it was, `refused`;
  ///  - true, and has written a new image: `loaded`; `refused` and an empty slot where P::image_intact() answers false.
  template <class Make>
  [[nodiscard]] load_outcome load_by(Make&& make) noexcept {
    state before = state::empty;
    if (!take(before)) return not_taken<load_outcome>(before);
    const bool made = make(image_);
    const bool whole = made && P::image_intact(image_);
    // An unchanged image, too: who reserves it acquires this store, not the one that has published it.
    state_.store(to_word(whole ? state::ready : made ? state::empty : before), order::release);  // (1)
    return whole ? load_outcome::loaded : load_outcome::refused;
  }

  /// Empties the slot. Thread context. The image that was in it is handed out through `removed`, as by load().
  [[nodiscard]] unload_outcome unload(image* removed = nullptr) noexcept {
    state before = state::empty;
    if (!take(before)) return not_taken<unload_outcome>(before);
    if (before == state::ready && removed != nullptr) detail::copy_plain(*removed, image_);
    state_.store(to_word(state::empty), order::release);  // (1)
    return before == state::ready ? unload_outcome::unloaded : unload_outcome::empty;
  }

  /// Reserves the image, so that it can't be replaced. A second call gives the same answer, for a step that a fault has
  /// cut off.
  /// (2) acquire on success and on failure: pairs with release (1), (3).
  [[nodiscard, gnu::always_inline]] image_outcome reserve() noexcept {
    uint32_t seen = to_word(state::ready);
    if (state_.compare_exchange(seen, to_word(state::reserved), order::acquire, order::acquire))  // (2)
      return image_outcome::reserved;
    return seen == to_word(state::empty)     ? image_outcome::none
           : seen == to_word(state::loading) ? image_outcome::busy
           : seen == to_word(state::spoiled) ? image_outcome::corrupt
                                             : image_outcome::reserved;
  }

  /// Whether the reserved image is what was loaded. For a trial, which refuses a damaged image before it stops the
  /// others.
  [[nodiscard]] bool intact() const noexcept { return P::image_intact(image_); }

  /// Gives a reserved image back, so that a reload can follow. (3) release.
  void hand_back() noexcept { (void)leave_reserved(state::ready); }

  /// Checks the reserved image and claims it for good. False when none is reserved, or it is not what was loaded. After
  /// a check that a fault has cut off the image is still reserved: check again, or give it up.
  [[gnu::always_inline]] bool check() noexcept {
    if (!is_reserved()) return false;
    const bool whole = intact();
    return leave_reserved(whole ? state::claimed : state::spoiled) && whole;
  }

  /// Gives up a reserved image whose checks have faulted.
  void give_up() noexcept { (void)leave_reserved(state::spoiled); }

  /// An image is reserved, and no check of it has ended.
  [[nodiscard]] bool is_reserved() const noexcept { return now() == state::reserved; }

  /// Why there is no image to start: what reserve() would answer, but nothing changes. `busy` for an image that was
  /// loaded since.
  [[nodiscard]] image_outcome why_none() const noexcept {
    const state seen = now();
    return seen == state::empty                             ? image_outcome::none
           : seen == state::loading || seen == state::ready ? image_outcome::busy
                                                            : image_outcome::corrupt;
  }

  /// The image that check() has claimed, or null.
  [[nodiscard]] const image* held() const noexcept { return now() == state::claimed ? &image_ : nullptr; }
  /// An image is ready to be reserved, at this moment.
  [[nodiscard]] bool ready() const noexcept { return now() == state::ready; }

 private:
  enum class state : uint32_t { empty, loading, ready, reserved, claimed, spoiled };
  [[nodiscard]] static constexpr uint32_t to_word(state s) noexcept { return static_cast<uint32_t>(s); }

  [[nodiscard]] state now() const noexcept { return static_cast<state>(state_.load(order::acquire)); }  // (2)

  // From empty or ready to loading. `before` is the state that it was in, also where that is neither.
  // (4) acquire: pairs with release (1), (3). What follows reads and replaces the image.
  bool take(state& before) noexcept {
    uint32_t seen = state_.load(order::acquire);  // (4)
    for (;;) {
      before = static_cast<state>(seen);
      if (before != state::empty && before != state::ready) return false;
      if (state_.compare_exchange(seen, to_word(state::loading), order::acquire, order::acquire)) return true;  // (4)
    }
  }

  // What a load and an unload answer where take() has found this state.
  template <class Outcome>
  [[nodiscard]] static constexpr Outcome not_taken(state found) noexcept {
    return found == state::reserved || found == state::loading ? Outcome::busy : Outcome::claimed;
  }

  // (3) release: pairs with acquire (2), (4). relaxed on failure: then the state is left as it is.
  bool leave_reserved(state to) noexcept {
    uint32_t seen = to_word(state::reserved);
    return state_.compare_exchange(seen, to_word(to), order::release, order::relaxed);  // (3)
  }

  typename P::template atomic<uint32_t> state_{};
  image image_{};
};

}  // namespace lastcpu

#include <lastcpu/detail/end.hpp>
