# SPDX-License-Identifier: BSL-1.0
# Sourced after common.sh. `need_packages` makes sure that everything in `needed` is installed, and sets `new_clang`
# to the newest clang++ unless new_clang_wanted is no. It touches the network only when something is missing, and says
# one line then. A server is unpacked into build/, not installed: installed it would run on this machine, from now on.

new_clang_wanted=yes

# "what proves it is there" "Debian package"
needed=(
  "program:g++             g++"
  "program:cmake           cmake"
  "program:ninja           ninja-build"
  "program:clang++         clang"
  "program:ld.lld          lld"
  "program:clang-format-14 clang-format-14"
  "program:clang-tidy-14   clang-tidy-14"
  "program:cppcheck        cppcheck"
  "program:doxygen         doxygen"
  "program:aarch64-linux-gnu-g++ g++-aarch64-linux-gnu"
  "program:riscv64-linux-gnu-g++ g++-riscv64-linux-gnu"
  "program:arm-none-eabi-g++ gcc-arm-none-eabi"
  "program:python3         python3"
  "program:gdb             gdb"
  "program:eu-readelf      elfutils"
  "program:nm              binutils"
  "program:valgrind        valgrind"
  "program:qemu-system-x86_64 qemu-system-x86"
  "program:qemu-system-arm qemu-system-arm"
  "program:qemu-aarch64    qemu-user"
  "program:git             git"
  "program:make            make"
  "program:meson           meson"
  "program:pkg-config      pkg-config"
  "header:stdlib.h         libc6-dev"
  "header:gtest/gtest.h    libgtest-dev"
  "header:benchmark/benchmark.h libbenchmark-dev"
  "header:gc/gc.h          libgc-dev"
  "header:absl/debugging/failure_signal_handler.h libabsl-dev"
  "header:glog/logging.h   libgoogle-glog-dev"
  "header:xxhash.h         libxxhash-dev"
  "header:boost/context/detail/fcontext.hpp libboost-context-dev"
  "program:gnuplot         gnuplot-nox"
  "python:simpy            python3-simpy3"
  "python:jinja2           python3-jinja2"
  "python:scipy            python3-scipy"
  "python:clang.cindex     python3-clang"
  "program:go              golang-go"
  "program:java            default-jre-headless"
  "server:memcached        memcached"
  "file:/usr/lib/*/libevent-2.1.so.7 libevent-2.1-7"
  "file:/usr/lib/*/libsasl2.so.2 libsasl2-2"
  "server:nginx            nginx"
  "file:/usr/lib/*/libpcre2-8.so.0 libpcre2-8-0"
)
if [[ $HOSTTYPE == x86_64 ]]; then  # elsewhere no example kernel is built
  needed+=(
    "program:grub-mkrescue   grub-common"
    "file:/usr/lib/grub/i386-pc/moddep.lst grub-pc-bin"
    "program:xorriso         xorriso"
    "program:mformat         mtools"
    "file:/usr/bin/rustc     rustc"
    "program:eu-readelf      elfutils"
    "python:drgn             python3-drgn"
    "python:xxhash           python3-xxhash"
  )
fi

# For tools/mutate --random: it builds what tools/test builds, and parses the headers.
needed_for_mutate=(
  "program:g++             g++"
  "program:cmake           cmake"
  "program:ninja           ninja-build"
  "program:clang++         clang"
  "program:aarch64-linux-gnu-g++ g++-aarch64-linux-gnu"
  "program:riscv64-linux-gnu-g++ g++-riscv64-linux-gnu"
  "program:arm-none-eabi-g++ gcc-arm-none-eabi"
  "program:python3         python3"
  "program:qemu-system-x86_64 qemu-system-x86"
  "program:qemu-i386 qemu-user"
  "program:valgrind        valgrind"
  "header:gtest/gtest.h    libgtest-dev"
  "header:xxhash.h         libxxhash-dev"
  "header:boost/context/detail/fcontext.hpp libboost-context-dev"
  "python:clang.cindex     python3-clang"
)

# For tools/bench: what it builds with.
needed_for_bench=(
  "program:g++             g++"
  "program:cmake           cmake"
  "program:ninja           ninja-build"
  "header:stdlib.h         libc6-dev"
  "header:benchmark/benchmark.h libbenchmark-dev"
  "header:xxhash.h         libxxhash-dev"
  "python:simpy            python3-simpy3"
)
# What is measured beside ours. Where one can't be had, its rows are left out: libunwind-dev, which glog wants, and clang's
# libunwind exclude each other. tools/test wants all of them, or a benchmark would go untested.
wanted_for_bench=(
  "header:gc/gc.h          libgc-dev"
  "header:absl/debugging/failure_signal_handler.h libabsl-dev"
  "header:glog/logging.h   libgoogle-glog-dev"
)
# Its page and its pictures.
needed_for_report=(
  "program:python3         python3"
  "python:jinja2           python3-jinja2"
  "program:gnuplot         gnuplot-nox"
)
# Its test of significance. 100 MB with all that it brings along, hence only for those who compare; nothing smaller in
# Debian has the exact distribution of Mann and Whitney's U.
needed_for_compare=(
  "program:python3         python3"
  "python:scipy            python3-scipy"
)

# The Python that Debian's packages are for, where another one comes first.
system_python=/usr/bin/python3
[[ -x $system_python ]] || system_python=python3

# Where servers are unpacked.
unpacked=build/unpacked

is_present() {
  case $1 in
    program:*) has_program "${1#program:}" ;;
    server:*) has_program "${1#server:}" || compgen -G "$unpacked/usr/*bin/${1#server:}" >/dev/null ;;
    file:*) compgen -G "${1#file:}" >/dev/null ;;
    header:*) printf '#include <%s>\n' "${1#header:}" | g++ -std=c++20 -E -x c++ - >/dev/null 2>&1 ;;
    python:*) "$system_python" -c "import ${1#python:}" >/dev/null 2>&1 ;;
    fuzzer:*)
      printf 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n' |
        "${1#fuzzer:}" -fsanitize=fuzzer -x c++ - -o /dev/null >/dev/null 2>&1
      ;;
  esac
}

# The clang packages that the archive offers, as far as the machine already knows: "clang-13 clang-14 ...".
offered_clangs() {
  has_program apt-cache || return 0
  ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || return 0
  apt-cache search --names-only '^clang-[0-9]+$' | cut -d' ' -f1 | sort -V
}

# Sets new_clang: LASTCPU_NEW_CLANG if the user set it, else clang 19, else the newest one on offer.
pick_new_clang() {
  local offered
  new_clang=${LASTCPU_NEW_CLANG:-clang++-19}
  if [[ -n ${LASTCPU_NEW_CLANG:-} ]] || has_program clang++-19; then
    return
  fi
  offered=$(offered_clangs)
  if [[ -n $offered ]] && ! grep -qx clang-19 <<<"$offered"; then
    new_clang=clang++-${offered##*clang-}
  fi
}

# Sets missing_what and missing_packages; of these, to_install and to_unpack.
find_missing() {
  local row what package rows=("${needed[@]}")
  missing_what=()
  missing_packages=()
  to_install=()
  to_unpack=()
  if [[ $new_clang_wanted == yes ]]; then
    pick_new_clang
    rows+=("program:$new_clang ${new_clang/clang++/clang}" "program:${new_clang/clang++/ld.lld} ${new_clang/clang++/lld}")
  fi
  for row in "${rows[@]}"; do
    read -r what package <<<"$row"
    if ! is_present "$what"; then
      missing_what+=("${what#*:}")
      missing_packages+=("$package")
      if [[ $what == server:* ]]; then to_unpack+=("$package"); else to_install+=("$package"); fi
    fi
  done
}

# apt_get ARGUMENT...: as root, with all that it says in $apt_log.
apt_get() {
  local as_root=()
  [[ $(id -u) == 0 ]] || as_root=(sudo)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >>"$apt_log" 2>&1
}

# install_failed WHAT: closes the line of progress, shows the end of apt-get's words, and gives up.
install_failed() {
  say "FAILED, $((SECONDS - started)) s"
  tail -n 20 "$apt_log" | sed 's/^/    /'
  die "$1
all of it: $apt_log
next: repair that (by hand: apt-get install ${missing_packages[*]}), then run this again"
}

# unpack PACKAGE...: what it has lies in $unpacked then, and nothing else of the machine is changed.
unpack() {
  local archives file status=0
  archives=$(mktemp -d "${TMPDIR:-/tmp}/lastcpu-unpack.XXXXXX") || return 1
  (cd "$archives" && apt-get -qq download "$@") >>"$apt_log" 2>&1 || status=1
  for file in "$archives"/*.deb; do
    mkdir -p "$unpacked" && dpkg-deb -x "$file" "$unpacked" >>"$apt_log" 2>&1 || status=1
  done
  rm -rf "$archives"
  return "$status"
}

# One line of progress; apt-get's words only when it fails.
install_missing() {
  local started=$SECONDS names packages="${#missing_packages[@]} packages"
  printf -v names ', %s' "${missing_what[@]}"
  ((${#missing_packages[@]} > 1)) || packages="1 package"
  printf 'Missing: %s. Installing %s ... ' "${names#, }" "$packages"
  apt_log=$(mktemp "${TMPDIR:-/tmp}/lastcpu-apt-get.XXXXXX") || die "cannot make a file in ${TMPDIR:-/tmp}"
  apt_get update || install_failed "apt-get update failed; still missing: ${missing_packages[*]}"
  find_missing # the lists may offer another clang now
  ((${#to_install[@]} == 0)) || apt_get install -y --no-install-recommends "${to_install[@]}" ||
    install_failed "apt-get could not install: ${to_install[*]}"
  ((${#to_unpack[@]} == 0)) || unpack "${to_unpack[@]}" || install_failed "could not fetch and unpack: ${to_unpack[*]}"
  find_missing
  ((${#missing_what[@]} == 0)) || install_failed "still missing after installing: ${missing_what[*]}"
  rm -f "$apt_log"
  say "ok, $((SECONDS - started)) s"
}

need_packages() {
  local hint=""
  find_missing
  if ((${#missing_what[@]} > 0)); then
    if ! has_program apt-get || { [[ $(id -u) != 0 ]] && ! has_program sudo; }; then
      [[ $new_clang_wanted == no ]] || hint="
Any recent clang++ will do for clang++-19: name it in LASTCPU_NEW_CLANG."
      die "missing: ${missing_what[*]}
Install them (Debian and Ubuntu call the packages: ${missing_packages[*]}) and run this again.$hint"
    fi
    install_missing
  fi
  if [[ $new_clang_wanted == yes && $new_clang != clang++-19 ]]; then
    say "Note: using $new_clang as the newest clang, in place of clang++-19."
  fi
}

# want_packages ROW...: tries to install what is missing, each package by itself and without removing another one for
# it. What can't be had is said, and is no error.
want_packages() {
  local needed=("$@") new_clang_wanted=no package
  find_missing
  ((${#missing_what[@]} > 0)) || return 0
  apt_log=/dev/null
  if has_program apt-get && { [[ $(id -u) == 0 ]] || has_program sudo; } && apt_get update; then
    for package in "${missing_packages[@]}"; do
      apt_get install -y --no-install-recommends --no-remove "$package" || true
    done
    find_missing
  fi
  ((${#missing_what[@]} == 0)) || say "Not to be had here: ${missing_packages[*]}. The benchmarks that need them are left out."
}
