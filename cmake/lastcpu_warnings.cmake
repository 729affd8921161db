# SPDX-License-Identifier: BSL-1.0
# lastcpu_strict_warnings(<target>): the warnings every program of this repository is built with.
function(lastcpu_strict_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
endfunction()
