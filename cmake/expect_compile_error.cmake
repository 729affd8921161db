# SPDX-License-Identifier: BSL-1.0
# cmake -D FILE=<file.cpp> -D OUTPUT=<scratch file> -P expect_compile_error.cmake -- <compiler> <flag>...
# Succeeds only if FILE does not compile and a line of the compiler's output matches FILE's one
# `// expect: <extended regular expression>` line.
cmake_minimum_required(VERSION 3.25)

file(STRINGS "${FILE}" expect_lines REGEX "^// expect: *[^ ]")
list(LENGTH expect_lines count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR
    "${FILE} has ${count} lines `// expect: <extended regex>`; it needs exactly one, naming the message that "
    "the compiler must give.")
endif()
string(REGEX REPLACE "^// expect: *" "" expected "${expect_lines}")

set(command "")
set(after_dashes FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(after_dashes)
    list(APPEND command "${CMAKE_ARGV${i}}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(after_dashes TRUE)
  endif()
endforeach()

# The C locale keeps the compiler's quotes plain.
set(ENV{LC_ALL} C)

# grep's status: 0 it matches, 1 it does not, 2 it is no regular expression.
file(WRITE "${OUTPUT}" "\n")
execute_process(COMMAND grep -Eq -e "${expected}" "${OUTPUT}" RESULT_VARIABLE not_even_nothing)
if(not_even_nothing EQUAL 0)
  message(FATAL_ERROR "${FILE}: the expectation `${expected}` matches anything, so it checks nothing.")
endif()

execute_process(COMMAND ${command} "${FILE}"
  RESULT_VARIABLE compiler_status OUTPUT_VARIABLE said ERROR_VARIABLE said)
file(WRITE "${OUTPUT}" "${said}")
execute_process(COMMAND grep -Eq -e "${expected}" "${OUTPUT}" RESULT_VARIABLE no_line_matches)

if(compiler_status EQUAL 0)
  set(wrong "compiles, and it must not")
elseif(NOT no_line_matches EQUAL 0)
  set(wrong "fails to compile, but not for the expected reason")
else()
  return()
endif()
message(NOTICE "Expected an error with a line that matches:\n  ${expected}\nThe compiler said:\n${said}")
message(FATAL_ERROR "${FILE} ${wrong}.")
