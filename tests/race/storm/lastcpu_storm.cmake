# SPDX-License-Identifier: BSL-1.0
# The library lastcpu_storm: one trial of one design in one scenario. The storm tests and the tools link it.
include_guard(GLOBAL)

find_package(Threads REQUIRED)
set(storm_dir ${CMAKE_CURRENT_LIST_DIR})
add_library(lastcpu_storm STATIC
  ${storm_dir}/c_design.cpp
  ${storm_dir}/chaos.cpp
  ${storm_dir}/cpu_watch.cpp
  ${storm_dir}/design.cpp
  ${storm_dir}/judge.cpp
  ${storm_dir}/machine.cpp
  ${storm_dir}/scenario.cpp
  ${storm_dir}/storm_platform.cpp
  ${storm_dir}/tally.cpp
  ${storm_dir}/timeline.cpp
  ${storm_dir}/trial.cpp)
target_include_directories(lastcpu_storm PUBLIC ${storm_dir} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_link_libraries(lastcpu_storm PUBLIC lastcpu::lastcpu Threads::Threads)
lastcpu_strict_warnings(lastcpu_storm)
# All but one in one part; the domain by the C interface has a configuration of its own.
set_target_properties(lastcpu_storm PROPERTIES UNITY_BUILD "${LASTCPU_JOIN_TESTS}" UNITY_BUILD_BATCH_SIZE 0)
set_source_files_properties(${storm_dir}/c_design.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
