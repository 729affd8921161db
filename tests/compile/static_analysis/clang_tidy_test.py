# SPDX-License-Identifier: BSL-1.0
"""clang-tidy 14 has nothing to say: a newer one has further checks, so it is this one everywhere."""

import sys

from sources import HOSTED_FLAGS, KERNEL_FLAGS, ROOT, c_instances, every_header, hosted_examples, kernel_sources, programs

import compilers
import matrix

TIDY = ("clang-tidy-14", "--quiet", "--warnings-as-errors=*", f"--config-file={ROOT}/.clang-tidy")


def cell(source, flags, *options) -> matrix.Cell:
    command = (*TIDY, *options, str(source), "--", *flags)
    return matrix.Cell(f"clang-tidy {source.name}", (matrix.Step(command, seconds=120),))


def main() -> int:
    directory, _ = compilers.from_command_line(__doc__)
    missing = compilers.require({TIDY[0]: "clang-tidy-14"})
    cells = [cell(source, HOSTED_FLAGS) for source in (every_header(directory), *hosted_examples())]
    cells += [cell(source, KERNEL_FLAGS) for source in (*kernel_sources(), *programs())]
    cells += [cell(source, KERNEL_FLAGS, "--checks=-misc-definitions-in-headers") for source in c_instances()]
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
