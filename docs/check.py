"""`make docs`: the documents say what the program does. With --write, docs/commands.md is written anew.

1. docs/commands.md holds the --help of every command, as it is.
2. Every relative link in a Markdown file leads to a file.
3. README.md has at most 120 lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEASURED = ("retrieval", "sync", "match", "words", "classify", "probe")
COMMANDS = (
    *(
        "",
        "match",
        "review",
        "solve",
        "export",
        "rename",
        "sync",
        "fix",
        "locate",
        "index",
        "search",
        "embed",
        "classify",
        "collide",
        "robustness",
        "train",
    ),
    "evaluate",
    *(f"evaluate {name}" for name in MEASURED),
    *("synth", "models", "models install", "doctor"),
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def commands_text() -> str:
    """docs/commands.md as it should be."""
    parts = ["# Commands", "", "Written by `docs/check.py --write` from the commands' own help."]
    environment = os.environ | {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    for name in COMMANDS:
        command = [sys.executable, "-m", "avmatch", *name.split(), "--help"]
        text = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=environment).stdout
        lines = [line.rstrip() for line in text.strip("\n").splitlines()]
        parts += ["", f"## avmatch {name}".rstrip(), "", "```text", *lines, "```"]
    return "\n".join(parts) + "\n"


def broken_links() -> list[str]:
    """Links that lead nowhere."""
    found = []
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]:
        for target in LINK.findall(document.read_text(encoding="utf-8")):
            if "://" not in target and not (document.parent / target).exists():
                found.append(f"{document.relative_to(ROOT)}: {target} does not exist")
    return found


def main() -> None:
    commands = ROOT / "docs" / "commands.md"
    text = commands_text()
    if "--write" in sys.argv:
        commands.write_text(text, encoding="utf-8")
    faults = broken_links()
    if not commands.exists() or commands.read_text(encoding="utf-8") != text:
        faults.append("docs/commands.md is not what --help says: run docs/check.py --write")
    num_lines = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    if num_lines > 120:
        faults.append(f"README.md has {num_lines} lines, at most 120")
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
