# SPDX-License-Identifier: BSL-1.0
"""The kernels on the C interface (examples/c_kernel, examples/rust_kernel), for whoever boots them: their Makefiles build
them, and their command line says which CPUs panic."""
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NAMES = ("c_kernel", "rust_kernel")
PARTNERS = {"gcc": "g++", "clang": "clang++"}


def build(name, cc, folder):
    command = ["make", "-j2", "-C", str(EXAMPLES / name), f"BUILD={folder}", f"CC={cc}", f"CXX={PARTNERS[cc]}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"FAILED: {' '.join(command)}\n{done.stdout}{done.stderr}")
    return folder / "kernel.elf"


def words(boot):
    return dict(word.split("=") for word in boot.words)


def panicking(boot):
    return [int(cpu) for cpu in words(boot)["panic"].split(",")]
