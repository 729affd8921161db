// SPDX-License-Identifier: BSL-1.0
#pragma once
// One concept and one sentence for each member that x86_64<Kernel> wants of the kernel beside those of platform.hpp.

#include <lastcpu/detail/begin.hpp>

#include <lastcpu/cpu.hpp>
#include <lastcpu/detail/same_as.hpp>

#include <stdint.h>

namespace lastcpu::x86 {

enum class handler_stack : uint8_t;  // handlers.hpp
enum class stack_choice : uint8_t;

namespace detail {

using lastcpu::detail::same_as;

// clang-format 14 tears concepts apart.
// clang-format off

template <uint8_t V>
struct vector_of;
template <class K>
concept has_stop_vector = requires { typename vector_of<K::stop_vector>; } && K::stop_vector >= 32;
template <class K>
concept has_apic_id = requires(cpu_id c) {
  { K::apic_id(c) } noexcept -> same_as<uint32_t>;
};
template <class K>
concept has_lapic_page = requires {
  { K::lapic_page() } noexcept -> same_as<volatile void*>;
};

// Optional members: absent is fine, present with the wrong shape is a mistake.
template <class K>
concept names_owns_every_cpu = requires { &K::owns_every_cpu; };
template <class K>
concept has_owns_every_cpu = requires {
  { K::owns_every_cpu() } noexcept -> same_as<bool>;
};
template <class K>
concept names_io_apic = requires { &K::io_apic; };
template <class K>
concept has_io_apic = requires(uint32_t i) {
  { K::io_apic(i) } noexcept -> same_as<volatile void*>;
};
template <class K>
concept names_in_vmx_operation = requires { &K::in_vmx_operation; };
template <class K>
concept has_in_vmx_operation = requires {
  { K::in_vmx_operation() } noexcept -> same_as<bool>;
};
template <class K>
concept names_can_monitor = requires { &K::can_monitor; };
template <class K>
concept has_can_monitor = requires {
  { K::can_monitor() } noexcept -> same_as<bool>;
};
template <class K>
concept names_next_stack = requires { &K::next_stack; };
template <class K>
concept has_next_stack = requires(handler_stack which, stack_choice choice) {
  { K::next_stack(which, choice) } noexcept -> same_as<stack_choice>;
};

// Two that go together.
template <class K>
concept names_wake_vector = requires { K::wake_vector; };
template <class K>
concept has_wake_vector = requires { typename vector_of<K::wake_vector>; } && K::wake_vector >= 0xf0 && K::wake_vector < 0xff;
template <class K>
concept names_may_take_interrupts = requires { &K::may_take_interrupts; };
template <class K>
concept has_may_take_interrupts = requires {
  { K::may_take_interrupts() } noexcept -> same_as<bool>;
};
template <class K>
concept has_two_vectors = requires { requires K::wake_vector != K::stop_vector; };

// clang-format on

template <class K>
struct kernel_sentences {
  static_assert(has_stop_vector<K>,
                "lastcpu x86_64: stop_vector must be a constant of 32 to 255: "
                "static constexpr uint8_t stop_vector = 0xf0;");
  static_assert(has_apic_id<K>,
                "lastcpu x86_64: apic_id() is missing or wrong: "
                "static uint32_t apic_id(cpu_id) noexcept;");
  static_assert(has_lapic_page<K>,
                "lastcpu x86_64: lapic_page() is missing or wrong: "
                "static volatile void* lapic_page() noexcept;");
  static_assert(!names_owns_every_cpu<K> || has_owns_every_cpu<K>,
                "lastcpu x86_64: owns_every_cpu() is optional, but this one is wrong: "
                "static bool owns_every_cpu() noexcept;");
  static_assert(!names_io_apic<K> || has_io_apic<K>,
                "lastcpu x86_64: io_apic() is optional, but this one is wrong: "
                "static volatile void* io_apic(uint32_t) noexcept;");
  static_assert(!names_in_vmx_operation<K> || has_in_vmx_operation<K>,
                "lastcpu x86_64: in_vmx_operation() is optional, but this one is wrong: "
                "static bool in_vmx_operation() noexcept;");
  static_assert(!names_can_monitor<K> || has_can_monitor<K>,
                "lastcpu x86_64: can_monitor() is optional, but this one is wrong: "
                "static bool can_monitor() noexcept;");
  static_assert(!names_next_stack<K> || has_next_stack<K>,
                "lastcpu x86_64: next_stack() is optional without machine_check() and panic_in_nmi(), but this one is "
                "wrong: static lastcpu::x86::stack_choice "
                "next_stack(lastcpu::x86::handler_stack, lastcpu::x86::stack_choice) noexcept;");
  static_assert(!names_wake_vector<K> || has_wake_vector<K>,
                "lastcpu x86_64: wake_vector is optional, but must be a constant of the highest class, 0xf0 to 0xfe: "
                "static constexpr uint8_t wake_vector = 0xf1;");
  static_assert(!names_wake_vector<K> || has_two_vectors<K>,
                "lastcpu x86_64: wake_vector and stop_vector are the same, and have different handlers");
  static_assert(!names_wake_vector<K> || has_may_take_interrupts<K>,
                "lastcpu x86_64: may_take_interrupts() is missing or wrong, and wake_vector needs it: "
                "static bool may_take_interrupts() noexcept;");
  static_assert(!names_may_take_interrupts<K> || names_wake_vector<K>,
                "lastcpu x86_64: may_take_interrupts() is of no use without wake_vector: "
                "static constexpr uint8_t wake_vector = 0xf1;");
  static constexpr bool said = true;
};

}  // namespace detail
}  // namespace lastcpu::x86

#include <lastcpu/detail/end.hpp>
