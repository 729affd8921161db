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
