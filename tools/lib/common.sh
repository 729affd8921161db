# SPDX-License-Identifier: BSL-1.0
# Sourced by the programs in tools/: how they speak and how they give up.

say() { printf '%s\n' "$*"; }

# die MESSAGE...: something is wrong with the machine or the tree.
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# bad_usage MESSAGE...: the caller's options are wrong; the message names the option and the remedy.
bad_usage() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

has_program() { command -v "$1" >/dev/null 2>&1; }

# A version manager's python3 (pyenv's, asdf's) is a shell script that starts ten processes for each call, and tools and
# tests call it hundreds of times. The packages' modules are those of the system's.
if [[ $(command -v python3) == */shims/* && -x /usr/bin/python3 ]]; then
  PATH=/usr/bin:$PATH
fi
