"""Talking faces, through real files: offsets and matches of pieces of 2 s and 4 s by the model that ships.

    python benchmarks/lips.py WORK [--collections grid_speakers anchors grid wild] [--lengths 2 4] [--model RUN]
    python benchmarks/lips.py WORK --collections wild --lengths 4 --noise 20 10 5 0 -5 --plot noise.png
    python benchmarks/lips.py WORK --collections wild --lengths 4 --pictures

Clips are cut into disjoint pieces. The picture of each becomes a silent file, and its sound five files that are late or
early by known amounts within ±0.4 s: `avmatch sync PICTURE --audio SOUND`, searched within ±1 s. The sounds in time are
shuffled and `avmatch match`ed to the pictures, with all cues (lengths are equal), and with the model alone.
Clips whose own offset is in doubt stay out of the offsets. Intervals are over people (the manifest's `group`).

`--noise` puts each piece's sound into babble, into music and into white noise at these levels (dB). `--pictures` writes
the same pieces recompressed (crf 38), at half resolution, and at other frame rates.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from clips import SOUND_RATE_HZ, Piece, picture, pieces, sound
from scipy.optimize import linear_sum_assignment

from avmatch.alignment.offset import OK_CONFIDENCE, estimate_offset
from avmatch.analysis.features import Analyser, analyse_all
from avmatch.core.features import AudioSamples
from avmatch.matching.decision import MatchSettings
from avmatch.matching.fusion import fused_scores, usual_offsets
from avmatch.media.encode import write_audio, write_clip
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.pipelines.match import cues_for as match_cues
from avmatch.pipelines.models import face_cues, models_with
from avmatch.pipelines.sync import cues_for
from avmatch.reports.plots import new_figure, save_figure, set_head
from avmatch.synth.sound import mix_at_snr, synthetic_noise
from matching import LAGS_SECONDS

LIMITS = {"grid": 100, "anchors": 200}
SHIFTS = 5
TOLERANCE_SECONDS = 0.08
NOISES = ("babble", "music", "white")
RATES_HZ = {"15 fps": 15.0, "24 fps": 24.0, "30 fps": 30.0, "50 fps": 50.0, "60 fps": 60.0}
PICTURES = ("as it is", "crf 38", "half size", *RATES_HZ, "varying")


@dataclass(frozen=True)
class Item:
    """A piece, its files, and how late each of its sounds is; the first isn't."""

    piece: Piece
    video: str
    sounds: tuple[str, ...]
    late_seconds: tuple[float, ...]


@dataclass(frozen=True)
class Condition:
    """The noise that a sound is in."""

    kind: str = "clean"
    snr_db: float = np.inf

    def __str__(self) -> str:
        return self.kind if np.isinf(self.snr_db) else f"{self.kind} at {self.snr_db:g} dB"


@dataclass(frozen=True)
class Share:
    """A share in %, with its 95 % interval over people; NaN where there is none."""

    percent: float
    low: float = np.nan
    high: float = np.nan

    def __str__(self) -> str:
        if np.isnan(self.percent):
            return "    –              "
        return f"{self.percent:5.1f}" + (" " * 14 if np.isnan(self.low) else f" [{self.low:5.1f},{self.high:6.1f}]")


@dataclass(frozen=True)
class Row:
    """The figures of one set of files."""

    condition: Condition
    shares: dict[str, Share]


def written(
    collection: str, length: float, work: Path, shown: str, condition: Condition, only: Collection[str] = ()
) -> list[Item]:
    """All pieces of a collection, or of the clips of these names, as files; files that exist stay."""
    chosen = pieces(collection, length, None if only else LIMITS.get(collection))
    if only:
        chosen = [piece for piece in chosen if piece.path.name in only]
    chosen = [piece for piece in chosen if piece.length_seconds >= min(length, 1.0) - 0.2]
    folder = work / f"{collection}-{length:g}{'-some' if only else ''}"
    jobs = [(folder, number, piece, shown, condition) for number, piece in enumerate(chosen)]
    with ProcessPoolExecutor() as pool:
        return list(pool.map(_write, jobs, chunksize=2))


def _write(job: tuple[Path, int, Piece, str, Condition]) -> Item:
    folder, number, piece, shown, condition = job
    late = (0.0, *np.random.default_rng(number).uniform(-0.4, 0.4, SHIFTS).round(3).tolist())
    video = folder / shown.replace(" ", "_") / f"{number:04d}.mp4"
    if not video.is_file():
        frames, times = _shown(piece, shown, np.random.default_rng(number))
        write_clip(video, frames, fps=25, crf=38 if shown == "crf 38" else 18, frame_times_seconds=times)
    of_sound = folder / f"sound {condition}".replace(" ", "_")
    sounds = [of_sound / f"{number:04d}-{place}.wav" for place in range(len(late))]
    for path, seconds in zip(sounds, late, strict=True):
        if not path.is_file():
            write_audio(path, noisy(sound(piece, seconds), condition, number))
    return Item(piece, str(video), tuple(map(str, sounds)), late)


def _shown(piece: Piece, shown: str, rng: np.random.Generator) -> tuple[list[np.ndarray], list[float]]:
    frames, times = map(list, zip(*picture(piece), strict=True))
    if shown == "half size":
        frames = [cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in frames]
        frames = [frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2] for frame in frames]
    if shown == "varying":
        kept = [place for place in range(len(frames)) if place == 0 or rng.random() > 1 / 3]
        return [frames[place] for place in kept], [times[place] for place in kept]
    if shown in RATES_HZ:
        wanted = np.arange(0, times[-1], 1 / RATES_HZ[shown])
        return [frames[place] for place in np.searchsorted(times, wanted + 1e-6, side="right") - 1], wanted.tolist()
    return frames, times


def noisy(clean: AudioSamples, condition: Condition, number: int) -> AudioSamples:
    """The sound in noise of its own."""
    if np.isinf(condition.snr_db):
        return clean
    rng, num = np.random.default_rng([7, number]), clean.data.shape[1]
    noise = (
        music(rng, num)
        if condition.kind == "music"
        else synthetic_noise(rng, num, condition.kind, clean.sample_rate_hz)
    )
    return replace(clean, data=mix_at_snr(clean.data[0], noise, condition.snr_db)[None])


def music(rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Chords of plucked tones, two a second, with overtones."""
    times, out = np.arange(num_samples) / SOUND_RATE_HZ, np.zeros(num_samples)
    for begin in np.arange(0, times[-1], 0.5):
        for semitone in rng.choice([0, 3, 4, 7, 10, 12], 3):
            since = times - begin
            tone = 220 * 2 ** ((semitone + rng.integers(-5, 6)) / 12)
            ring = np.where(since >= 0, np.exp(-4 * np.maximum(since, 0)), 0.0)
            out += ring * sum(np.sin(2 * np.pi * part * tone * since) / part for part in range(1, 6))
    return out.astype(np.float32)


def share(hits: np.ndarray, groups: list[str]) -> Share:
    if len(hits) == 0:
        return Share(np.nan)
    if len(set(groups)) < 2:
        return Share(100 * float(hits.mean()))
    interval = bootstrap_interval(hits.astype(float), 0, group=np.array(groups))
    return Share(100 * float(hits.mean()), 100 * interval.low, 100 * interval.high)


def measured(
    condition: Condition, items: list[Item], work: Path, model: str | None, detector: Path | None = None
) -> Row:
    """Offsets and matches of one set of files."""
    models = models_with(model)
    analyser = Analyser(work / "cache", models.towers, num_threads=1, face_detector=detector)
    videos = analyse_all(analyser.video, [item.video for item in items], "videos")
    audio = [
        analyse_all(analyser.audio, list(files), "audio") for files in zip(*(i.sounds for i in items), strict=True)
    ]
    cues, errors, frames, sure, groups = cues_for(models), [], [], [], []
    for row, item in enumerate(items):
        for place in range(1, 0 if item.piece.is_doubtful else 1 + SHIFTS):
            estimate = estimate_offset(cues, videos[row], audio[place][row], max_offset_seconds=1.0)
            offset = np.inf if estimate.offset_seconds is None else estimate.offset_seconds
            errors.append(abs(offset - item.late_seconds[place]))
            frames.append(1 / videos[row].fps)
            sure.append(estimate.confidence >= OK_CONFIDENCE)
            groups.append(item.piece.group)
    error, ok = np.array(errors), np.array(sure)
    near = error <= TOLERANCE_SECONDS
    shares = {
        "frame": share(error <= np.maximum(frames, 0.04) + 1e-9, groups),
        "80 ms": share(near, groups),
        "ok": share(ok, groups),
        "right of ok": share(near[ok], [group for group, one in zip(groups, ok, strict=True) if one]),
    }
    people = [item.piece.group for item in items]
    for label, used in (
        ("assigned", match_cues(MatchSettings(), models)),
        ("model alone", tuple(face_cues(models.towers))),
    ):
        scores = fused_scores(used, videos, audio[0], LAGS_SECONDS, usual_offsets(LAGS_SECONDS))
        rows, columns = linear_sum_assignment(-scores.nats.astype(np.float64))
        shares[label] = share(rows == columns, people)
    return Row(condition, shares)


def plot(rows: list[Row], title: str, names: dict[str, str], groups: str, path: Path) -> None:
    """Two shares over the level of the noise, a line for each kind; the clean sound at the right end."""
    figure = new_figure((9.0, 3.8))
    levels = sorted({row.condition.snr_db for row in rows})
    for axes, name in zip(figure.subplots(1, 2, sharey=True), names, strict=True):
        set_head(axes, f"{title}: {names[name]}")
        for kind, colour in zip(NOISES, ("#96530a", "#0d6169", "#5d646b"), strict=True):
            line = sorted(
                (row for row in rows if row.condition.kind in (kind, "clean")), key=lambda row: row.condition.snr_db
            )
            places = [levels.index(row.condition.snr_db) for row in line]
            found = [row.shares[name] for row in line]
            axes.plot(places, [one.percent for one in found], color=colour, marker="o", markersize=3, label=kind)
            axes.fill_between(
                places, [one.low for one in found], [one.high for one in found], color=colour, alpha=0.12, linewidth=0
            )
        axes.set_xticks(range(len(levels)), ["clean" if np.isinf(level) else f"{level:g} dB" for level in levels])
        axes.set_ylim(0, 101)
    figure.axes[0].set_ylabel(f"% (95 % intervals over {groups})")
    figure.axes[0].legend(frameon=False, fontsize=8, loc="lower right")
    save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--collections", nargs="+", default=["grid_speakers", "anchors", "grid"])
    parser.add_argument("--lengths", nargs="+", type=float, default=[2.0, 4.0])
    parser.add_argument("--model", help="a run or folder instead of the model that ships")
    parser.add_argument("--face-detector", type=Path, help="haar, or a YuNet file")
    parser.add_argument("--noise", nargs="+", type=float, default=[])
    parser.add_argument("--plot", type=Path, help="a picture of --noise")
    parser.add_argument("--pictures", action="store_true")
    given = parser.parse_args()
    print(f"%, [95 % interval over people]; ok = confidence of {OK_CONFIDENCE} or more")
    shown = PICTURES if given.pictures else PICTURES[:1]
    sounds = [Condition(), *(Condition(kind, snr_db) for kind in NOISES for snr_db in given.noise)]
    for collection in given.collections:
        for length in given.lengths:
            rows = []
            for kind in shown:
                for condition in sounds:
                    items = written(collection, length, given.work, kind, condition)
                    row = measured(condition, items, given.work, given.model, given.face_detector)
                    rows.append(row)
                    print(f"{collection} {length:g} s, {kind}, {condition}, {len(items)} pieces")
                    print("   " + "  ".join(f"{name} {one}" for name, one in row.shares.items()), flush=True)
            if given.plot is not None:
                names = {"80 ms": "offset within 80 ms", "assigned": "matches assigned"}
                plot(rows, f"{collection}, {length:g} s", names, "people", given.plot)


if __name__ == "__main__":
    main()
