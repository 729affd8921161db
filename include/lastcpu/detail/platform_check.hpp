// SPDX-License-Identifier: BSL-1.0
#pragma once
// One concept and one sentence for each member that a platform must have.
// clang-format 14 tears concepts apart.
// clang-format off

#include <lastcpu/atomic.hpp>
#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/same_as.hpp>

#include <stdint.h>

namespace lastcpu::detail {

template <class T>
concept plain_data = __is_trivially_copyable(T) && __is_constructible(T);

template <class T>
inline constexpr bool is_array_of_rungs = false;
template <class T, decltype(sizeof 0) N>
inline constexpr bool is_array_of_rungs<T[N]> = true;

template <cpu_id N>
struct constant_of;
template <class P>
concept has_max_cpus = requires { typename constant_of<P::max_cpus>; } && P::max_cpus >= 1;

template <class P>
concept has_this_cpu = requires {
  { P::this_cpu() } noexcept -> same_as<cpu_id>;
};
template <class P>
concept has_is_online = requires(cpu_id c) {
  { P::is_online(c) } noexcept -> same_as<bool>;
};

template <class A, class T>
concept shared_word = sizeof(A) == sizeof(T) && requires(A& a, const A& c, T v) {
  { c.load(order::acquire) } noexcept -> same_as<T>;
  { a.store(v, order::release) } noexcept;
  { a.compare_exchange(v, v, order::acquire, order::acquire) } noexcept -> same_as<bool>;
};
template <class P>
concept has_atomic = requires {
  requires shared_word<typename P::template atomic<uint32_t>, uint32_t>;
  requires shared_word<typename P::template atomic<uintptr_t>, uintptr_t>;
};

template <class P>
concept has_registers = requires { typename P::registers; } && plain_data<typename P::registers>;
template <class P>
concept has_capture_registers = requires(typename P::registers& r) {
  { P::capture_registers(r) } noexcept;
};
template <class P>
concept has_irq_save = requires(typename P::irq_state s) {
  { P::irq_save() } noexcept -> same_as<typename P::irq_state>;
  { P::irq_restore(s) } noexcept;
};
template <class P>
concept has_send_stop = requires(const cpu_set<P::max_cpus>& s) {
  { P::send_stop(s, stop_how::nmi) } noexcept;
};
template <class P, class T>
concept can_wait_on = requires(const typename P::template atomic<T>& a, T v) {
  { P::wait_while(a, v, no_deadline) } noexcept -> same_as<bool>;
  { P::wake(a, wake_reason::ending) } noexcept;
};
template <class P>
concept has_wait_while = can_wait_on<P, uint32_t> && can_wait_on<P, uintptr_t>;
template <class P>
concept has_clock = requires {
  { P::now() } noexcept -> same_as<uint64_t>;
  { P::ticks_per_second() } noexcept -> same_as<uint64_t>;
};
template <class P>
concept has_make_resettable = requires {
  { P::make_resettable() } noexcept;
};
template <class P>
concept has_park = requires {
  { P::park() } noexcept;
};
template <class P>
concept has_image = requires { typename P::image; } && plain_data<typename P::image>;
template <class P>
concept has_image_intact = requires(const typename P::image& i) {
  { P::image_intact(i) } noexcept -> same_as<bool>;
};
template <class P>
concept has_crash_shutdown = requires(const typename P::registers& r) {
  { P::crash_shutdown(r) } noexcept;
};
template <class P>
concept has_jump = requires(const typename P::image& i) {
  { P::jump(i) } noexcept;
};
template <class P>
concept has_last_resorts = requires {
  { P::emergency_restart() } noexcept;
  { P::halt() } noexcept;
};

// Optional members: one that is there with the wrong shape is an error.
template <class P>
concept names_save_note = requires { &P::save_note; };
template <class P>
concept has_save_note = requires(const typename P::image& i, const cpu_note<typename P::registers>& n) {
  { P::save_note(i, n) } noexcept;
};
template <class P>
concept names_trace = requires { &P::trace; };
template <class P>
concept has_trace = requires(const trace_event& e) {
  { P::trace(e) } noexcept;
};
template <class P>
concept names_adopt_this_cpu = requires { &P::adopt_this_cpu; };
template <class P>
concept has_adopt_this_cpu = requires {
  { P::adopt_this_cpu() } noexcept -> same_as<cpu_id>;
};
template <class P>
concept names_hardware_id = requires { &P::hardware_id; };
template <class P>
concept has_hardware_id = requires {
  { P::hardware_id() } noexcept -> same_as<uint32_t>;
};
template <class P>
concept names_force_stop = requires { &P::force_stop; };
template <class P>
concept has_force_stop = requires(cpu_id c) {
  { P::force_stop(c) } noexcept -> same_as<bool>;
};
template <class P>
concept names_has_nmi = requires { P::has_nmi; };
template <class P>
concept has_nmi_constant = requires { typename constant_of<P::has_nmi>; };
template <class P>
concept names_cpu_limit = requires { &P::cpu_limit; };
template <class P>
concept has_cpu_limit = requires {
  { P::cpu_limit() } noexcept -> same_as<cpu_id>;
};
template <class P>
concept names_self_stop = requires { &P::self_stop; };
template <class P>
concept has_self_stop = requires {
  { P::self_stop() } noexcept;
};

template <class P>
concept has_all_members =
    has_max_cpus<P> && has_this_cpu<P> && has_is_online<P> && has_atomic<P> && has_registers<P> &&
    has_capture_registers<P> && has_irq_save<P> && has_send_stop<P> && has_wait_while<P> && has_clock<P> &&
    has_make_resettable<P> && has_park<P> && has_image<P> && has_image_intact<P> && has_crash_shutdown<P> &&
    has_jump<P> && has_last_resorts<P> && (!names_save_note<P> || has_save_note<P>) &&
    (!names_trace<P> || has_trace<P>) && (!names_adopt_this_cpu<P> || has_adopt_this_cpu<P>) &&
    (!names_hardware_id<P> || has_hardware_id<P>) && (!names_cpu_limit<P> || has_cpu_limit<P>) && (!names_self_stop<P> || has_self_stop<P>) &&
    (!names_force_stop<P> || has_force_stop<P>) && (!names_has_nmi<P> || has_nmi_constant<P>);

template <class P>
struct platform_sentences {
  static_assert(has_max_cpus<P>, "lastcpu platform: max_cpus must be a constant of at least 1: "
                                 "static constexpr cpu_id max_cpus = 8;");
  static_assert(has_this_cpu<P>, "lastcpu platform: this_cpu() is missing or wrong: "
                                 "static cpu_id this_cpu() noexcept;");
  static_assert(has_is_online<P>, "lastcpu platform: is_online() is missing or wrong: "
                                  "static bool is_online(cpu_id) noexcept;");
  static_assert(has_atomic<P>, "lastcpu platform: atomic is missing or wrong: "
                               "template <class T> using atomic = lastcpu::atomic<T>;");
  static_assert(has_registers<P>, "lastcpu platform: registers is missing or not trivially copyable: "
                                  "struct registers { ... };");
  static_assert(has_capture_registers<P>, "lastcpu platform: capture_registers() is missing or wrong: "
                                          "static void capture_registers(registers&) noexcept;");
  static_assert(has_irq_save<P>, "lastcpu platform: irq_save() or irq_restore() is missing or wrong: using irq_state = "
                                 "...; static irq_state irq_save() noexcept; static void irq_restore(irq_state) noexcept;");
  static_assert(has_send_stop<P>, "lastcpu platform: send_stop() is missing or wrong: "
                                  "static void send_stop(const cpu_set<max_cpus>&, stop_how) noexcept;");
  static_assert(has_wait_while<P>, "lastcpu platform: wait_while() or wake() is missing or wrong: template <class T> static "
                                   "bool wait_while(const atomic<T>&, T value, uint64_t at) noexcept; "
                                   "template <class T> static void wake(const atomic<T>&, wake_reason) noexcept;");
  static_assert(has_clock<P>, "lastcpu platform: now() or ticks_per_second() is missing or wrong: "
                              "static uint64_t now() noexcept; static uint64_t ticks_per_second() noexcept;");
  static_assert(has_make_resettable<P>, "lastcpu platform: make_resettable() is missing or wrong: "
                                        "static void make_resettable() noexcept;");
  static_assert(has_park<P>, "lastcpu platform: park() is missing or wrong: [[noreturn]] static void park() noexcept;");
  static_assert(has_image<P>, "lastcpu platform: image is missing or not trivially copyable: struct image { ... };");
  static_assert(has_image_intact<P>, "lastcpu platform: image_intact() is missing or wrong: "
                                     "static bool image_intact(const image&) noexcept;");
  static_assert(has_crash_shutdown<P>, "lastcpu platform: crash_shutdown() is missing or wrong: "
                                       "static void crash_shutdown(const registers&) noexcept;");
  static_assert(has_jump<P>, "lastcpu platform: jump() is missing or wrong: static void jump(const image&) noexcept;");
  static_assert(has_last_resorts<P>, "lastcpu platform: emergency_restart() or halt() is missing or wrong: "
                                     "static void emergency_restart() noexcept; static void halt() noexcept;");
  static_assert(!names_save_note<P> || has_save_note<P>, "lastcpu platform: save_note() is optional, but this one is wrong: "
                                                         "static void save_note(const image&, const cpu_note<registers>&) noexcept;");
  static_assert(!names_trace<P> || has_trace<P>, "lastcpu platform: trace() is optional, but this one is wrong: "
                                                 "static void trace(const trace_event&) noexcept;");
  static_assert(!names_adopt_this_cpu<P> || has_adopt_this_cpu<P>, "lastcpu platform: adopt_this_cpu() is optional, but this one "
                                                                   "is wrong: static cpu_id adopt_this_cpu() noexcept;");
  static_assert(!names_hardware_id<P> || has_hardware_id<P>, "lastcpu platform: hardware_id() is optional, but this one is "
                                                             "wrong: static uint32_t hardware_id() noexcept;");
  static_assert(!names_cpu_limit<P> || has_cpu_limit<P>, "lastcpu platform: cpu_limit() is optional, but this one is wrong: "
                                                         "static cpu_id cpu_limit() noexcept;");
  static_assert(!names_self_stop<P> || has_self_stop<P>, "lastcpu platform: self_stop() is optional, but this one is wrong: "
                                                         "static void self_stop() noexcept;");
  static_assert(!names_force_stop<P> || has_force_stop<P>, "lastcpu platform: force_stop() is optional, but this one is wrong: "
                                                           "static bool force_stop(cpu_id) noexcept;");
  static_assert(!names_has_nmi<P> || has_nmi_constant<P>, "lastcpu platform: has_nmi is optional, but this one is wrong: "
                                           "static constexpr bool has_nmi = false;");
  static constexpr bool said = true;
};

}  // namespace lastcpu::detail
