# SPDX-License-Identifier: BSL-1.0
# For a build that wants lists and no target: include() this file, which makes nothing.
#
#   lastcpu_INCLUDE_DIRS  what to search for <lastcpu/...>
#   lastcpu_HEADERS       every header; there is nothing to compile
cmake_path(SET lastcpu_INCLUDE_DIRS NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../include")

# Every header below include/ is public or included by a public one, so the folder itself is the list.
file(GLOB_RECURSE lastcpu_HEADERS CONFIGURE_DEPENDS
  ${lastcpu_INCLUDE_DIRS}/lastcpu/*.hpp ${lastcpu_INCLUDE_DIRS}/lastcpu/*.h)
