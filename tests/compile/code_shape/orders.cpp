// SPDX-License-Identifier: BSL-1.0
// Every operation of a shared word with every order that it takes, each a function whose name says what was asked for:
// OPERATION_WIDTH_ORDER, compare_exchange_WIDTH_SUCCESS_FAILURE. orders_test.py looks for the orders in its instructions.
#include <lastcpu/atomic.hpp>

using lastcpu::order;
using word_32 = lastcpu::atomic<uint32_t>;
using word_ptr = lastcpu::atomic<uintptr_t>;

#define LASTCPU_LOAD(width, type, o)                                   \
  extern "C" type load_##width##_##o(const word_##width& w) noexcept { \
    return w.load(order::o);                                           \
  }
#define LASTCPU_STORE(width, type, o)                                     \
  extern "C" void store_##width##_##o(word_##width& w, type v) noexcept { \
    w.store(v, order::o);                                                 \
  }
#define LASTCPU_FETCH_ADD(width, type, o)                                     \
  extern "C" type fetch_add_##width##_##o(word_##width& w, type v) noexcept { \
    return w.fetch_add(v, order::o);                                          \
  }
#define LASTCPU_EXCHANGE(width, type, success, failure)                                             \
  extern "C" bool compare_exchange_##width##_##success##_##failure(word_##width& w, type& expected, \
                                                                   type desired) noexcept {         \
    return w.compare_exchange(expected, desired, order::success, order::failure);                   \
  }
#define LASTCPU_EXCHANGES(width, type, success)   \
  LASTCPU_EXCHANGE(width, type, success, relaxed) \
  LASTCPU_EXCHANGE(width, type, success, acquire)
#define LASTCPU_OPERATIONS(width, type)   \
  LASTCPU_LOAD(width, type, relaxed)      \
  LASTCPU_LOAD(width, type, acquire)      \
  LASTCPU_STORE(width, type, relaxed)     \
  LASTCPU_STORE(width, type, release)     \
  LASTCPU_FETCH_ADD(width, type, relaxed) \
  LASTCPU_FETCH_ADD(width, type, acquire) \
  LASTCPU_FETCH_ADD(width, type, release) \
  LASTCPU_FETCH_ADD(width, type, acq_rel) \
  LASTCPU_EXCHANGES(width, type, relaxed) \
  LASTCPU_EXCHANGES(width, type, acquire) \
  LASTCPU_EXCHANGES(width, type, release) \
  LASTCPU_EXCHANGES(width, type, acq_rel)

LASTCPU_OPERATIONS(32, uint32_t)
LASTCPU_OPERATIONS(ptr, uintptr_t)
