#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Builds consumer.cpp in an empty folder, the given way, and runs it: it must print lastcpu's version.

Each way of docs/ways-in.md is a function here. What fetches, fetches from a repository that is made here out of the
working tree.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DOCUMENT = ROOT / "docs/ways-in.md"
TAKEN = ("CMakeLists.txt", "meson.build", "LICENSE", "cmake", "include")  # what lastcpu needs to be taken in


def run(*command, cwd):
    print("+", *command, flush=True)
    done = subprocess.run([str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=sys.stdout, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        sys.exit(f"FAILED: status {done.returncode}; next: cd {cwd} && {' '.join(map(str, command))}")
    return done.stdout.strip()


def block(tag):
    """The text of the document between ```TAG and ```."""
    match = re.search(rf"^```{tag}\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return match.group(1) if match else sys.exit(f"{DOCUMENT} has no block ```{tag}; next: mend it or {__file__}")


class Way:
    def __init__(self, options):
        self.built, self.cxx, self.version = options.built, options.cxx, options.version
        self.scratch = options.scratch.resolve()
        self.program = self.scratch / "build/consumer"
        shutil.rmtree(self.scratch, ignore_errors=True)
        (self.scratch / "build").mkdir(parents=True)

    def compile(self, *include):
        run(self.cxx, "-std=c++20", *include, HERE / "consumer.cpp", "-o", self.program, cwd=self.scratch)

    def cmake(self, project, *definitions):
        run("cmake", "-G", "Ninja", "-S", HERE / project, "-B", "build", f"-DCMAKE_CXX_COMPILER={self.cxx}",
            *(f"-D{definition}" for definition in definitions), cwd=self.scratch)
        run("cmake", "--build", "build", cwd=self.scratch)

    def install(self):
        run("cmake", "--install", self.built, "--prefix", "prefix", cwd=self.scratch)
        return self.scratch / "prefix"

    def repository(self):
        """(address, commit) of a repository that has the working tree."""
        where = self.scratch / "repository"
        where.mkdir()
        for name in TAKEN:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, where / name)
        run("git", "init", "-q", cwd=where)
        run("git", "add", ".", cwd=where)
        run("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-q", "-m", "lastcpu", cwd=where)
        run("git", "config", "uploadpack.allowAnySHA1InWant", "true", cwd=where)
        return where.as_uri(), run("git", "rev-parse", "HEAD", cwd=where)

    def copied(self):
        shutil.copytree(ROOT / "include/lastcpu", self.scratch / "third_party/lastcpu")
        self.compile("-I", "third_party")

    def makefile(self):
        shutil.copytree(ROOT / "include/lastcpu", self.scratch / "third_party/lastcpu")
        shutil.copy(HERE / "consumer.cpp", self.scratch)
        run("make", "-f", HERE / "makefile/Makefile", f"CXX={self.cxx}", cwd=self.scratch)
        self.program = self.scratch / "consumer"

    def subdirectory(self):
        # Hiding the test libraries proves that a subproject does not ask for them.
        self.cmake("subdirectory", f"LASTCPU_SOURCE_DIR={ROOT}", "CMAKE_DISABLE_FIND_PACKAGE_GTest=ON",
                   "CMAKE_DISABLE_FIND_PACKAGE_benchmark=ON")

    def fetch_content(self):
        address, commit = self.repository()
        self.cmake("fetch_content", f"LASTCPU_REPOSITORY={address}", f"LASTCPU_COMMIT={commit}")

    def cmake_lists(self):
        self.cmake("cmake_lists", f"LASTCPU_SOURCE_DIR={ROOT}")

    def installed(self):
        self.cmake("installed", f"CMAKE_PREFIX_PATH={self.install()}")

    def pkg_config(self):
        os.environ["PKG_CONFIG_PATH"] = str(self.install() / "share/pkgconfig")
        self.compile(*run("pkg-config", "--cflags", "lastcpu", cwd=self.scratch).split())
        if (version := run("pkg-config", "--modversion", "lastcpu", cwd=self.scratch)) != self.version:
            sys.exit(f"FAILED: pkg-config says version {version}")

    def meson(self):
        address, commit = self.repository()
        shutil.copytree(HERE / "meson", self.scratch, dirs_exist_ok=True)
        shutil.copy(HERE / "consumer.cpp", self.scratch)
        wrap = re.sub(r"(?m)^(url|revision) = .*$", lambda line: f"{line[1]} = {dict(url=address, revision=commit)[line[1]]}",
                      block("ini wrap"))
        (self.scratch / "subprojects").mkdir(exist_ok=True)
        (self.scratch / "subprojects/lastcpu.wrap").write_text(wrap, encoding="utf-8")
        os.environ["CXX"] = self.cxx
        run("meson", "setup", "build", cwd=self.scratch)
        run("ninja", "-C", "build", cwd=self.scratch)
        if run(self.scratch / "build/consumer_of_the_folder", cwd=self.scratch) == "":
            sys.exit("FAILED: the program that has the folder only says nothing")

    def get_deps(self):
        address, commit = self.repository()
        (self.scratch / "get-deps").write_text(block("sh get-deps"), encoding="utf-8")
        command = ("sh", "get-deps", address, commit)
        refused = subprocess.run([*command, "0"], cwd=self.scratch, capture_output=True, text=True, check=False)
        found = re.search(r"has the hash ([0-9a-f]{64}), not 0", refused.stderr)
        if refused.returncode != 1 or found is None or (self.scratch / "third_party").exists():
            sys.exit(f"FAILED: a wrong hash: status {refused.returncode}, {refused.stderr}")
        run(*command, found.group(1), cwd=self.scratch)
        self.compile("-I", "third_party")


WAYS = [name for name, what in vars(Way).items()
        if callable(what) and name not in ("__init__", "compile", "cmake", "install", "repository")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--version", required=True, help="what the program must print")
    parser.add_argument("--built", required=True, type=Path, help="where lastcpu was built: it is installed from there")
    parser.add_argument("--cxx", required=True)
    parser.add_argument("--scratch", required=True, type=Path)
    options = parser.parse_args()
    way = Way(options)
    getattr(way, options.way)()
    if (printed := run(way.program, cwd=way.scratch)) != options.version:
        sys.exit(f"FAILED: the program printed `{printed}`; CMakeLists.txt says version `{options.version}`")


if __name__ == "__main__":
    main()
