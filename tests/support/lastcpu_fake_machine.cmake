# SPDX-License-Identifier: BSL-1.0
# The library lastcpu_fake_machine, the scripted machine: compiled once, for most of the tests play it.
include_guard(GLOBAL)

add_library(lastcpu_fake_machine STATIC EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/fake_machine.cpp)
lastcpu_strict_warnings(lastcpu_fake_machine)
target_link_libraries(lastcpu_fake_machine PRIVATE lastcpu::lastcpu GTest::gtest Threads::Threads)
target_include_directories(lastcpu_fake_machine PRIVATE ${PROJECT_SOURCE_DIR}/tests)
