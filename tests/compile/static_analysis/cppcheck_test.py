# SPDX-License-Identifier: BSL-1.0
"""cppcheck has nothing to say."""

import sys

from sources import INCLUDE, ROOT, c_instances, hosted_examples, kernels, linux_capture, programs

import compilers
import matrix

CPPCHECK = ("cppcheck", "--quiet", "--enable=warning,performance,portability", "--language=c++", "--std=c++20",
            "--error-exitcode=1", f"--suppressions-list={ROOT}/.cppcheck-suppressions", f"--relative-paths={ROOT}",
            "--template={file}:{line}: error: {message} [{id}]", *INCLUDE, "-D__cplusplus=202002L", "-D__x86_64__=1",
            "-D__STDC_HOSTED__=1")


def cell(name: str, sources: list) -> matrix.Cell:
    return matrix.Cell(f"cppcheck {name}", (matrix.Step((*CPPCHECK, *map(str, sources)), seconds=240),))


def main() -> int:
    directory, _ = compilers.from_command_line(__doc__)
    missing = compilers.require({"cppcheck": "cppcheck"})
    groups = {"kernels": [joined.path for joined in kernels(directory)], "linux_capture": linux_capture(), "programs": programs(),
              "C interface": c_instances(), "hosted examples": hosted_examples()}
    return matrix.run([cell(name, sources) for name, sources in groups.items()], directory, missing)


if __name__ == "__main__":
    sys.exit(main())
