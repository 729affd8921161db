# SPDX-License-Identifier: BSL-1.0
"""clang-tidy 14 has nothing to say: a newer one has further checks, so it is this one everywhere."""

import re
import sys

from sources import HOSTED_FLAGS, KERNEL_FLAGS, ROOT, Joined, c_instances, hosted, kernels, linux_capture, programs

import compilers
import matrix

TIDY = ("clang-tidy-14", "--quiet", "--warnings-as-errors=*", f"--config-file={ROOT}/.clang-tidy")


def cell(source, flags, *options) -> matrix.Cell:
    """Of a file, or of several that are joined."""
    path, whence = (source.path, source.whence) if isinstance(source, Joined) else (source, str)

    def check(result):
        text = re.sub(r"^.* generated\.$", "", whence(result.text), flags=re.MULTILINE)  # how many are not shown
        return matrix.succeeds(matrix.Result(result.status, text))

    return matrix.Cell(f"clang-tidy {path.name}", (matrix.Step((*TIDY, *options, str(path), "--", *flags), check, seconds=120),))


def main() -> int:
    directory, _ = compilers.from_command_line(__doc__)
    missing = compilers.require({TIDY[0]: "clang-tidy-14"})
    cells = [cell(hosted(directory), HOSTED_FLAGS)]
    cells += [cell(source, KERNEL_FLAGS) for source in (*kernels(directory), *linux_capture(), *programs())]
    cells += [cell(source, KERNEL_FLAGS, "--checks=-misc-definitions-in-headers") for source in c_instances()]
    return matrix.run(cells, directory, missing)


if __name__ == "__main__":
    sys.exit(main())
