"""Must-show 2: `avmatch sync` on real clips whose sound was moved by known amounts.

    python benchmarks/offsets.py WORK [--only impacts others grid anchors wild] [--max-offset 1.0]

Each clip gets a shift in ±400 ms and one of five kinds of file: the original frame rate, half of it, every frame shown
twice, a varying frame rate (a third of the frames dropped at random), or streams that start apart in the container.
Right = within one frame, or within 80 ms. The shipped calibration was fitted on such files of the same collections
(benchmarks/calibrate.py); "held-out" is a calibration fitted on the other half of the recordings.
"""

from __future__ import annotations

import argparse
import csv
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from clips import Piece, picture, pieces, sound

from avmatch.alignment.offset import OK_CONFIDENCE
from avmatch.core.features import AudioSamples
from avmatch.media.encode import write_clip
from avmatch.pipelines.sync import sync_all

KINDS = ("as it is", "half rate", "doubled", "varying", "start times")
COLLECTIONS = {"impacts": "events", "others": "events", "grid": "grid", "anchors": "anchors", "wild": "wild"}
LIMITS = {"grid": 200, "anchors": 200}
TOLERANCE_SECONDS = 0.08


@dataclass(frozen=True)
class Shifted:
    """One written file and what is true of it."""

    path: str
    group: str
    kind: str
    late_seconds: float


def shifted(collection: str, work: Path) -> list[Shifted]:
    """Write the files once; read the truth back."""
    folder = work / f"offsets-{collection}"
    if not (folder / "truth.csv").exists():
        chosen = pieces(COLLECTIONS[collection], None, LIMITS.get(collection))
        if collection in ("impacts", "others"):
            chosen = [piece for piece in chosen if piece.is_impact == (collection == "impacts")]
        late = np.random.default_rng(21).uniform(-0.4, 0.4, len(chosen)).round(3).tolist()
        jobs = [(folder, n, piece, KINDS[n % len(KINDS)], late[n]) for n, piece in enumerate(chosen)]
        with ProcessPoolExecutor() as pool:
            names = list(pool.map(_write, jobs, chunksize=4))
        with (folder / "truth.csv").open("w", newline="") as file:
            rows = zip(names, chosen, jobs, strict=True)
            csv.writer(file).writerows([name, piece.group, job[3], job[4]] for name, piece, job in rows)
    with (folder / "truth.csv").open(newline="") as file:
        return [Shifted(str(folder / name), group, kind, float(late)) for name, group, kind, late in csv.reader(file)]


def _write(job: tuple[Path, int, Piece, str, float]) -> str:
    folder, number, piece, kind, late = job
    rng = np.random.default_rng(number)
    frames, times = map(list, zip(*picture(piece), strict=True))
    heard = sound(piece, 0.0 if kind == "start times" else late)
    if kind == "half rate":
        frames, times = frames[::2], times[::2]
    elif kind == "doubled":
        middles = [*((a + b) / 2 for a, b in pairwise(times)), times[-1] + 0.01]
        frames = [frame for frame in frames for _ in range(2)]
        times = [time for pair in zip(times, middles, strict=True) for time in pair]
    elif kind == "varying":
        kept = [n for n in range(len(frames)) if n == 0 or rng.random() > 1 / 3]
        frames, times = [frames[n] for n in kept], [times[n] for n in kept]
    elif kind == "start times":
        heard = AudioSamples(heard.data, heard.sample_rate_hz, max(0.0, late))
        times = [time + max(0.0, -late) for time in times]
    name = f"{number:04d}{('.mp4', '.mkv', '.mov')[number % 3]}"
    write_clip(folder / name, frames, fps=25, audio=heard, crf=18, frame_times_seconds=times)
    return name


def told(items: list[Shifted], results: list, name: str) -> None:
    """One line of figures."""
    error = np.array([np.inf if r.offset_seconds is None else r.offset_seconds for r in results])
    error = np.abs(error - [item.late_seconds for item in items])
    frame = np.array([1.0 / (r.fps or 25.0) for r in results])
    ok = np.array([r.status == "ok" for r in results])
    near, exact = error <= TOLERANCE_SECONDS, error <= frame
    of_ok = f"{near[ok].mean() * 100:5.1f} % (frame {exact[ok].mean() * 100:5.1f} %)" if ok.any() else "    – "
    print(
        f"  {name:11s} n {len(items):3d}  within 80 ms {near.mean() * 100:5.1f} %, a frame {exact.mean() * 100:5.1f} %"
        f"   ok {ok.mean() * 100:5.1f} %, of these right {of_ok}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument(
        "--only", nargs="+", choices=list(COLLECTIONS), default=["impacts", "others", "grid", "anchors"]
    )
    parser.add_argument("--max-offset", type=float, default=1.0)
    options = parser.parse_args()
    print(f"ok = confidence of {OK_CONFIDENCE} or more; searched ±{options.max_offset} s")
    everything: list[Shifted] = []
    answers: list = []
    for collection in options.only:
        items = shifted(collection, options.work)
        paths = [item.path for item in items]
        results = sync_all(paths, max_offset_seconds=options.max_offset, cache_dir=options.work / "cache")
        told(items, results, collection)
        everything += items
        answers += results
    both = list(zip(everything, answers, strict=True))
    talking = [pair for pair in both if any(f"offsets-{name}/" in pair[0].path for name in ("grid", "anchors", "wild"))]
    told(*map(list, zip(*both, strict=True)), "everything")
    if talking:
        told(*map(list, zip(*talking, strict=True)), "talking")
    for kind in KINDS:
        told(*map(list, zip(*(pair for pair in both if pair[0].kind == kind), strict=True)), kind)


if __name__ == "__main__":
    main()
