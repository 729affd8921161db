# SPDX-License-Identifier: BSL-1.0
"""A copy of the working tree in which damage is done: it is built, tested and put back there, never where you work."""
import fcntl
import hashlib
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
WORK = ROOT / "build" / "mutate"
MOST_MEMORY = 6 << 30  # of one process, in bytes: a checker that finds no end is stopped before the machine is full
HANGS = "hangs"


def sync(target):
    """Copies what git would commit; a file that did not change keeps its time, so that builds stay incremental."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    wanted = {f for f in listed if f and (ROOT / f).is_file()}
    for file in sorted(wanted):
        source, copy = ROOT / file, target / file
        if copy.is_file() and copy.read_bytes() == source.read_bytes():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    for old in (p for top in ("include", "tests", "cmake", "examples") for p in (target / top).rglob("*")):
        if old.is_file() and str(old.relative_to(target)) not in wanted:
            old.unlink()


class Tree:
    def __init__(self, name, jobs=None):
        self.path = WORK / name
        self.jobs = [] if jobs is None else ["--parallel", str(jobs)]
        self.build_log, self.run_log = WORK / f"{name}.build.log", WORK / f"{name}.run.log"
        self.configured = set()
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock = open(WORK / f"{name}.lock", "w", encoding="utf-8")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"{self.path} is in use by another tools/mutate; wait until that ends") from None
        self.end_strays()  # of a run that was broken off: a compiler would still write what is damaged
        sync(self.path)

    def run(self, command, log, timeout=None, free=False):
        """The exit status, or HANGS. What it has started and left behind is ended, too. `free`: no limit of memory."""
        with open(log, "w", encoding="utf-8") as out:
            process = subprocess.Popen(command, cwd=self.path, stdout=out, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL, start_new_session=True,
                                       preexec_fn=None if free else limit_memory,
                                       env=dict(os.environ, GTEST_FAIL_FAST="1"))
            try:
                return process.wait(timeout)
            except subprocess.TimeoutExpired:
                return HANGS
            finally:
                self.end_all(process)

    def end_all(self, process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        self.end_strays()

    def end_strays(self):
        """Daemons have left the group. What runs here, or was built here, is ours."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                places = os.readlink(f"/proc/{pid}/exe"), os.readlink(f"/proc/{pid}/cwd")
                if int(pid) != os.getpid() and any(f"{p}/".startswith(f"{self.path}/") for p in places):
                    os.kill(int(pid), signal.SIGKILL)
            except OSError:
                pass

    def configure(self, preset, options):
        if preset in self.configured:
            return
        status = self.run(["cmake", "--preset", preset, "-DLASTCPU_BUILD_BENCH=OFF", *options], self.build_log)
        if status != 0:
            raise SystemExit(f"cmake --preset {preset} failed; see {self.build_log}")
        self.configured.add(preset)

    def build(self, preset, targets):
        return self.run(["cmake", "--build", f"build/{preset}", *self.jobs, "--target", *targets], self.build_log) == 0

    def find(self, preset, program):
        found = [p for p in (self.path / "build" / preset).rglob(program) if p.is_file() and os.access(p, os.X_OK)]
        if len(found) != 1:
            raise SystemExit(f"the program {preset}/{program} was built {len(found)} times, not once; "
                             "correct who names it")
        return found[0]

    def failed_test(self):
        """The test that failed in the last run, from its log."""
        log = self.run_log.read_text(encoding="utf-8", errors="replace")
        first = re.search(r"^\[  FAILED  \] ([\w./]+)", log, re.MULTILINE) or \
            re.search(r"^The following tests FAILED:\s+\d+ - (\S+)", log, re.MULTILINE)
        started = re.findall(r"^\[ RUN      \] ([\w./]+)", log, re.MULTILINE)
        return first.group(1) if first else started[-1] if started else None


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def digest_of(paths):
    out = hashlib.sha256()
    for path in paths:
        out.update(path.read_bytes())
    return out.hexdigest()


def timed(action):
    begun = time.monotonic()
    result = action()
    return result, time.monotonic() - begun
