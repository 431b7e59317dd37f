"""The same outputs before and after a change: runs the commands on tiny inputs, and compares what they wrote.

    PYTHONPATH=/before/src python benchmarks/golden.py run BEFORE
    PYTHONPATH=/after/src  python benchmarks/golden.py run AFTER --runs BEFORE [--only match sync 'train-*']
    python benchmarks/golden.py compare BEFORE AFTER [--accept 'PATTERN=REASON' …]

`run` takes a new folder. It uses nothing of avmatch but its command line, so that it runs on any commit. `--runs` names
what an earlier commit wrote: its runs and models are opened, resumed and used, and must say what they said there.

`compare` looks at the parts that AFTER has, says `equal`, `equal to 1e-6` or `DIFFERENT` of each file, and exits with
1 if one differs, is missing or is too many. PATTERN is of a file's name, or of `name#where` for one place in it (a key
of JSON, a row and column of CSV). What is kept of which file, and what isn't: golden_store.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from golden_compare import Verdict, compare_folders
from golden_parts import PARTS
from golden_place import Place

NUM_SHOWN = 3


def main() -> int:
    """Parse the command line and run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    runner = commands.add_parser("run", help="run the commands, keep their outputs in OUT")
    runner.add_argument("out", type=Path)
    runner.add_argument("--only", nargs="+", default=["*"], metavar="PART", help=", ".join(PARTS))
    runner.add_argument("--runs", type=Path, metavar="OTHER_OUT", help="open the runs of this OUT")
    runner.add_argument("--jobs", type=int, default=2, help="parts at once (default: 2)")
    runner.set_defaults(command=run)
    comparer = commands.add_parser("compare", help="compare two OUT")
    comparer.add_argument("before", type=Path)
    comparer.add_argument("after", type=Path)
    comparer.add_argument("--accept", action="append", default=[], metavar="PATTERN=REASON")
    comparer.set_defaults(command=compare)
    given = parser.parse_args()
    return int(given.command(given))


def run(given: argparse.Namespace) -> int:
    """Run the parts that were asked for."""
    out: Path = given.out.resolve()
    parts = [name for name in PARTS if any(fnmatch(name, pattern) for pattern in given.only)]
    if unknown := [pattern for pattern in given.only if not any(fnmatch(name, pattern) for name in PARTS)]:
        sys.exit(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    if out.exists() and any(out.iterdir()):
        sys.exit(f"{out}: not empty; give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    place = Place(out, given.runs.resolve() if given.runs else None)
    with ThreadPoolExecutor(given.jobs) as pool:
        is_done = list(pool.map(partial(_run_part, place), parts))
    return 0 if all(is_done) else 1


def _run_part(place: Place, name: str) -> bool:
    started = time.monotonic()
    try:
        PARTS[name](place)
    except Exception as error:  # noqa: BLE001  # the other parts go on; the exit status tells
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    (place.out / "results" / name).mkdir(parents=True, exist_ok=True)
    print(f"{name:<18} {time.monotonic() - started:6.1f} s", flush=True)
    return True


def compare(given: argparse.Namespace) -> int:
    """Print what became of each file."""
    accepted = [tuple(text.split("=", 1)) for text in given.accept]
    if wrong := [text for text in given.accept if "=" not in text]:
        sys.exit(f"--accept {wrong[0]}: expected PATTERN=REASON")
    verdicts = compare_folders(given.before / "results", given.after / "results")
    counts: dict[str, int] = {}
    for verdict in verdicts:
        kind, line = _said(verdict, accepted)
        counts[kind] = counts.get(kind, 0) + 1
        print(f"{verdict.name}: {line}")
    print(f"{len(verdicts)} files:", ", ".join(f"{num} {kind}" for kind, num in sorted(counts.items())))
    missing = sorted({path.name for path in (given.before / "results").iterdir()} - _parts(given.after))
    if missing:
        print("not run after:", ", ".join(missing))
    return 1 if "DIFFERENT" in counts or not verdicts else 0


def _parts(out: Path) -> set[str]:
    return {path.name for path in (out / "results").iterdir()}


def _said(verdict: Verdict, accepted: list[tuple[str, ...]]) -> tuple[str, str]:
    """The kind of a verdict, and its line."""
    if not verdict.differences:
        kind = "equal" if verdict.is_same_bytes else "equal to 1e-6"
        return kind, kind
    names = [(verdict.name, f"{verdict.name}#{where}") for where, _ in verdict.differences]
    reasons = [
        next((reason for pattern, reason in accepted if any(fnmatch(name, pattern) for name in both)), None)
        for both in names
    ]
    open_ones = [item for item, reason in zip(verdict.differences, reasons, strict=True) if reason is None]
    if not open_ones:
        return "accepted", f"accepted ({'; '.join(sorted({reason for reason in reasons if reason}))})"
    shown = "; ".join(f"{where}: {what}" if where else what for where, what in open_ones[:NUM_SHOWN])
    more = f"; and {len(open_ones) - NUM_SHOWN} more" if len(open_ones) > NUM_SHOWN else ""
    return "DIFFERENT", f"DIFFERENT: {shown}{more}"


if __name__ == "__main__":
    sys.exit(main())
