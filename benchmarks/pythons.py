"""The bare wheel on each Python: does it install, match and measure, how large is it, how fast does it start?

    python benchmarks/pythons.py WHEEL WORK PYTHON [PYTHON ...]

For each interpreter a clean environment in WORK gets the wheel and nothing else, and runs tests/light.py. The table has
the size of the environment without pip, and the shortest processor time of five starts beyond that of Python itself.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
STARTS = {"import avmatch": ["-c", "import avmatch"], "--help": ["-m", "avmatch", "--help"],
          "import match": ["-c", "import avmatch.pipelines.match"]}  # fmt: skip


def processor_seconds(command: list[str]) -> float:
    """The least processor time of five runs."""
    found = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def megabytes(folder: Path, *without: str) -> float:
    """What files take, but those in folders named so."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not set(path.parts) & {*without, "__pycache__"})
    return sum(path.stat().st_size for path in paths) / 1e6


def tried(wheel: Path, python: str, work: Path) -> str:
    """A row of the table."""
    shutil.rmtree(work, ignore_errors=True)
    subprocess.run([python, "-m", "venv", work], check=True)
    own = str(work / ("Scripts" if os.name == "nt" else "bin") / "python")
    subprocess.run([own, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", str(wheel)], check=True)
    version = subprocess.run([own, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    done = subprocess.run([own, "-I", ROOT / "tests" / "light.py"], capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-500:], done.stderr[-2000:], file=sys.stderr)
    bare = processor_seconds([own, "-I", "-c", "pass"])
    times = [f"{1000 * (processor_seconds([own, '-I', *start]) - bare):.0f} ms" for start in STARTS.values()]
    size = (
        f"{megabytes(work, 'pip'):.0f} MB, of it avmatch {megabytes(next(work.rglob('site-packages/avmatch'))):.1f} MB"
    )
    return " | ".join([f"| {version}", size, *times, f"{'passes' if done.returncode == 0 else 'FAILS'} |"])


def main() -> None:
    wheel, work, *pythons = sys.argv[1:]
    print("| Python | environment |", " | ".join(STARTS), "| tests/light.py |")
    print("|---" * (len(STARTS) + 3) + "|")
    for python in pythons:
        print(tried(Path(wheel).resolve(), python, Path(work) / Path(python).name), flush=True)


if __name__ == "__main__":
    main()
