"""Talking faces, through real files: offsets and partners of pieces of 2 s and 4 s by the model that ships.

    python benchmarks/lips.py WORK [--collections grid_speakers anchors grid wild] [--lengths 2 4] [--model RUN]
    python benchmarks/lips.py WORK --collections wild --lengths 4 --noise 20 10 5 0 -5
    python benchmarks/lips.py WORK --collections wild --lengths 4 --pictures

Clips are cut into disjoint pieces. Of each, the picture becomes a silent file, and its sound five files that come late
or early by known amounts within ±0.4 s: `avmatch sync PICTURE --audio SOUND`, searched within ±1 s. The sounds that are
in time are shuffled and `avmatch match`ed to the pictures, with all cues (lengths are equal), and with the model alone.
Clips whose own offset is in doubt stay out of the offsets. Intervals are over people (the manifest's `group`).

`--pictures` writes the same pieces recompressed (crf 38), at half resolution, and at other frame rates.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from clips import SOUND_RATE_HZ, Piece, picture, pieces, sound
from scipy.optimize import linear_sum_assignment

from avmatch.alignment.offset import estimate_offset
from avmatch.core.signals import AudioSamples
from avmatch.datasets.augment.sound import mix_at_snr, synthetic_noise
from avmatch.matching.fusion import fused_scores, usual_offsets
from avmatch.media.encode import write_audio, write_clip
from avmatch.metrics.intervals import bootstrap_interval
from avmatch.pipelines.analysis import Analyser, analyse_all
from avmatch.pipelines.models import face_cues, models_with
from avmatch.pipelines.sync import OK_CONFIDENCE, cues_for
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


def written(collection: str, length: float, work: Path, shown: str, snr_db: float | None) -> list[Item]:
    """All pieces of a collection as files; what is there already stays."""
    chosen = pieces(collection, length, LIMITS.get(collection))
    chosen = [piece for piece in chosen if piece.length_seconds >= min(length, 1.0) - 0.2]
    folder = work / f"{collection}-{length:g}"
    jobs = [(folder, number, piece, shown, snr_db) for number, piece in enumerate(chosen)]
    with ProcessPoolExecutor() as pool:
        return list(pool.map(_write, jobs, chunksize=2))


def _write(job: tuple[Path, int, Piece, str, float | None]) -> Item:
    folder, number, piece, shown, snr_db = job
    late = (0.0, *np.random.default_rng(number).uniform(-0.4, 0.4, SHIFTS).round(3).tolist())
    video = folder / shown.replace(" ", "_") / f"{number:04d}.mp4"
    if not video.is_file():
        frames, times = _shown(piece, shown, np.random.default_rng(number))
        write_clip(video, frames, fps=25, crf=38 if shown == "crf 38" else 18, frame_times_seconds=times)
    level = "clean" if snr_db is None else f"{snr_db:g}dB"
    sounds = [folder / f"sound_{level}" / f"{number:04d}-{place}.wav" for place in range(len(late))]
    for path, seconds in zip(sounds, late, strict=True):
        if not path.is_file():
            write_audio(path, _noisy(sound(piece, seconds), snr_db, number))
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


def _noisy(clean: AudioSamples, snr_db: float | None, number: int) -> AudioSamples:
    """In babble, music or noise, one after another."""
    if snr_db is None:
        return clean
    rng, kind = np.random.default_rng([7, number]), NOISES[number % len(NOISES)]
    num = clean.data.shape[1]
    noise = music(rng, num) if kind == "music" else synthetic_noise(rng, num, kind, clean.sample_rate_hz)
    return replace(clean, data=mix_at_snr(clean.data[0], noise, snr_db)[None])


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


def share(hits: np.ndarray, groups: list[str]) -> str:
    if len(hits) == 0:
        return "    –        "
    if len(set(groups)) < 2:
        return f"{100 * hits.mean():5.1f}        "
    interval = bootstrap_interval(hits.astype(float), 0, group=np.array(groups))
    return f"{100 * hits.mean():5.1f} ±{50 * (interval.high - interval.low):4.1f}"


def told(name: str, items: list[Item], work: Path, model: str | None) -> None:
    """Offsets and partners of one set of files."""
    models = models_with(model)
    analyser = Analyser(work / "cache", models, num_threads=1)
    videos = analyse_all(analyser.video, [item.video for item in items], "videos")
    heard = [
        analyse_all(analyser.audio, list(files), "audio") for files in zip(*(i.sounds for i in items), strict=True)
    ]
    cues, errors, frames, sure, groups = cues_for(models), [], [], [], []
    for row, item in enumerate(items):
        for place in range(1, 0 if item.piece.is_doubtful else 1 + SHIFTS):
            estimate = estimate_offset(cues, videos[row], heard[place][row], max_offset_seconds=1.0)
            offset = np.inf if estimate.offset_seconds is None else estimate.offset_seconds
            errors.append(abs(offset - item.late_seconds[place]))
            frames.append(1 / videos[row].fps)
            sure.append(estimate.confidence >= OK_CONFIDENCE)
            groups.append(item.piece.group)
    error, ok = np.array(errors), np.array(sure)
    near = error <= TOLERANCE_SECONDS
    of_ok = share(near[ok], [group for group, one in zip(groups, ok, strict=True) if one])
    line = (
        f"  {name:26s} n {len(items):3d}  frame {share(error <= np.maximum(frames, 0.04) + 1e-9, groups)}"
        f"  80 ms {share(near, groups)}  ok {share(ok, groups)}  right of ok {of_ok}"
    )
    people = [item.piece.group for item in items]
    for label, used in (("assigned", (*cues_for(models),)), ("model alone", tuple(face_cues(models)))):
        scores = fused_scores(used, videos, heard[0], LAGS_SECONDS, usual_offsets(LAGS_SECONDS))
        rows, columns = linear_sum_assignment(-scores.nats.astype(np.float64))
        line += f"  {label} {share(rows == columns, people)}"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--collections", nargs="+", default=["grid_speakers", "anchors", "grid"])
    parser.add_argument("--lengths", nargs="+", type=float, default=[2.0, 4.0])
    parser.add_argument("--model", help="a run or folder instead of the model that ships")
    parser.add_argument("--noise", nargs="+", type=float, default=[])
    parser.add_argument("--pictures", action="store_true")
    given = parser.parse_args()
    print(f"%, ± half a 95 % interval over people; ok = confidence of {OK_CONFIDENCE} or more")
    shown = PICTURES if given.pictures else PICTURES[:1]
    for collection in given.collections:
        for length in given.lengths:
            for kind in shown:
                for snr_db in (None, *given.noise):
                    make: Callable[[], list[Item]] = partial(written, collection, length, given.work, kind, snr_db)
                    name = f"{collection} {length:g} s, " + (kind if snr_db is None else f"{snr_db:g} dB")
                    told(name, make(), given.work, given.model)


if __name__ == "__main__":
    main()
