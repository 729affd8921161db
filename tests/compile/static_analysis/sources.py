# SPDX-License-Identifier: BSL-1.0
"""What is looked at: every file of the examples, programs that make use of every template, and every header."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "matrix"))

import compilers  # noqa: E402

INCLUDE = ("-I", str(ROOT / "include"))
HOSTED_FLAGS = ("-std=c++20", *INCLUDE)
KERNEL_FLAGS = (*compilers.KERNEL, "-mcmodel=kernel", *INCLUDE, "-I", str(ROOT / "examples/kernel"), "-I",
                str(ROOT / "examples/crash_kernel"))


def name_of(source: Path) -> str:
    return "of_" + re.sub(r"\W", "_", f"{source.parent.name}_{source.stem}")


class Joined:
    """Several sources as one: each header that they share is looked at once. They may not use one name for two things, unless
    they are `apart`, each in a namespace of its own."""

    def __init__(self, path: Path, sources: list, apart: bool = False):
        self.path, self.lines = path, []
        texts = {source: source.read_text(encoding="utf-8").splitlines() for source in sources}
        included = [(source, at) for source, lines in texts.items() for at, line in enumerate(lines, 1)
                    if apart and line.startswith("#include")]
        written = [self._line(source, at, texts[source][at - 1]) for source, at in included]
        for source, lines in texts.items():
            written += [self._line(source, 1, f"namespace {name_of(source)} {{")] if apart else []
            written += [self._line(source, at, "" if (source, at) in included else line) for at, line in enumerate(lines, 1)]
            written += [self._line(source, len(lines), "}")] if apart else []
        path.write_text("".join(written), encoding="utf-8")

    def _line(self, source: Path, at: int, text: str) -> str:
        goes_on = bool(self.lines) and self.lines[-1] == (source, at - 1)
        if not goes_on:
            self.lines.append(None)
        self.lines.append((source, at))
        return ("" if goes_on else f'#line {at} "{source}"\n') + text + "\n"

    def whence(self, text: str) -> str:
        """What clang-tidy says, who goes by the file that there is."""
        def place(found):
            source, at = self.lines[int(found.group(1)) - 1]
            return f"{source}:{at}"
        return re.sub(rf"{re.escape(str(self.path))}:(\d+)(?=:)", place, text)


def hosted_examples() -> list:
    return [ROOT / "examples" / name / "main.cpp" for name in ("capture", "crash_reporter", "posix")]


def hosted(directory: Path) -> Joined:
    return Joined(directory / "hosted.cpp", [every_header(directory), *hosted_examples()], apart=True)


def kernels(directory: Path) -> list:
    """The examples that are compiled as kernels are, but for those of linux_capture, which have names in common."""
    return [Joined(directory / f"{name}.cpp", sources_in(name)) for name in ("kernel", "crash_kernel")]


def linux_capture() -> list:
    return sources_in("linux_capture")


def sources_in(folder: str) -> list:
    return sorted((ROOT / "examples" / folder).rglob("*.cpp"))


def c_instances() -> list:
    return [HERE.parent / f"freestanding/{name}.cpp" for name in ("c_instance", "c_crash_instance")]


def programs() -> list:
    return [HERE.parent / f"freestanding/{name}.cpp" for name in ("whole", "whole_options", "whole_x86_64")]


def every_header(directory: Path) -> Path:
    """A file that includes all of them but those of the C interface, which define functions and are included once."""
    names = sorted(path.relative_to(compilers.INCLUDE).as_posix() for path in compilers.INCLUDE.rglob("*.hpp")
                   if path.parent.name != "c")
    source = directory / "every_header.cpp"
    source.write_text("".join(f"#include <{name}>\n" for name in names), encoding="utf-8")
    return source
