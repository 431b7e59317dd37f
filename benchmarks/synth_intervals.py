"""Do the 95 % intervals of `sync` hold the truth on rendered clips, and what is the zero of each kind of scene?

    python benchmarks/synth_intervals.py WORK [--scenes 120]

The generator renders scenes of every kind in turn, clean and with noise at 5 dB by halves. Each pair is measured five
times, its sound moved by up to 0.4 s. Two questions: whether the interval holds the shift between copies of one pair,
whose zero is the median of its five measurements (n = five a scene), and whether it holds the truth itself, which is
known here. Maps and models are those that ship; nothing is fitted.
"""

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from avmatch.alignment.cuts import moved_audio
from avmatch.alignment.offset import OK_CONFIDENCE, estimate_offset, is_narrow, offset_interval
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.core.results import Failure
from avmatch.pipelines.models import models_with
from avmatch.pipelines.sync import cues_for
from avmatch.synth import SynthConfig, synthesise

MAX_OFFSET_SECONDS, COPIES, SEED = 1.0, 5, 218
SECONDS, NOISY_DB = 5.0, 5.0


@dataclass(frozen=True)
class Measured:
    """One copy: what `sync` says less what is true, and its interval the same way."""

    kind: str
    scene: str
    error_seconds: float
    interval_seconds: tuple[float, float]
    is_ok: bool


def measured(work: Path, num_scenes: int) -> list[Measured]:
    """Every copy of every scene that some cue can tell of."""
    cues, rng, found = cues_for(models_with(None)), np.random.default_rng(SEED), []
    for name, snr_db in (("clean", None), ("noisy", NOISY_DB)):
        folder = work / name
        if not (folder / "truth.csv").exists():
            rates = (Fraction(24), Fraction(25), Fraction(30000, 1001))
            synthesise(
                folder,
                SynthConfig(
                    num_scenes // 2,
                    seed=SEED,
                    duration_seconds=SECONDS,
                    fps_choices=rates,
                    sizes=((320, 240),),
                    snr_db=snr_db,
                ),
            )
        with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        analyser = Analyser(work / "cache", models_with(None).towers, num_threads=1)
        videos = analyse_all(analyser.video, [str(folder / row["video"]) for row in rows], "videos")
        audios = analyse_all(analyser.audio, [str(folder / row["audio"]) for row in rows], "audio")
        for row, video, audio in zip(rows, videos, audios, strict=True):
            if isinstance(video, Failure) or isinstance(audio, Failure):
                raise SystemExit(f"{row}: {video} {audio}")
            for late in rng.uniform(-0.4, 0.4, COPIES):
                truth = late + float(row["offset_ms"]) / 1000
                estimate = estimate_offset(cues, video, moved_audio(audio, late), max_offset_seconds=MAX_OFFSET_SECONDS)
                if estimate.offset_seconds is not None:
                    interval = offset_interval(estimate)
                    low, high = interval
                    is_ok = estimate.confidence >= OK_CONFIDENCE and is_narrow(interval)
                    error = estimate.offset_seconds - truth
                    found.append(Measured(row["kind"], row["video"] + name, error, (low - truth, high - truth), is_ok))
    return found


def share(values: list[bool]) -> str:
    """In per cent, with the binomial interval."""
    ends = binomtest(sum(values), len(values)).proportion_ci()
    return f"{100 * np.mean(values):5.1f} [{100 * ends.low:5.1f}, {100 * ends.high:5.1f}] of {len(values)}"


def line(name: str, chosen: list[Measured]) -> None:
    """What the intervals of some copies hold."""
    errors = defaultdict(list)
    for one in chosen:
        errors[one.scene].append(one.error_seconds)
    zero = {scene: float(np.median(found)) for scene, found in errors.items()}
    shift = [one.interval_seconds[0] <= zero[one.scene] <= one.interval_seconds[1] for one in chosen]
    truth = [one.interval_seconds[0] <= 0.0 <= one.interval_seconds[1] for one in chosen]
    ok = [abs(one.error_seconds) <= 0.08 for one in chosen if one.is_ok]
    low, middle, high = 1000 * np.percentile(list(zero.values()), [10, 50, 90])
    width = 1000 * np.median([one.interval_seconds[1] - one.interval_seconds[0] for one in chosen])
    print(
        f"{name:8} hold the shift {share(shift)}, the truth {share(truth)}; zero {middle:+.0f} ms "
        f"({low:+.0f} … {high:+.0f}); width {width:.0f} ms; ok {len(ok)}"
        + (f", within 80 ms {100 * np.mean(ok):.1f} %" if ok else "")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--scenes", type=int, default=120, help="rendered in all")
    given = parser.parse_args()
    found = measured(given.work, given.scenes)
    for kind in sorted({one.kind for one in found}):
        line(kind, [one for one in found if one.kind == kind])
    line("all", found)


if __name__ == "__main__":
    main()
