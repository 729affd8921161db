# SPDX-License-Identifier: BSL-1.0
# lastcpu_strict_warnings(<target>): the warnings every program of this repository is built with. tools/mutate takes them
# for no error: a damage that the compiler warns of is for the tests to find.
option(LASTCPU_WARNINGS_AS_ERRORS "A warning stops the build of tests and benchmarks" ON)
mark_as_advanced(LASTCPU_WARNINGS_AS_ERRORS)
function(lastcpu_strict_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    $<$<BOOL:${LASTCPU_WARNINGS_AS_ERRORS}>:-Werror>)
endfunction()
