# SPDX-License-Identifier: BSL-1.0
"""Every relative link in a Markdown file of the repository leads to a file, and to a heading where it names one."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def documents():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "*.md"], check=False,
                            capture_output=True, text=True)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split()]
    return [path for path in ROOT.rglob("*.md") if "build" not in path.relative_to(ROOT).parts]


def anchor(heading):
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def links(document):
    return LINK.findall(CODE.sub(lambda code: "" if code.group().startswith("```") else "code", document.read_text(encoding="utf-8")))


def wrong_links(document):
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists():
            yield f"{document.relative_to(ROOT)}: {link}: there is no {path}"
        elif heading and target.suffix == ".md" and heading not in anchors(target):
            yield f"{document.relative_to(ROOT)}: {link}: there is no such heading"


def main():
    every = documents()
    wrong = [complaint for document in every for complaint in wrong_links(document)]
    for what in wrong:
        print(f"FAILED: {what}")
    count = sum(len(links(document)) for document in every)
    print(f"{count} links in {len(every)} documents")
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
