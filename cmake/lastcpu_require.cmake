# SPDX-License-Identifier: BSL-1.0
# lastcpu_require(<package> <debian_package>): find_package, or stop with the remedy. Nothing is ever
# downloaded while configuring.
macro(lastcpu_require package debian_package)
  find_package(${package} QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR
      "lastcpu needs ${package}, which was not found. On Debian or Ubuntu: apt-get install ${debian_package}. "
      "To do without, turn off LASTCPU_BUILD_TESTS or LASTCPU_BUILD_BENCH.")
  endif()
endmacro()
