"""`make docs`: the commands of docs/tutorials/ run, and print what the pages show.

Each page runs in a folder of its own, its commands one after the other, with an empty home. A line that is shown must
be printed, in this order; figures may differ, and so may spaces and the lines of tables. `…` stands for anything, on a
line of its own for any lines. A page whose first block makes files may name them in later ones.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check import BLOCK, ROOT

LONGEST_SECONDS = 180


def steps(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The commands of a page, each with the lines that are shown below it."""
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                yield command, [line for line in shown if line.strip() not in ("", "…")]


def plain(line: str) -> str:
    """A line without what may differ."""
    text = re.sub(r"[│┃─━═]", " ", line)
    return re.sub(r"\s+", " ", re.sub(r"[+\-−]?\d[\d.]*", "#", text)).strip()


def missing_lines(shown: Sequence[str], printed: str) -> list[str]:
    """What is shown and wasn't printed."""
    lines, place, missing = [plain(line) for line in printed.splitlines()], 0, []
    for line in shown:
        pattern = ".*".join(re.escape(part) for part in plain(line).split("…"))
        found = [at for at in range(place, len(lines)) if re.match(pattern, lines[at])]
        if found:
            place = found[0] + 1
        else:
            missing.append(line)
    return missing


def faults_of(page: Path) -> list[str]:
    """What doesn't go as the page says."""
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        home = {"HOME": folder, "XDG_CACHE_HOME": f"{folder}/.cache", "COLUMNS": "80", "NO_COLOR": "1"}
        environment = os.environ | home | {"PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"}
        for command, shown in steps(page):
            program, *arguments = shlex.split(command, comments=True)
            if program != "avmatch":
                faults.append(f"{page.name}: `{command}`: only avmatch is run here")
                continue
            done = subprocess.run(
                [sys.executable, "-m", "avmatch", *arguments],
                cwd=folder,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                timeout=LONGEST_SECONDS,
            )
            if done.returncode:
                faults.append(f"{page.name}: `{command}` ends with {done.returncode}: {done.stderr.strip()[-500:]}")
            for line in missing_lines(shown, done.stdout + done.stderr):
                faults.append(f"{page.name}: `{command}` doesn't print: {line}\n{done.stdout}")
    return faults


def main() -> None:
    pages = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
    with ThreadPoolExecutor(2) as pool:
        faults = [fault for faults in pool.map(faults_of, pages) for fault in faults]
    num_commands = sum(1 for page in pages for _ in steps(page))
    sys.stdout.write(f"{num_commands} commands of {len(pages)} tutorials run\n")
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
