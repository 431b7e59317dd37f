"""Media → labelled pairs of feature sequences, one step a second.

    files → decode → front ends → what each second holds → items

Features are the vectors of a model's towers (their mean over each second), or, with the front end `signals`, what the
analysis of every file gives without any model: loudness and its rises by band, motion by place, mean and deviation.

Letters in shapes: T ticks, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Shaped

from avmatch.artifacts.tower import TowerPair, load_pair
from avmatch.core.errors import MediaError, UsageError
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, Embeddings, VideoFeatures
from avmatch.core.progress import Progress
from avmatch.core.results import Failure
from avmatch.datasets.clips import Clip
from avmatch.datasets.items import Pairs, numbered
from avmatch.datasets.layouts import list_scene_files
from avmatch.datasets.scene_items import SIDES, Fault, Scenes, Side, absent
from avmatch.datasets.std2022 import is_std2022
from avmatch.datasets.tau import is_tau
from avmatch.pipelines.analysis import Analyser, analyse_all

#: The front end that needs no model.
SIGNALS = "signals"
#: Steps a second.
RATE_HZ = 1.0

Steps = Float32[np.ndarray, "_ _"]
Features = TypeVar("Features", AudioFeatures, VideoFeatures)


@dataclass(frozen=True, eq=False)
class _Heard:
    """One file: its features, and why a side has none."""

    audio: Steps
    video: Steps
    missing: dict[Side, str]


def is_scene_media(path: str | Path) -> bool:
    """Whether these are media files with labels rather than features, which go first where both are there."""
    given = Path(path)
    has_features = given.is_dir() and (is_tau(given) or is_std2022(given))
    return not has_features and bool(list_scene_files(path))


def read_scene_media(
    data: str | Path,
    front_end: str,
    cache_dir: Path | None,
    progress: Progress | None = None,
    split: str | None = None,
) -> Scenes:
    """The features of labelled media (datasets/layouts.py).

    Args:
        front_end: SIGNALS, or a run, a model folder, or a shipped model.
        cache_dir: where the analysis of files is kept; None = nowhere.

    Raises:
        UsageError: there are no media.
        ModelError: the front end can't be used.
    """
    files = list_scene_files(data, split)
    if not files:
        raise UsageError(f"{data}: no labelled media; give a folder of one folder a class, or a table with `path`")
    return media_scenes(files, front_end, cache_dir, progress)


def media_scenes(
    files: Sequence[Clip], front_end: str, cache_dir: Path | None, progress: Progress | None = None
) -> Scenes:
    """The features of these files; what can't be had of one is told as a fault."""
    pair = None if front_end == SIGNALS else load_pair(front_end)
    analyser = Analyser(cache_dir, () if pair is None else (pair,), num_threads=1)
    paths = [file.path for file in files]
    answers = analyse_all(lambda path: _features(analyser, pair, path), paths, "files", progress)
    heard = [_failed(answer) if isinstance(answer, Failure) else answer for answer in answers]
    faults = [
        Fault(file.path, side, one.missing[side])
        for file, one in zip(files, heard, strict=True)
        for side in SIDES
        if side in one.missing
    ]
    label, label_names = numbered([file.label for file in files])
    pairs = Pairs(
        tuple(one.video for one in heard),
        tuple(one.audio for one in heard),
        tuple(file.path for file in files),
        numbered([file.group for file in files])[0],
        label,
        label_names,
        video_rate_hz=RATE_HZ,
        audio_rate_hz=RATE_HZ,
    )
    return Scenes(pairs, tuple(faults))


def by_second(ticks: Shaped[np.ndarray, "T D"], rate_hz: float, start_seconds: float, *, with_deviation: bool) -> Steps:
    """The mean of each second's ticks, and their deviation beside it; seconds before 0 are left out, empty ones NaN."""
    second = np.floor(start_seconds + np.arange(len(ticks)) / rate_hz + 1e-6).astype(np.int64)
    ticks, second = ticks[second >= 0].astype(np.float64), second[second >= 0]
    if not len(ticks):
        return absent()
    count = np.bincount(second)
    sums = np.zeros((2, len(count), ticks.shape[1]))
    np.add.at(sums[0], second, ticks)
    np.add.at(sums[1], second, ticks**2)
    with np.errstate(invalid="ignore"):
        mean, square = sums / count[:, None]
    told = [mean, np.sqrt(np.maximum(square - mean**2, 0))] if with_deviation else [mean]
    found: Steps = np.concatenate(told, axis=1).astype(np.float32)
    return found


def _features(analyser: Analyser, pair: TowerPair | None, path: str) -> _Heard:
    missing: dict[Side, str] = {}
    seen: VideoFeatures | None
    heard: AudioFeatures | None
    try:
        seen, heard = analyser.both(path)
    except MediaError:
        seen = _attempted(analyser.video, path, "video", missing)
        heard = _attempted(analyser.audio, path, "audio", missing)
    audio = absent() if heard is None else _sound_steps(heard, pair)
    video = absent() if seen is None else _picture_steps(seen, pair)
    for side, steps in zip(SIDES, (audio, video), strict=True):
        if not len(steps):
            missing.setdefault(side, "nothing in it for the front end (no face, say, or shorter than a tick)")
    return _Heard(audio, video, missing)


def _attempted(analyse: Callable[[str], Features], path: str, side: Side, missing: dict[Side, str]) -> Features | None:
    try:
        return analyse(path)
    except MediaError as error:
        missing[side] = error.message
        return None


def _failed(failure: Failure) -> _Heard:
    return _Heard(absent(), absent(), dict.fromkeys(SIDES, failure.message))


def _sound_steps(heard: AudioFeatures, pair: TowerPair | None) -> Steps:
    if pair is not None:
        return _vector_steps(heard.embeddings.get(pair.name))
    ticks = np.concatenate((heard.level, heard.flux), axis=1)
    return by_second(ticks, BAND_RATE_HZ, heard.start_seconds, with_deviation=True)


def _picture_steps(seen: VideoFeatures, pair: TowerPair | None) -> Steps:
    if pair is None:
        ticks = seen.motion.reshape(len(seen.motion), -1)
        return by_second(ticks, TICK_RATE_HZ, seen.start_seconds, with_deviation=True)
    if pair.video.description.crop == "picture":
        return _vector_steps(seen.embeddings.get(pair.name))
    longest = max(seen.mouths, key=len, default=None)
    return absent() if longest is None else _vector_steps(longest.embeddings.get(pair.name))


def _vector_steps(vectors: Embeddings | None) -> Steps:
    if vectors is None:
        return absent()
    return by_second(vectors.data, vectors.rate_hz, vectors.start_seconds, with_deviation=False)
