#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The reference of the public headers is made without a warning, each public name has a comment, and one finds it."""
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[3]
WANTED = ("panic_begin", "stop_others", "lastcpu_panic_begin", "lastcpu_kernel_send_stop", "posix_install",
          "lastcpu_load_image", "lastcpu_crash_load", "lastcpu_capture", "capture_in_user_mode", "lastcpu_kernel_report",
          "LASTCPU_MAX_CPUS", "LASTCPU_X86_FRAME", "LASTCPU_X86_64_FRAME", "panic_on_other_cpu",
          "load_crash_kernel", "open_handover", "old_memory", "numbered_cpus", "install_crash_reporter", "capture_now",
          "explore")


def made(output, *more):
    """What doxygen says of docs/Doxyfile with further lines, and its exit status; the reference comes out as XML."""
    lines = (ROOT / "docs/Doxyfile").read_text(encoding="utf-8") + "\n".join(
        (f"OUTPUT_DIRECTORY = {output}", "GENERATE_HTML = NO", "GENERATE_XML = YES", *more))
    try:
        result = subprocess.run(["doxygen", "-"], cwd=ROOT, input=lines, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        sys.exit("doxygen is missing; next: apt-get install doxygen")
    return result.stdout + result.stderr, result.returncode


def made_of(text):
    """The same, for one header with this text, and which of its enumerators have no comment."""
    with tempfile.TemporaryDirectory() as output:
        pathlib.Path(output, "wrong.hpp").write_text(text, encoding="utf-8")
        said, status = made(output, f"INPUT = {output}")
        return said, status, enumerators_without_a_comment(pages_in(output))


def pages_in(output):
    """What the reference says of each class, namespace and file, by the name of the page."""
    pages = {page.stem: xml.etree.ElementTree.parse(page).find("compounddef")
             for page in pathlib.Path(output, "xml").glob("*.xml")}
    return {name: page for name, page in pages.items() if page is not None}


def enumerators_without_a_comment(pages):
    """doxygen before 1.10 does not warn of them."""
    without = set()
    for member in (member for page in pages.values() for member in page.iter("memberdef")):
        for value in member.iter("enumvalue"):
            about = value.findtext("briefdescription/para") or value.findtext("detaileddescription/para")
            if not about and member.get("prot") == "public":
                without.add(f"{member.findtext('qualifiedname')}::{value.findtext('name')}")
    return sorted(without)


def names_in(pages):
    compounds = {page.findtext("compoundname").rsplit("::")[-1] for page in pages.values()}
    return compounds | {member.findtext("name") for page in pages.values() for member in page.iter("memberdef")}


class Reference(unittest.TestCase):
    def test_is_made_without_a_warning_and_has_every_interface(self):
        with tempfile.TemporaryDirectory() as output:
            self.assertEqual(made(output), ("", 0), "next: doxygen docs/Doxyfile")
            pages = pages_in(output)
        self.assertEqual(enumerators_without_a_comment(pages), [], "next: write what each means behind it: ///<")
        self.assertEqual(set(WANTED) - names_in(pages), set())
        contract_of_a_port = "".join(pages["platform_8hpp"].find("detaileddescription").itertext())
        self.assertIn("rounds_of_a_still_clock", contract_of_a_port)

    def test_comment_that_is_wrong_is_named(self):
        said, status, _ = made_of("/// \\nosuchcommand\nint x;\n")
        self.assertIn("nosuchcommand", said)
        self.assertNotEqual(status, 0)

    def test_public_name_without_a_comment_is_named(self):
        said, status, _ = made_of("// SPDX\n#pragma once\n// A header.\n\n/// A struct.\nstruct named {\n"
                                  "  int member;\n};\nstruct bare_struct {\n  int x;\n};\n"
                                  "void bare_function();\n#define BARE_MACRO 1\n")
        for name in ("member", "bare_struct", "bare_function", "BARE_MACRO"):
            self.assertRegex(said, rf"{name}\b.* is not documented")
        self.assertNotEqual(status, 0)

    def test_public_enumerator_without_a_comment_is_named(self):
        enum = "/// An enumeration.\nenum class outcome {\n  told,  ///< it is said\n  untold,\n};\n"
        said, status, without = made_of("/// A namespace.\nnamespace a {\n" + enum + "}\n")
        self.assertEqual((said, status), ("", 0))
        self.assertEqual(without, ["a::outcome::untold"])

    def test_name_that_is_not_public_needs_no_comment(self):
        said, status, without = made_of("/// A namespace.\nnamespace a {\nnamespace detail {\nstruct bare {};\n"
                                        "enum bare_enum { x };\n}\n/// A class.\nclass c {\n  int private_;\n};\n}\n")
        self.assertEqual((said, status, without), ("", 0, []))


if __name__ == "__main__":
    unittest.main()
