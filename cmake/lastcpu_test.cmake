# SPDX-License-Identifier: BSL-1.0
# How tests are added; CONTRIBUTING.md says where they go.
include_guard()
include(GoogleTest)

# It takes half of what the default linker does, and there are many programs to link.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  find_program(LASTCPU_LLD ld.lld)
  mark_as_advanced(LASTCPU_LLD)
endif()

# As kernels are compiled; a test that throws says -fexceptions. GoogleTest's macros take a fifth longer to compile with them.
set(lastcpu_test_options -fno-exceptions)

# lastcpu_test_program(<name> <source>...): a GoogleTest program.
function(lastcpu_test_program name)
  add_executable(${name} ${ARGN})
  lastcpu_strict_warnings(${name})
  target_link_libraries(${name} PRIVATE
    lastcpu::lastcpu GTest::gtest GTest::gtest_main Threads::Threads ${test_LIBS})
  target_include_directories(${name} PRIVATE ${test_INCLUDES})
  target_compile_options(${name} PRIVATE ${lastcpu_test_options} ${test_OPTIONS})
  if(test_DEPENDS)
    add_dependencies(${name} ${test_DEPENDS})
  endif()
  if(LASTCPU_LLD)
    target_link_options(${name} PRIVATE -fuse-ld=lld)
  endif()
endfunction()

# What lastcpu_add_test() and lastcpu_add_tests() have in common; it sets test_<OPTION> for the caller. TIMEOUT is per TEST
# and 60 s by default; a program that runs whole has 300 s. A SERIAL test has the machine to itself: its label is `alone`,
# by which tools/test, which tests two presets at a time, keeps it for the end. OPTIONS are the compiler's.
macro(lastcpu_parse_test_arguments)
  cmake_parse_arguments(test "SERIAL;WHOLE" "NAME;LABEL;TIMEOUT;PREFIX;PARTS" "SOURCES;LIBS;INCLUDES;DEPENDS;OPTIONS" ${ARGN})
  if(test_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "a test of lastcpu does not know: ${test_UNPARSED_ARGUMENTS}")
  endif()
  foreach(required NAME LABEL SOURCES)
    if(NOT test_${required})
      message(FATAL_ERROR "the test of lastcpu '${test_NAME}' needs ${required}.")
    endif()
  endforeach()
  if(test_WHOLE)
    set(test_TIMEOUT 300)
  elseif(NOT test_TIMEOUT)
    set(test_TIMEOUT 60)
  endif()
  if(test_SERIAL)
    set(test_LABEL alone)
  endif()
  if(NOT test_PARTS)
    set(test_PARTS 1)
  endif()
endmacro()

# lastcpu_discover_tests(<program>): ctest sees each of its TESTs by name, or all of them as one.
function(lastcpu_discover_tests program)
  if(test_WHOLE)
    add_test(NAME ${program} COMMAND ${program} --gtest_brief=1)
    set_tests_properties(${program} PROPERTIES LABELS ${test_LABEL} TIMEOUT ${test_TIMEOUT} RUN_SERIAL ${test_SERIAL})
    return()
  endif()
  gtest_discover_tests(${program}
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${test_LABEL} TIMEOUT ${test_TIMEOUT} RUN_SERIAL ${test_SERIAL})
endfunction()

# lastcpu_add_test(NAME <name> LABEL <label> SOURCES <file>... [LIBS <library>...] [INCLUDES <folder>...]
#                  [DEPENDS <target>...] [TIMEOUT <seconds>] [SERIAL] [OPTIONS <option>...])
# A GoogleTest program; ctest sees each of its TESTs by name.
function(lastcpu_add_test)
  lastcpu_parse_test_arguments(${ARGN})
  lastcpu_test_program(${test_NAME} ${test_SOURCES})
  lastcpu_discover_tests(${test_NAME})
endfunction()

# lastcpu_gtest_precompiled(<variable> [<option>...])
# The target that compiles GoogleTest's header with these options, once for all programs of one file that have the same
# options: the header costs each more than the test's own code.
function(lastcpu_gtest_precompiled variable)
  string(MAKE_C_IDENTIFIER "lastcpu_gtest_precompiled${ARGN}" name)
  set(${variable} ${name} PARENT_SCOPE)
  if(TARGET ${name})
    return()
  endif()
  add_library(${name} OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/cmake/gtest_precompiled.cpp)
  lastcpu_strict_warnings(${name})
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_compile_options(${name} PRIVATE ${lastcpu_test_options} ${ARGN})
  target_link_libraries(${name} PRIVATE GTest::gtest)
  target_precompile_headers(${name} PRIVATE <gtest/gtest.h>)
endfunction()

# lastcpu_add_tests(NAME <name> [PREFIX <prefix>] [PARTS <number>] [WHOLE] <the others, as above>)
# One program of many files, compiled in one part, or in so many where that would take too much memory: what they share,
# GoogleTest and the library's templates, costs far more than what each has to itself. So each file has a namespace of its
# name, and one that defines macros before an #include is a lastcpu_add_test(). WHOLE runs the program once for all of its
# TESTs, which leave nothing behind: to start a process for each takes longer than the test.
# By hand there is also a program for each file, PREFIX before its stem, which nothing builds but who asks for it:
# cmake --build --preset PRESET --target PROGRAM.
function(lastcpu_add_tests)
  lastcpu_parse_test_arguments(${ARGN})
  lastcpu_test_program(${test_NAME} ${test_SOURCES})
  list(LENGTH test_SOURCES files)
  math(EXPR batch "(${files} + ${test_PARTS} - 1) / ${test_PARTS}")
  set_target_properties(${test_NAME} PROPERTIES UNITY_BUILD ${LASTCPU_JOIN_TESTS} UNITY_BUILD_BATCH_SIZE ${batch})
  lastcpu_discover_tests(${test_NAME})

  lastcpu_gtest_precompiled(precompiled ${test_OPTIONS})
  foreach(source ${test_SOURCES})
    cmake_path(GET source STEM stem)
    lastcpu_test_program(${test_PREFIX}${stem} ${source})
    set_target_properties(${test_PREFIX}${stem} PROPERTIES EXCLUDE_FROM_ALL ON)
    target_precompile_headers(${test_PREFIX}${stem} REUSE_FROM ${precompiled})
  endforeach()
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
