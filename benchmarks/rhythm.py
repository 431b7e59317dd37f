"""Is `sync` sure of an offset that is one period off? Metronomes and drum loops, 200 tries.

    python benchmarks/rhythm.py WORK

Synthetic clocks and drums whose strokes come at equal times, 40 clips of 7 s with periods of 0.25 to 0.9 s; each is
measured with its own sound moved by five amounts up to 0.5 s, within ±1.5 s.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from belonging import moved_audio
from clips import usable

from avmatch.alignment.offset import OK_CONFIDENCE, estimate_offset, offset_interval
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.pipelines.models import models_with
from avmatch.pipelines.sync import cues_for
from avmatch.synth import SynthConfig, instruments, synthesise
from avmatch.synth.stage import Strike

MAX_OFFSET_SECONDS, RIGHT_SECONDS, TRIES = 1.5, 0.12, 5
_stick = instruments._stick


def steady_ticks(rng: np.random.Generator, duration_seconds: float) -> list[float]:
    """Of a metronome."""
    first = rng.uniform(0.05, 0.4)
    return list(np.arange(first, duration_seconds, rng.uniform(0.3, 0.9)))


def steady_stick(rng: np.random.Generator, stage: object, pads: list, mine: list[int], num_sticks: int) -> object:
    """A stick that hits its pads in turn, at equal times and nearly alike."""
    stick = _stick(rng, stage, pads, mine, num_sticks)
    times = np.arange(rng.uniform(0.05, 0.4), stage.duration_seconds, rng.uniform(0.25, 0.8))
    strikes = [Strike(float(at), rng.uniform(0.95, 1.05), mine[n % len(mine)]) for n, at in enumerate(times)]
    return replace(stick, strikes=tuple(strikes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    folder = parser.parse_args().work / "rhythm"
    instruments._ticks, instruments._stick = steady_ticks, steady_stick
    if not (folder / "truth.csv").is_file():
        synthesise(folder, SynthConfig(40, seed=5, duration_seconds=7.0, kinds=("clock", "drums")))
    with (folder / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    models = models_with(None)
    analyser, cues = Analyser(folder / "cache", models.towers, num_threads=1), cues_for(models)
    videos = usable(analyse_all(analyser.video, [str(folder / row["video"]) for row in rows], "videos"))
    audios = usable(analyse_all(analyser.audio, [str(folder / row["audio"]) for row in rows], "audio"))
    rng = np.random.default_rng(0)
    found = {"clock": [], "drums": []}
    for row, video, audio in zip(rows, videos, audios, strict=True):
        for late in rng.uniform(-0.5, 0.5, TRIES):
            moved = moved_audio(audio, late - float(row["offset_ms"]) / 1000)
            estimate = estimate_offset(cues, video, moved, max_offset_seconds=MAX_OFFSET_SECONDS)
            if estimate.offset_seconds is None:
                continue
            low, high = offset_interval(estimate)
            is_off = abs(estimate.offset_seconds - late) > RIGHT_SECONDS
            found[row["kind"]].append((is_off, estimate.confidence >= OK_CONFIDENCE, low <= late <= high))
    for kind, tries in found.items():
        off, ok, covered = np.array(tries).T
        print(
            f"{kind}: {len(tries)} tries, another period in {off.sum()}, ok in {ok.sum()}, both in {(off & ok).sum()}, "
            f"the truth in the 95 % interval in {covered.sum()}"
        )


if __name__ == "__main__":
    main()
