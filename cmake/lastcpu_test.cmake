# SPDX-License-Identifier: BSL-1.0
# How tests are added; CONTRIBUTING.md says where they go.
include_guard()
include(GoogleTest)

# lastcpu_gtest_precompiled(<variable> [<option>...])
# The target that compiles GoogleTest's header with these options. The header costs each test more than the test's own
# code: it is compiled once for all that have the same options. The preset gcc-debug does without, so that a missing
# include is noticed.
function(lastcpu_gtest_precompiled variable)
  string(MAKE_C_IDENTIFIER "lastcpu_gtest_precompiled${ARGN}" name)
  set(${variable} ${name} PARENT_SCOPE)
  if(TARGET ${name})
    return()
  endif()
  add_library(${name} OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/cmake/gtest_precompiled.cpp)
  lastcpu_strict_warnings(${name})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_compile_options(${name} PRIVATE ${ARGN})
  target_link_libraries(${name} PRIVATE GTest::gtest)
  target_precompile_headers(${name} PRIVATE <gtest/gtest.h>)
endfunction()

# It takes half of what the default linker does, and there are 300 programs to link.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  find_program(LASTCPU_LLD ld.lld)
  mark_as_advanced(LASTCPU_LLD)
endif()

# lastcpu_add_test(NAME <name> LABEL <label> SOURCES <file>... [LIBS <library>...] [TIMEOUT <seconds>] [SERIAL]
#                  [OPTIONS <option>...])
# A GoogleTest program; ctest sees each of its TESTs by name. TIMEOUT is per TEST and 60 s by default.
# SERIAL keeps a timing-sensitive test from sharing the machine with another one. OPTIONS are the compiler's.
function(lastcpu_add_test)
  cmake_parse_arguments(PARSE_ARGV 0 test "SERIAL" "NAME;LABEL;TIMEOUT" "SOURCES;LIBS;OPTIONS")
  if(test_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lastcpu_add_test does not know: ${test_UNPARSED_ARGUMENTS}")
  endif()
  foreach(required NAME LABEL SOURCES)
    if(NOT test_${required})
      message(FATAL_ERROR "lastcpu_add_test(${test_NAME} ...) needs ${required}.")
    endif()
  endforeach()
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT 60)
  endif()
  if(NOT test_SERIAL)
    set(test_SERIAL FALSE)
  endif()

  add_executable(${test_NAME} ${test_SOURCES})
  lastcpu_strict_warnings(${test_NAME})
  target_link_libraries(${test_NAME} PRIVATE
    lastcpu::lastcpu GTest::gtest GTest::gtest_main Threads::Threads ${test_LIBS})
  target_compile_options(${test_NAME} PRIVATE ${test_OPTIONS})
  lastcpu_gtest_precompiled(precompiled ${test_OPTIONS})
  target_precompile_headers(${test_NAME} REUSE_FROM ${precompiled})
  if(LASTCPU_LLD)
    target_link_options(${test_NAME} PRIVATE -fuse-ld=lld)
  endif()

  gtest_discover_tests(${test_NAME}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${test_LABEL} TIMEOUT ${test_TIMEOUT} RUN_SERIAL ${test_SERIAL})
endfunction()

# lastcpu_add_matrix_test(<name> <script> [<label>...])
# A script on tests/compile/matrix that brings its own compilers, and keeps two processors busy: once is enough, in gcc-release.
function(lastcpu_add_matrix_test name script)
  add_test(NAME ${name}
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${CMAKE_CURRENT_BINARY_DIR}/${name}
      --new-clang ${LASTCPU_NEW_CLANG})
  set(labels ${ARGN} compilers)
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 600 PROCESSORS 2)
endfunction()
