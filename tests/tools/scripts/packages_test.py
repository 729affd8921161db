#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""tools/lib/packages.sh with an apt-get of the test's own: installing is one line, and a failure says why."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
NEED = """
source tools/lib/common.sh
source tools/lib/packages.sh
new_clang_wanted=no
needed=("program:first-tool first-package" "program:second-tool second-package")
need_packages
echo done
"""
WANT = """
source tools/lib/common.sh
source tools/lib/packages.sh
want_packages "program:first-tool first-package" "program:second-tool second-package"
echo done
"""
SERVER = NEED.replace("need_packages", 'needed+=("server:some-server some-server")\nunpacked=$UNPACKED\nneed_packages')
# Says as much as the real one, and installs a tool for each package that is named.
APT_GET = """#!/bin/bash
echo "$*" >>"$CALLS"
if [[ $2 == download ]]; then
  [[ -n ${APT_GET_DOES_NOTHING:-} ]] || for word in "${@:3}"; do echo "archive of $word" >"$word.deb"; done
  [[ ${APT_GET_FAILS:-} != download ]]
  exit
fi
for ((i = 1; i <= 120; ++i)); do echo "Unpacking part $i of $1"; done
echo "debconf: delaying package configuration" >&2
for word in "$@"; do
  [[ $word != "${APT_GET_FAILS:-}" ]] || { echo "E: $word is broken" >&2; exit 100; }
  [[ $word != *-package || -n ${APT_GET_DOES_NOTHING:-} ]] || ln -s /bin/true "$BIN/${word%-package}-tool"
done
"""
# dpkg-deb -x ARCHIVE FOLDER
DPKG_DEB = """#!/bin/bash
read -r _ _ name <"$2"
mkdir -p "$3/usr/sbin" && ln -s /bin/true "$3/usr/sbin/$name"
"""


MISSING = r"Missing: first-tool, second-tool\. Installing 2 packages \.\.\. "


class Packages(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.dir)
        self.bin, self.logs, self.calls = self.dir / "bin", self.dir / "logs", self.dir / "calls"
        self.bin.mkdir()
        self.logs.mkdir()
        for program in ("bash", "env", "ln", "mkdir", "mktemp", "rm", "sed", "tail"):  # and no other
            (self.bin / program).symlink_to(shutil.which(program))
        self.program("apt-get", APT_GET)
        self.program("dpkg-deb", DPKG_DEB)
        self.program("id", "#!/bin/bash\necho 0\n")

    def program(self, name, text):
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def need(self, script=NEED, **environment):
        return subprocess.run([self.bin / "bash", "-euo", "pipefail", "-c", script, "tools/some"], cwd=ROOT, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              env={"PATH": str(self.bin), "BIN": str(self.bin), "CALLS": str(self.calls),
                                   "UNPACKED": str(self.dir / "unpacked"), "TMPDIR": str(self.logs), "LC_ALL": "C", **environment})

    def called(self):
        return self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []

    def assert_installed(self, result, line):
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, rf"^{line}\ndone\n$")
        self.assertEqual(os.listdir(self.logs), [])

    def assert_failed(self, result, *wanted):
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, rf"^{MISSING}FAILED, \d+ s\n    ")
        self.assertLess(len(result.stdout.splitlines()), 25)
        for words in wanted:
            self.assertIn(words, result.stdout + result.stderr)
        log = pathlib.Path(re.search(r"^all of it: (.+)$", result.stderr, re.MULTILINE).group(1))
        self.assertIn("Unpacking part 1 of", log.read_text(encoding="utf-8"))
        self.assertRegex(result.stderr, r"(?m)^next: .*apt-get install first-package second-package")

    def test_installing_is_one_line(self):
        self.assert_installed(self.need(), rf"{MISSING}ok, \d+ s")
        self.assertEqual(self.called(), ["-qq update",
                                         "-qq install -y --no-install-recommends first-package second-package"])

    def test_only_what_is_missing_is_installed(self):
        (self.bin / "first-tool").symlink_to("/bin/true")
        self.assert_installed(self.need(), r"Missing: second-tool\. Installing 1 package \.\.\. ok, \d+ s")
        self.assertEqual(self.called()[1:], ["-qq install -y --no-install-recommends second-package"])

    def test_nothing_is_said_or_asked_for_where_all_is_there(self):
        for tool in ("first-tool", "second-tool"):
            (self.bin / tool).symlink_to("/bin/true")
        result = self.need()
        self.assertEqual((result.returncode, result.stdout, result.stderr, self.called()), (0, "done\n", "", []))

    def test_who_is_not_root_asks_sudo(self):
        self.program("id", "#!/bin/bash\necho 1000\n")
        self.program("sudo", '#!/bin/bash\necho "sudo $*" >>"$CALLS"\nexec "$@"\n')
        self.assert_installed(self.need(), r"Missing: .* ok, \d+ s")
        self.assertEqual([call.split()[0] for call in self.called()], ["sudo", "-qq", "sudo", "-qq"])

    def test_a_server_is_unpacked_and_not_installed(self):
        self.assert_installed(self.need(SERVER), r"Missing: first-tool, second-tool, some-server\. Installing 3 packages \.\.\. "
                              r"ok, \d+ s")
        self.assertEqual(self.called()[1:], ["-qq install -y --no-install-recommends first-package second-package",
                                             "-qq download some-server"])
        self.assertTrue((self.dir / "unpacked/usr/sbin/some-server").exists())
        self.assertEqual(self.need(SERVER).stdout, "done\n")

    def test_a_server_that_can_not_be_fetched_is_an_error(self):
        result = self.need(SERVER, APT_GET_FAILS="download")
        self.assertIn("could not fetch and unpack: some-server", result.stderr)
        self.assertEqual(result.returncode, 1)

    def test_failure_shows_the_last_words_and_the_remedy(self):
        self.assert_failed(self.need(APT_GET_FAILS="second-package"), "    E: second-package is broken",
                           "could not install: first-package second-package")

    def test_failure_to_read_the_lists_shows_the_last_words_and_the_remedy(self):
        self.assert_failed(self.need(APT_GET_FAILS="update"), "    E: update is broken", "apt-get update failed")
        self.assertEqual(self.called(), ["-qq update"])

    def test_what_is_missing_afterwards_is_an_error(self):
        self.assert_failed(self.need(APT_GET_DOES_NOTHING="yes"),
                           "still missing after installing: first-tool second-tool")

    def test_what_is_only_wanted_may_be_missing_and_removes_nothing(self):
        result = self.need(WANT, APT_GET_FAILS="first-package")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"^Not to be had here: first-package\. .* left out\.\ndone\n$")
        self.assertEqual(self.called(), ["-qq update"] + [f"-qq install -y --no-install-recommends --no-remove {which}-package"
                                                          for which in ("first", "second")])

    def test_what_is_only_wanted_and_there_is_not_spoken_of(self):
        result = self.need(WANT)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "done\n", ""))

    def test_where_nothing_can_be_installed_what_is_only_wanted_is_said_too(self):
        (self.bin / "apt-get").unlink()
        result = self.need(WANT)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"^Not to be had here: first-package second-package\..*\ndone\n$")

    def test_elsewhere_the_packages_are_listed(self):
        (self.bin / "apt-get").unlink()
        result = self.need()
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("missing: first-tool second-tool", result.stderr)
        self.assertIn("first-package second-package", result.stderr)


if __name__ == "__main__":
    unittest.main()
