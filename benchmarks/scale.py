"""How time and memory of `match` grow with the number of clips, from features that are there already.

    python benchmarks/scale.py WORK [--sizes 10,30,100,300,1000,2000] [--dense-to 1000] [--media 60]

1. Sixty synthetic pairs of ten seconds are rendered into WORK and matched twice (`--media`, 0 = not): from media, and
   again with everything as it was.
2. Of their features, galleries of each size are put together (montage.py), each in a process of its own: shortlisted
   scores, confidences, assignment and tables, with time, processor time and peak memory; and up to `--dense-to` all
   pairs exactly, to see whether what leads a row or a column is on the shortlist, and what becomes of confidences.
3. Exponents are fitted by least squares over the logarithms of the three largest sizes.

The load of the machine stands beside each line: run it with nothing else running.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from montage import Pair, made_pairs

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.cues.mouth import looks_at_faces
from avmatch.matching import shortlist
from avmatch.matching.assignment import one_to_one
from avmatch.matching.decision import confidences, decide
from avmatch.matching.fusion import Scores, fused_scores, usual_offsets
from avmatch.matching.settings import MatchSettings
from avmatch.pipelines.match import LAG_STEP_SECONDS, cues_for
from avmatch.pipelines.models import models_with
from avmatch.synth import SynthConfig, synthesise

NUM_BASES = 60
LAGS = np.arange(-25, 26) * LAG_STEP_SECONDS
FITTED = 3


def rendered(work: Path) -> Path:
    """The folder of the synthetic pairs."""
    folder = work / "clips"
    if not (folder / "truth.csv").exists():
        rates = (Fraction(25), Fraction(30))
        config = SynthConfig(NUM_BASES, seed=6, duration_seconds=10.0, sizes=((320, 240),), fps_choices=rates)
        synthesise(folder, config)
    return folder


def from_media(work: Path, num: int) -> None:
    """`match` on so many pairs, and again."""
    folder, inputs, cache = rendered(work), work / "inputs", work / "fresh"
    for old in (inputs, cache):
        shutil.rmtree(old, ignore_errors=True)
    for row in truth(folder)[:num]:
        for side in ("video", "audio"):
            (inputs / row[side]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / row[side], inputs / row[side])
    command = [sys.executable, "-m", "avmatch", "match", inputs / "videos", inputs / "audio", "--cache", cache, "-o"]
    print(f"{num} × {num} clips of 10 s, 240 px, from media ({load()}):")
    spent = []
    for out in ("first", "second", "third"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        subprocess.run([*map(str, command), work / out], check=True, capture_output=True)
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        spent.append((wall, cpu))
        print(f"  {out:6} run {wall:7.2f} s, processor {cpu:7.2f} s")
    (wall, cpu), (again, cpu_again) = spent[0], min(spent[1:])
    print(
        f"  the first takes {wall / again:.0f} × as long as those after it, {cpu / cpu_again:.0f} × the processor time"
    )


def truth(folder: Path) -> list[dict[str, str]]:
    """The pairs."""
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["video"] and row["audio"]]


def bases(work: Path) -> list[Pair]:
    """Features of the synthetic pairs, made once."""
    folder = rendered(work)
    analyser = Analyser(work / "features", models_with(None).towers, num_threads=1)
    rows = truth(folder)
    videos = analyse_all(analyser.video, [str(folder / row["video"]) for row in rows], "videos")
    audios = analyse_all(analyser.audio, [str(folder / row["audio"]) for row in rows], "audio")
    return list(zip(videos, audios, strict=True))


def one_size(work: Path, num: int, *, with_dense: bool) -> None:
    """Match a made gallery of so many on either side; prints one JSON object."""
    pairs = made_pairs(bases(work), num)
    videos, audios = [video for video, _ in pairs], [audio for _, audio in pairs]
    held = peak_mib()
    cues = cues_for(MatchSettings(), models_with(None))
    faces = [place for place, cue in enumerate(cues) if looks_at_faces(cue)]
    asked = (cues, videos, audios, LAGS, usual_offsets(LAGS))
    begin, cpu = time.perf_counter(), time.process_time()
    scores = shortlist.gallery_scores(*asked)
    scored = time.perf_counter() - begin
    confidence = confidences(scores.nats, np.isin(scores.deciding, faces))
    names = [str(number) for number in range(num)]
    result = decide(names, names, names, scores, confidence, MatchSettings())
    row: dict[str, float] = {
        "num": num,
        "seconds": time.perf_counter() - begin,
        "scoring_seconds": scored,
        "cpu_seconds": time.process_time() - cpu,
        "features_mib": held,
        "peak_mib": peak_mib(),
        "right": float(np.mean([match.audio == match.video for match in result.matches])),
        "made": float(np.mean([match.audio is not None for match in result.matches])),
    }
    if with_dense:
        row |= beside_dense(scores, confidence, faces, asked)
    print(json.dumps(row | {"load": load()}))


def beside_dense(scores: Scores, confidence: np.ndarray, faces: list[int], asked: tuple) -> dict[str, float]:
    """What the shortlist changes."""
    begin, cpu = time.perf_counter(), time.process_time()
    dense = fused_scores(*asked)
    spent, cpu = time.perf_counter() - begin, time.process_time() - cpu
    exact = confidences(dense.nats, np.isin(dense.deciding, faces))
    if dense.nats.size > shortlist.USUAL_FILES**2:
        cues, videos, audios, lags, prior = asked
        listed = shortlist.shortlist(shortlist.rough_scores(cues, videos, audios, lags, prior).nats)
    else:
        listed = np.ones(dense.nats.shape, bool)
    every = np.arange(len(listed))
    leaders = (every, dense.nats.argmax(axis=1)), (dense.nats.argmax(axis=0), every)
    return {
        "dense_seconds": spent,
        "dense_cpu_seconds": cpu,
        "listed": float(listed.mean()),
        "recall_in_rows": float(listed[leaders[0]].mean()),
        "recall_in_columns": float(listed[leaders[1]].mean()),
        "other_pairs_made": float(np.mean(one_to_one(exact) != one_to_one(confidence))),
        "confidence_off_by_99": float(np.quantile(np.abs(exact - confidence)[leaders[0]], 0.99)),
        "median_off_by": float(np.abs(np.median(dense.nats, axis=1) - np.median(scores.nats, axis=1)).max()),
    }


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def load() -> str:
    """How busy the machine is."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def table(work: Path, sizes: list[int], dense_to: int) -> None:
    """A line a size, each from a process of its own, and the exponents."""
    rows = []
    for num in sizes:
        command = [sys.executable, __file__, str(work), "--one", str(num), *(["--dense"] if num <= dense_to else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{num:6}: failed ({done.returncode}) {done.stderr.strip().splitlines()[-1:]}", flush=True)
            continue
        row = json.loads(done.stdout.strip().splitlines()[-1])
        rows.append(row)
        print(
            f"{num:6} × {num:<6} {row['seconds']:8.1f} s (scores {row['scoring_seconds']:.1f}), processor "
            f"{row['cpu_seconds']:8.1f} s, peak {row['peak_mib']:6.0f} MiB (before: {row['features_mib']:.0f}), right "
            f"{100 * row['right']:.1f} % ({row['load']})"
        )
        if "dense_seconds" in row:
            print(
                f"       dense {row['dense_seconds']:.1f} s, processor {row['dense_cpu_seconds']:.1f} s; listed "
                f"{100 * row['listed']:.1f} %, recall in rows {row['recall_in_rows']:.4f}, in columns "
                f"{row['recall_in_columns']:.4f}; pairs made otherwise {100 * row['other_pairs_made']:.1f} %, "
                f"confidence of leaders off by {row['confidence_off_by_99']:.3f} (99 %), medians of rows by "
                f"{row['median_off_by']:.2f} nats at most"
            )
        sys.stdout.flush()
    if len(rows) >= FITTED:
        last = rows[-FITTED:]
        sizes_log = np.log([row["num"] for row in last])
        for name, label in (("seconds", "time"), ("cpu_seconds", "processor time"), ("peak_mib", "peak memory")):
            exponent = np.polyfit(sizes_log, np.log([row[name] for row in last]), 1)[0]
            print(f"{label} grows as N^{exponent:.2f} (N = {', '.join(str(row['num']) for row in last)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sizes", default="10,30,100,300,1000,2000", help="clips a side, by commas")
    parser.add_argument("--dense-to", type=int, default=1000, help="up to this size also all pairs exactly")
    parser.add_argument("--media", type=int, default=NUM_BASES, help="pairs matched twice from media; 0 = none")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dense", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.one is not None:
        one_size(arguments.work, arguments.one, with_dense=arguments.dense)
        return
    if arguments.media:
        from_media(arguments.work, min(arguments.media, NUM_BASES))
    bases(arguments.work)
    table(arguments.work, [int(num) for num in arguments.sizes.split(",")], arguments.dense_to)


if __name__ == "__main__":
    main()
