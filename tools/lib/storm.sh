# SPDX-License-Identifier: BSL-1.0
# shellcheck shell=bash disable=SC2034
# Sourced after common.sh and packages.sh: what tools/demo and tools/soak need, and the release build that both use.

needed=(
  "program:g++             g++"
  "program:cmake           cmake"
  "program:ninja           ninja-build"
  "program:python3         python3"
)
needed_for_boots=("program:qemu-system-x86_64 qemu-system-x86")
needed_for_dumps=("program:gdb gdb")
new_clang_wanted=no

# The example kernel is built where it would run, though QEMU runs it.
is_kernel_host() { [[ $(uname -sm) == "Linux x86_64" ]]; }

# build_storm: configures and builds build/demo; quiet unless something goes wrong.
build_storm() {
  local log=build/demo/build.log
  mkdir -p build/demo
  printf 'Building in build/demo ... '
  if ! { cmake -S . -B build/demo -G Ninja -D CMAKE_BUILD_TYPE=Release -D LASTCPU_BUILD_TESTS=OFF \
    -D LASTCPU_BUILD_BENCH=OFF -D LASTCPU_BUILD_EXAMPLES=ON && cmake --build build/demo; } >"$log" 2>&1 </dev/null; then
    say "FAILED"
    tail -n 40 "$log" | sed 's/^/    /'
    die "the build failed; all of it: $log"
  fi
  say "ok, $SECONDS s"
}
