# SPDX-License-Identifier: BSL-1.0
# What lastcpu is measured against, for benchmarks alone. Nothing is ever downloaded while configuring.
#
# LASTCPU_BENCH_PEERS=ON (tools/bench): a peer that is not there, or is there and does not link, costs its benchmarks
# and nothing else; peers_left_out.txt has a line for each. =REQUIRED (tools/test, by its presets): it stops the build
# with that line, for there a benchmark that is never built would never be tested.
include_guard()

set(lastcpu_peers_left_out "")

# lastcpu_leave_out(<name> <why>)
function(lastcpu_leave_out name why)
  if(LASTCPU_BENCH_PEERS STREQUAL "REQUIRED")
    message(FATAL_ERROR "lastcpu's benchmarks can't be built against ${name}, which ${why}. To do without, set "
      "LASTCPU_BENCH_PEERS to ON (those that there are) or OFF.")
  endif()
  message(STATUS "lastcpu: no benchmarks against ${name}, which ${why}")
  set(lastcpu_peers_left_out "${lastcpu_peers_left_out}${name}, which ${why}\n" PARENT_SCOPE)
endfunction()

# lastcpu_find_in(<target> <header> <library>): a target of what lies where the compiler looks, for a peer that has no
# CMake package, or one that fails.
function(lastcpu_find_in target header library)
  find_path(lastcpu_${library}_include ${header})
  find_library(lastcpu_${library}_library ${library})
  if(lastcpu_${library}_include AND lastcpu_${library}_library)
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} SYSTEM INTERFACE ${lastcpu_${library}_include})
    target_link_libraries(${target} INTERFACE ${lastcpu_${library}_library})
  endif()
endfunction()

# lastcpu_peer(<name> <target> <debian package> <program>): sets lastcpu_has_<target's last word> where the program links.
function(lastcpu_peer name target debian_package program)
  string(REGEX REPLACE ".*:" "" word ${target})
  set(lastcpu_has_${word} FALSE PARENT_SCOPE)
  if(NOT TARGET ${target})
    lastcpu_leave_out(${name} "was not found (on Debian and Ubuntu: apt-get install ${debian_package})")
  else()
    try_compile(links SOURCE_FROM_CONTENT ${word}.cpp "${program}" LINK_LIBRARIES ${target} CXX_STANDARD 20
      CXX_STANDARD_REQUIRED TRUE OUTPUT_VARIABLE said NO_CACHE)
    if(links)
      set(lastcpu_has_${word} TRUE PARENT_SCOPE)
    else()
      string(REGEX MATCH "(error: |undefined reference|cannot find )[^\n]*" first "${said}")
      lastcpu_leave_out(${name} "is installed and does not link: ${first}")
    endif()
  endif()
  set(lastcpu_peers_left_out "${lastcpu_peers_left_out}" PARENT_SCOPE)
endfunction()

find_package(absl QUIET CONFIG)
lastcpu_peer(Abseil absl::failure_signal_handler libabsl-dev
  "#include <absl/debugging/failure_signal_handler.h>
   int main() { absl::InstallFailureSignalHandler(absl::FailureSignalHandlerOptions{}); }")

# Where clang's libunwind took the place of libunwind-dev, glog's package fails and glog works.
find_package(glog QUIET CONFIG)
if(NOT TARGET glog::glog)
  lastcpu_find_in(glog::glog glog/logging.h glog)
endif()
lastcpu_peer(glog glog::glog libgoogle-glog-dev
  "#include <glog/logging.h>
   int main() { google::InstallFailureSignalHandler(); }")

lastcpu_find_in(lastcpu_peers::boehm_gc gc/gc.h gc)
lastcpu_peer("the Boehm collector" lastcpu_peers::boehm_gc libgc-dev
  "#define GC_THREADS
   #define GC_NO_THREAD_REDIRECTS
   #include <gc/gc.h>
   int main() { GC_INIT(); GC_allow_register_threads(); }")
