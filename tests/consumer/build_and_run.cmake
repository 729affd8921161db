# SPDX-License-Identifier: BSL-1.0
# Builds consumer.cpp in an empty SCRATCH directory the given WAY, runs it, and compares what it prints
# with VERSION.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
set(program ${SCRATCH}/build/consumer)

if(WAY STREQUAL "vendored")
  file(MAKE_DIRECTORY ${SCRATCH}/build)
  run(${CXX} -std=c++20 -I ${LASTCPU_SOURCE_DIR}/include ${CMAKE_CURRENT_LIST_DIR}/consumer.cpp -o ${program})
else()
  if(WAY STREQUAL "installed")
    run(${CMAKE_COMMAND} --install ${LASTCPU_BINARY_DIR} --prefix ${SCRATCH}/prefix)
    set(where -D CMAKE_PREFIX_PATH=${SCRATCH}/prefix)
  else()
    # Hiding the test libraries proves that a subproject does not ask for them.
    set(where
      -D LASTCPU_SOURCE_DIR=${LASTCPU_SOURCE_DIR}
      -D CMAKE_DISABLE_FIND_PACKAGE_GTest=ON
      -D CMAKE_DISABLE_FIND_PACKAGE_benchmark=ON)
  endif()
  run(${CMAKE_COMMAND} -G Ninja -S ${CMAKE_CURRENT_LIST_DIR}/${WAY} -B ${SCRATCH}/build
    -D CMAKE_CXX_COMPILER=${CXX} ${where})
  run(${CMAKE_COMMAND} --build ${SCRATCH}/build)
endif()

execute_process(COMMAND ${program}
  OUTPUT_VARIABLE printed OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT printed STREQUAL VERSION)
  message(FATAL_ERROR "The program printed `${printed}`; CMakeLists.txt says version `${VERSION}`.")
endif()
