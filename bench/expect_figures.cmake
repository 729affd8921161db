# SPDX-License-Identifier: BSL-1.0
# cmake -D PROGRAM=<benchmark program> -P expect_figures.cmake
# Runs every benchmark of PROGRAM briefly. Each one it lists must report all of the figures below, above zero, and no
# error.
cmake_minimum_required(VERSION 3.25)
set(figures ours_ns raw_ns ratio ratio_p25 ratio_p75)

execute_process(COMMAND ${PROGRAM} --benchmark_list_tests
  RESULT_VARIABLE status OUTPUT_VARIABLE names OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT status EQUAL 0 OR names STREQUAL "")
  message(FATAL_ERROR "${PROGRAM} lists no benchmark (status ${status}).")
endif()
string(REPLACE "\n" ";" names "${names}")
list(LENGTH names listed)

execute_process(COMMAND ${PROGRAM} --benchmark_min_time=0.001 --benchmark_format=json
  RESULT_VARIABLE status OUTPUT_VARIABLE json ERROR_VARIABLE said)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with status ${status}.\n${said}")
endif()

string(JSON reported LENGTH "${json}" benchmarks)
if(NOT reported EQUAL listed)
  message(FATAL_ERROR "${PROGRAM} lists ${listed} benchmarks and reports ${reported}.")
endif()
math(EXPR last "${reported} - 1")
foreach(i RANGE ${last})
  string(JSON name GET "${json}" benchmarks ${i} name)
  string(JSON error ERROR_VARIABLE no_error GET "${json}" benchmarks ${i} error_message)
  if(NOT no_error)
    message(FATAL_ERROR "${name}: ${error}")
  endif()
  foreach(figure ${figures})
    string(JSON value ERROR_VARIABLE missing GET "${json}" benchmarks ${i} ${figure})
    if(missing OR NOT value GREATER 0)
      message(FATAL_ERROR "${name} must report a figure `${figure}` above zero; it says `${value}`.")
    endif()
  endforeach()
endforeach()
message(STATUS "${reported} benchmarks, each with ${figures}")
