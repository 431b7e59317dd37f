"""What a classifier of scenes takes: sequences of features, made of media here or read from files.

    media files → decode → front ends → what each second holds → items ┐
    files of features (data/pairs.py)                            → items ┴ usable(model, items) → blocks of sides

Features of media are the vectors of a model's towers (their mean over each second), or, with the front end `signals`,
those of the analysis of every file, without any model: loudness and its rises by band, motion by place, mean and
deviation.

Letters in shapes: T ticks, D dimensions.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Shaped

from avmatch.analysis.features import Analyser, analyse_all
from avmatch.artifacts.tower import TowerPair, load_pair
from avmatch.core.errors import MediaError, ModelError, UsageError
from avmatch.core.features import BAND_RATE_HZ, TICK_RATE_HZ, AudioFeatures, Embeddings, VideoFeatures
from avmatch.core.results import Failure, Progress
from avmatch.data.items import SIDES, Fault, Items, Pairs, Side, absent, numbered, whole_steps
from avmatch.data.layouts import is_media, list_scene_files
from avmatch.data.manifest import Clip, is_table
from avmatch.data.pairs import read_clips, read_scenes
from avmatch.data.std2022 import is_std2022
from avmatch.data.tau import is_tau
from avmatch.systems.scenes.runtime import SceneModel

#: The front end that needs no model.
SIGNALS = "signals"
#: Steps a second.
RATE_HZ = 1.0
#: Items that are in memory at once, of sets that lie on the disk.
BLOCK = 512

Steps = Float32[np.ndarray, "_ _"]


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
) -> Pairs:
    """The features of labelled media (data/layouts.py).

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
) -> Pairs:
    """The features of these files; a side without features is a fault."""
    pair = None if front_end == SIGNALS else load_pair(front_end)
    analyser = Analyser(cache_dir, () if pair is None else (pair,), num_threads=1)
    paths = [file.path for file in files]
    answers = analyse_all(lambda path: _sides_of_file(analyser, pair, path), paths, "files", progress)
    sides = [
        dict.fromkeys(SIDES, (absent(), answer.message)) if isinstance(answer, Failure) else answer
        for answer in answers
    ]
    faults = [
        Fault(path, side, why)
        for path, read in zip(paths, sides, strict=True)
        for side, (_, why) in read.items()
        if why
    ]
    return Pairs(
        tuple(read["video"][0] for read in sides),
        tuple(read["audio"][0] for read in sides),
        tuple(paths),
        numbered([file.group for file in files])[0],
        *numbered([file.label for file in files]),
        video_rate_hz=RATE_HZ,
        audio_rate_hz=RATE_HZ,
        faults=tuple(faults),
    )


def _sides_of_file(analyser: Analyser, pair: TowerPair | None, path: str) -> dict[Side, tuple[Steps, str]]:
    """The steps of each side, and why there are none."""
    reads = (lambda: _audio_steps(analyser.audio(path), pair), lambda: _video_steps(analyser.video(path), pair))
    with suppress(MediaError):
        video, audio = analyser.both(path)
        reads = (lambda: _audio_steps(audio, pair), lambda: _video_steps(video, pair))
    return dict(zip(SIDES, map(_attempted, reads), strict=True))


def _attempted(read: Callable[[], Steps]) -> tuple[Steps, str]:
    try:
        steps = read()
    except MediaError as error:
        return absent(), error.message
    return steps, "" if len(steps) else "nothing in it for the front end (no face, say, or shorter than a tick)"


def _audio_steps(audio: AudioFeatures, pair: TowerPair | None) -> Steps:
    if pair is not None:
        return _vector_steps(audio.embeddings.get(pair.name))
    ticks = np.concatenate((audio.level, audio.flux), axis=1)
    return by_second(ticks, BAND_RATE_HZ, audio.start_seconds, with_deviation=True)


def _video_steps(video: VideoFeatures, pair: TowerPair | None) -> Steps:
    if pair is None:
        ticks = video.motion.reshape(len(video.motion), -1)
        return by_second(ticks, TICK_RATE_HZ, video.start_seconds, with_deviation=True)
    if pair.video.description.crop == "picture":
        return _vector_steps(video.embeddings.get(pair.name))
    longest = max(video.mouths, key=len, default=None)
    return absent() if longest is None else _vector_steps(longest.embeddings.get(pair.name))


def _vector_steps(vectors: Embeddings | None) -> Steps:
    if vectors is None:
        return absent()
    return by_second(vectors.data, vectors.rate_hz, vectors.start_seconds, with_deviation=False)


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
    parts = [mean, np.sqrt(np.maximum(square - mean**2, 0))] if with_deviation else [mean]
    return np.concatenate(parts, axis=1).astype(np.float32)


def scenes_for(
    model: SceneModel,
    files: Sequence[str | Path],
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    split: str | None = None,
) -> list[Pairs]:
    """The items that arguments name, as the model takes them."""
    if not model.description.front_end:
        if media := next((file for file in files if Path(file).is_file() and is_media(Path(file))), None):
            raise UsageError(f"{media}: is media, and {model.description.model} takes features that others computed")
        scenes: list[Pairs] = []
        for is_clip, group in itertools.groupby(files, lambda file: Path(file).suffix.lower() == ".npz"):
            named = [os.fspath(file) for file in group]
            scenes += [read_clips(named)] if is_clip else [read_scenes(path, split) for path in named]
        return scenes
    listed: list[Clip] = []
    for path in map(Path, files):
        found = list_scene_files(path, split)
        if not found:
            if not path.is_file() or is_table(path):
                raise UsageError(f"{path}: {model.description.model} takes media files, and folders and tables of them")
            found = (Clip(str(path), str(path), str(path)),)
        listed += found
    return [media_scenes(listed, model.description.front_end, cache_dir, progress)]


@dataclass(frozen=True, eq=False)
class Usable:
    """The sides of each item as far as a model takes them, and why it can't, by item and side that it takes."""

    names: tuple[str, ...]
    audio: list[Steps]
    video: list[Steps]
    missing: list[dict[str, str]]


def usable(model: SceneModel, scenes: Pairs) -> Iterator[Usable]:
    """The items, block by block, so that large sets needn't fit into the memory.

    Sides with other features than the model's, or that it doesn't take, count as missing.

    Raises:
        ModelError: no item of a block has features that the model takes.
    """
    faults = {(fault.name, fault.side): fault.message for fault in scenes.faults}
    for begin in range(0, len(scenes), BLOCK):
        names = scenes.names[begin : begin + BLOCK]
        missing: list[dict[str, str]] = [{} for _ in names]
        sides: dict[Side, list[Steps]] = {side: [absent()] * len(names) for side in SIDES}
        for side in model.description.sides:
            items = getattr(scenes, side)
            read = [_steps(items, row) for row in range(begin, begin + len(names))]
            wanted = model.description.num_features[side]
            unfit = [
                f"has {steps.shape[1]} features a step, {model.description.model} takes {wanted}"
                if len(steps) and steps.shape[1] != wanted
                else ""
                for steps, _ in read
            ]
            if all(unfit):
                raise ModelError(f"{names[0]}: its {side} {unfit[0]}")
            for place, (steps, fault) in enumerate(read):
                sides[side][place] = absent() if unfit[place] else steps
                if why := unfit[place] or faults.get((names[place], side), fault):
                    missing[place][side] = why
        yield Usable(names, sides["audio"], sides["video"], missing)


def _steps(items: Items, row: int) -> tuple[Steps, str]:
    """A side's steps, none where all are missing, and why."""
    try:
        steps = whole_steps(items[row])
    except MediaError as error:
        return absent(), error.message
    return (absent(), "missing") if np.isnan(steps).all() else (steps, "")
