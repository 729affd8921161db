# SPDX-License-Identifier: BSL-1.0
# What lastcpu is measured against, for benchmarks alone: LASTCPU_BENCH_PEERS=ON. Nothing is ever downloaded while
# configuring.
include_guard()

set(lastcpu_to_do_without_peers "To do without, turn off LASTCPU_BENCH_PEERS.")

# lastcpu_require_peer(<package> <debian_package>): find_package, or stop with the remedy.
macro(lastcpu_require_peer package debian_package)
  find_package(${package} QUIET CONFIG)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "lastcpu's benchmarks of peers need ${package}, which was not found. "
      "On Debian or Ubuntu: apt-get install ${debian_package}. ${lastcpu_to_do_without_peers}")
  endif()
endmacro()

lastcpu_require_peer(absl libabsl-dev)
lastcpu_require_peer(glog libgoogle-glog-dev)

# libgc-dev has no CMake package.
find_path(lastcpu_gc_include gc/gc.h)
find_library(lastcpu_gc_library gc)
if(NOT lastcpu_gc_include OR NOT lastcpu_gc_library)
  message(FATAL_ERROR "lastcpu's benchmarks of peers need the Boehm collector (gc/gc.h, libgc), which was not found. "
    "On Debian or Ubuntu: apt-get install libgc-dev. ${lastcpu_to_do_without_peers}")
endif()
add_library(lastcpu_boehm_gc INTERFACE)
target_include_directories(lastcpu_boehm_gc SYSTEM INTERFACE ${lastcpu_gc_include})
target_link_libraries(lastcpu_boehm_gc INTERFACE ${lastcpu_gc_library})
